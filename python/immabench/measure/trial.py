"""A trial: one configuration with a problem in memory the measurement owns, launched and judged against the oracle.

The measurement fills the buffers, poisons the output and keeps the operands the oracle is asked with; a provider only
launches. So a result that is old, late, lazy or of other data does not pass (tests/honesty).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from immabench.errors import OperandError
from immabench.float_oracle import compare_with_oracle
from immabench.operands import Operands, is_full_range, make_operands
from immabench.problems import Problem
from immabench.providers.base import PackingLaunchable, Provider, Step
from immabench.providers.buffers import ACTIVATIONS, WEIGHTS, make_buffers

SEED_STRIDE = 1000
"""Between the seeds of two operand sets."""


def set_seed(seed: int, index: int, fresh: bool = False) -> int:
    """The seed of operand set `index`; `fresh` is that of activations the set has not seen."""
    return seed + index * SEED_STRIDE + int(fresh)


class Trial:
    """A problem, as `provider` states it, by one of its configurations on a device kind, with operands of a seed.

    Of a `step` that packs, the weights are what a launch works on: they are renewed like activations, and what was
    packed is judged by a product from it.

    Raises what the provider raises, OperandError, and MissingHardwareError where the device is missing.
    """

    def __init__(
        self, provider: Provider, problem: Problem, config_id: str, device_kind: str, seed: int, step: Step = "compute"
    ) -> None:
        self._asked, self._packs = problem, step == "pack"
        self._operands = _data(problem, seed)
        self._buffers = make_buffers(provider.stated(problem, config_id), self._operands, device_kind)
        self.launchable = provider.prepare(config_id, self._buffers)

    @property
    def problem(self) -> Problem:
        """The problem in the types that are computed."""
        return self._buffers.problem

    @property
    def bytes_touched(self) -> int:
        """Bytes a launch reads and writes at least: of a packing step the weights, read and written anew."""
        return 2 * self.problem.weight_bytes if self._packs else self.problem.bytes_moved

    def launch(self) -> None:
        """Launch once; on a GPU this returns before the work is done."""
        self.launchable.launch()

    def renew(self, seed: int) -> None:
        """Overwrite the activations in place with those of another seed, and poison the output.

        Weights stay, unless packing them is the step: a provider may have rearranged them when it prepared.
        """
        fresh = _data(self._asked, seed)
        self._operands = fresh if self._packs else fresh.with_weights_of(self._operands)
        self._buffers.load((*ACTIVATIONS, *WEIGHTS) if self._packs else ACTIVATIONS, self._operands)
        self._buffers.poison()

    def judge(self) -> str:
        """What is wrong with the last launch, in one line; empty when right. A hazard is wrong where numbers agree."""
        if self._packs:
            self._multiply_from_packed()
        difference = compare_with_oracle(self.problem, self._buffers.result(), self._operands).describe()
        emulation = self.launchable.emulation
        hazards = emulation.describe_hazards() if emulation else ""
        return "; ".join(filter(None, (difference, hazards)))

    def _multiply_from_packed(self) -> None:
        """Have the product computed while the buffers of what is packed hold other weights, every bit turned round.

        So it can come only from what the launch packed before, and not from packing done now.
        """
        launchable = cast(PackingLaunchable, self.launchable)
        others, packed = replace(self._operands, b=~self._operands.b), ("b", *launchable.packs_also)
        self._buffers.poison()
        self._buffers.load(packed, others)
        launchable.multiply()
        self._buffers.load(packed, self._operands)


def judge_again(trials: Sequence[Trial], seed: int) -> str:
    """What is wrong after timing `trials`, the operand sets of `seed` that were launched; empty when nothing is.

    What the timed launches left is judged, then a launch on activations never seen before. Of four sets at most: the
    first, the last, and two at random, so that nobody can know which will be looked at.
    """
    chosen = {0, len(trials) - 1, *(secrets.randbelow(len(trials)) for _ in range(2))}
    for index in sorted(chosen):
        trial = trials[index]
        wrong = trial.judge()
        if wrong:
            return f"operand set {index}: {wrong}"
        trial.renew(set_seed(seed, index, fresh=True))
        trial.launch()
        wrong = trial.judge()
        if wrong:
            return f"operand set {index}, fresh activations: {wrong}"
    return ""


def _data(problem: Problem, seed: int) -> Operands:
    """The operands of a seed. Raises OperandError for what is not data: a time on zeros is not a time on a model."""
    operands = make_operands(problem, seed)
    for name, codes in (("a", operands.a), ("b", operands.b)):
        if not is_full_range(codes):
            raise OperandError(f"{name} does not cover the range of int8", "measure on random full-range operands")
    return operands
