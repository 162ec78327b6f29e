"""Which configurations are worth trying on a problem: those the model of kernel time predicts to be fastest."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest

from immabench.kernels import KernelConfig
from immabench.predict.machine import Machine, present_machine
from immabench.predict.terms import Prediction, predict
from immabench.problems import Problem
from immabench.profile import registers_by_kernel


@dataclass(frozen=True)
class RankedConfig:
    """A configuration with what the model predicts of it for one problem, best first in `rank_configs`."""

    config: KernelConfig
    prediction: Prediction

    def explain(self) -> str:
        """Why it ranks where it does, in one line."""
        return self.prediction.explain()


def rank_configs(
    configs: Iterable[KernelConfig], problem: Problem, machine: Machine | None = None
) -> list[RankedConfig]:
    """`configs` by predicted time on `machine` (the GPU here, else an H200 stands for one), fastest first.

    Ties go to the larger tile, then to more stages, then by id. Raises UsageError for a configuration that does not run
    on that machine: leave those out first.
    """
    machine = machine or present_machine()
    ranked = [RankedConfig(config, predicted(config, problem, machine)) for config in configs]
    return sorted(ranked, key=_order)


def predicted(config: KernelConfig, problem: Problem, machine: Machine) -> Prediction:
    """As `predict`, with the registers of the compiled kernel where this build knows them."""
    return predict(config, problem, machine, known_registers(config, machine.architecture))


def known_registers(config: KernelConfig, architecture: str) -> int | None:
    """Registers a thread of the code that runs on `architecture`; None where no machine code was read."""
    found = _registers().get(config.id, {})
    # sm_90a code runs on sm_90, and sm_86 code serves sm_89 (ARCHITECTURE.md, The build).
    names = (architecture, f"{architecture}a", "sm_86" if architecture == "sm_89" else "", "sm_80")
    return next((found[name] for name in names if name in found), None)


_registers = functools.cache(registers_by_kernel)


def best_of_each(ranked: Iterable[RankedConfig]) -> list[RankedConfig]:
    """`ranked` with the instructions in turns: the best of each first, then the second of each.

    Where no time decides, a predicted one should not hide all that one instruction can do.
    """
    entries = list(ranked)
    turns = ([entry for entry in entries if entry.config.by_wgmma is wgmma] for wgmma in _families(entries))
    return [entry for entry in chain.from_iterable(zip_longest(*turns)) if entry is not None]


def _families(entries: Iterable[RankedConfig]) -> list[bool]:
    """Whether the best is wgmma's, then the other instruction where there is one."""
    return list(dict.fromkeys(entry.config.by_wgmma for entry in entries))


def _order(entry: RankedConfig) -> tuple[float, int, int, str]:
    tile_m, tile_n, _ = entry.config.block_tile
    return entry.prediction.time_us, -tile_m * tile_n, -entry.config.stages, entry.config.id
