"""Two configurations timed in turns in one run, so that drift and throttling hit both alike and cancel in their ratio.

Launches come in blocks of two pairs, first-second-second-first or the other way round, chosen at random: what depends
on the order within a pair, and drift that is linear over a block, cancels in the block's log ratio. The interval is
that of the median over blocks (`statistics`). Measuring ends when the interval is narrow, wherever it lies. Ending when
it first misses 1 would make a difference out of noise: looked at often enough, identical sides are apart at some time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from immabench.errors import ImmabenchError, NothingSelectedError, UsageError
from immabench.hardware import cache_bytes, device_of
from immabench.measure.statistics import THRESHOLD, Estimate, Verdict, half_width, judge, paired_ratio_interval
from immabench.measure.stopwatch import Stopwatch, make_stopwatch
from immabench.measure.timer import Launch, ballast_bytes, clock_ns, operand_sets
from immabench.problems import Problem
from immabench.profile.ranges import nvtx_range
from immabench.providers.base import Candidate, Provider
from immabench.providers.registry import load_provider, provider_names
from immabench.row_ids import RowId

if TYPE_CHECKING:
    from immabench.measure.trial import Trial

Wanted = tuple[Provider, str, Problem]
"""A provider, the id of one of its configurations, and what it is asked to compute."""

Pair = tuple[float, float]
"""Microseconds of a launch of the first side and of one of the second, taken next to each other."""

PRECISION = 0.25
"""The half width to stop at, as a share of the threshold: a true ratio of 1 then fits well inside "same"."""

TIMED_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Goal:
    """When to stop: the interval's half width at most `PRECISION` of `threshold`, or at a limit of time or pairs.

    The interval is looked at when the pairs have grown by half, not after each: every look is a chance to be lucky.
    """

    threshold: float = THRESHOLD
    max_seconds: float = 5.0
    max_pairs: int = 20000
    first_look: int = 64

    def reached(self, ratio: Estimate) -> bool:
        """Whether the interval is narrow enough."""
        return half_width(ratio) <= PRECISION * self.threshold

    def next_look(self, pairs: int) -> int:
        """After how many pairs to look again."""
        return min(self.max_pairs, math.ceil(1.5 * pairs))


@dataclass(frozen=True)
class Paired:
    """Times of both sides, pair by pair in the order taken, and why measuring ended."""

    pairs: tuple[Pair, ...]
    stopped: str

    @property
    def ratio(self) -> Estimate:
        """Second / first, with its interval."""
        return paired_ratio_interval(block_log_ratios(self.pairs))

    @property
    def medians_us(self) -> Pair:
        """The median time of each side."""
        return median(pair[0] for pair in self.pairs), median(pair[1] for pair in self.pairs)


@dataclass(frozen=True)
class Side:
    """A verified configuration: its launches, one an operand set; `recheck` says what is wrong after so many."""

    config_id: str
    backend: str
    problem: Problem
    launches: list[Launch]
    recheck: Callable[[int], str] = field(repr=False)


@dataclass(frozen=True)
class AbResult:
    """What was found of `second` against `first` on one problem and device."""

    first: Side
    second: Side
    problem: Problem
    device: str
    paired: Paired
    threshold: float

    @property
    def verdict(self) -> tuple[Verdict, str]:
        """The verdict on the second side, and why it is INCONCLUSIVE where it is."""
        return judge(self.paired.ratio, self.threshold)


def run_ab(
    first_id: str,
    second_id: str,
    problem: Problem,
    device_kind: str = "cpu",
    goal: Goal | None = None,
    seed: int = 0,
    other: Problem | None = None,
) -> AbResult:
    """Verify both configurations, time them in turns, verify them again. The second is asked for `problem` too, or for
    `other`: the same product of other types, say.

    Raises NothingSelectedError for an unknown id, UsageError where one cannot compute or cannot be timed there,
    MissingHardwareError without the device, ImmabenchError (exit code 1) where one is wrong.
    """
    goal = goal or Goal()
    asked = ((first_id, problem), (second_id, other or problem))
    wanted = [(timed_provider(config_id, device_kind), config_id, one) for config_id, one in asked]
    device = device_of(device_kind)
    for provider, config_id, one in wanted:
        _require_legal(provider, config_id, one, device_kind)
    sizes = [provider.stated(one, config_id).bytes_moved for provider, config_id, one in wanted]
    cache = cache_bytes(device_kind)
    sets = max(operand_sets(size, cache) for size in sizes)
    sides = prepare(wanted, device_kind, seed, sets)
    stopwatch = make_stopwatch(device_kind, max(ballast_bytes(size, cache) for size in sizes))
    # Of both sides at once: a range of each launch's own would be timed with it. Native launches name their kernel.
    with nvtx_range(f"ab {first_id} {second_id}"):
        paired = time_in_turns(sides[0].launches, sides[1].launches, stopwatch, goal, seed)
    for side in sides:
        _require_right(side.config_id, side.recheck(len(paired.pairs)), "after timing: ")
    return AbResult(sides[0], sides[1], problem, device.name, paired, goal.threshold)


def timed_provider(config_id: str, device_kind: str) -> Provider:
    """The provider of a configuration that can be timed on `device_kind`; raises as `run_ab` says."""
    if device_kind not in TIMED_DEVICES:
        raise UsageError(_no_time(f"device {device_kind}"), f"choose --device {' or '.join(TIMED_DEVICES)}")
    providers = {name: provider for provider in map(load_provider, provider_names()) for name in provider.config_ids()}
    if config_id not in providers:
        raise NothingSelectedError.nearest("configuration", config_id, providers)
    provider = providers[config_id]
    if device_kind not in provider.devices():
        raise _not_there(provider, config_id, device_kind)
    state = provider.availability()
    if not state.ok:
        raise UsageError(f"{config_id}: {state.detail}", state.remedy)
    return provider


def prepare(wanted: Sequence[Wanted], device_kind: str, seed: int, sets: int) -> list[Side]:
    """Both sides: each verified on one operand set, then all sets of both made in random order. Raises for a wrong one.

    Made one side after the other, the second would get systematically other memory, and one configuration would differ
    from itself by percents on a CPU. All this module knows of trials is here and in `_side`.
    """
    from immabench.measure.trial import Trial, set_seed

    def made(side: int, index: int) -> Trial:
        provider, config_id, problem = wanted[side]
        return Trial(provider, problem, config_id, device_kind, set_seed(seed, index))

    for side, (_, config_id, problem) in enumerate(wanted):
        first = made(side, 0)
        if not first.launchable.timed:
            raise UsageError(_no_time(config_id), f"choose --device {' or '.join(TIMED_DEVICES)}")
        with nvtx_range(str(RowId(config_id, problem.key, device_kind))):
            _require_right(config_id, _launched(first))
    order = [(side, index) for side in range(len(wanted)) for index in range(sets)]
    random.Random(seed).shuffle(order)
    trials = {place: made(*place) for place in order}
    return [_side(wanted[side][1], [trials[side, index] for index in range(sets)], seed) for side in range(len(wanted))]


def _side(config_id: str, trials: Sequence[Trial], seed: int) -> Side:
    from immabench.measure.trial import judge_again

    def recheck(pairs: int) -> str:
        return judge_again(trials[:pairs], seed)

    launches = [trial.launch for trial in trials]
    return Side(config_id, trials[0].launchable.backend, trials[0].problem, launches, recheck)


def _launched(trial: Trial) -> str:
    trial.launch()
    return trial.judge()


def time_in_turns(
    first: Sequence[Launch], second: Sequence[Launch], stopwatch: Stopwatch, goal: Goal, seed: int = 0
) -> Paired:
    """Time blocks of two pairs, operand sets in rotation, until `goal` is reached or ends it."""
    choose = random.Random(seed)
    sides = (stopwatch.ready(first), stopwatch.ready(second))
    pairs: list[Pair] = []
    look, start = goal.first_look, clock_ns()
    while True:
        pairs += _timed_blocks(sides, len(pairs), stopwatch, choose)
        if len(pairs) >= goal.max_pairs:
            return Paired(tuple(pairs), f"{goal.max_pairs} pairs")
        if clock_ns() - start >= goal.max_seconds * 1e9:
            return Paired(tuple(pairs), "time budget")
        if len(pairs) >= look:
            if goal.reached(paired_ratio_interval(block_log_ratios(pairs))):
                return Paired(tuple(pairs), "precise enough")
            look = goal.next_look(len(pairs))


def block_log_ratios(pairs: Sequence[Pair]) -> list[float]:
    """The log ratio second / first of each block: the mean over its two pairs, which ran in opposite orders."""
    logs = [math.log(second / first) for first, second in pairs]
    return [(one + other) / 2 for one, other in zip(logs[::2], logs[1::2], strict=True)]


def _timed_blocks(
    sides: tuple[Sequence[Launch], Sequence[Launch]], done: int, stopwatch: Stopwatch, choose: random.Random
) -> list[Pair]:
    """Pairs number `done` and on. Each side of a pair launches on the same operand set, the next pair on the next."""
    orders: list[tuple[int, int]] = []
    for _ in range(stopwatch.BLOCKS):
        leader = choose.randrange(2)
        orders += [(leader, 1 - leader), (1 - leader, leader)]
    launches = [sides[side][(done + index) % len(sides[side])] for index, order in enumerate(orders) for side in order]
    times = stopwatch.times(launches)
    taken = zip(times[::2], times[1::2], orders, strict=True)
    return [(one, other) if order[0] == 0 else (other, one) for one, other, order in taken]


def _require_legal(provider: Provider, config_id: str, problem: Problem, device_kind: str) -> None:
    offered = {candidate.config_id: candidate for candidate in provider.configs(problem, device_kind)}
    candidate = offered.get(config_id, Candidate(config_id, f"not offered on {device_kind}"))
    if candidate.step != "compute":
        raise UsageError(f"{config_id} packs weights and computes nothing", "time it by `immabench sweep`")
    if reason := candidate.reason:
        raise UsageError(f"{config_id} cannot compute {problem.key}: {reason}", "choose another shape or configuration")


def _require_right(config_id: str, wrong: str, when: str = "") -> None:
    if wrong:
        raise ImmabenchError(
            f"{config_id} is wrong, {when}{wrong}", "a wrong result is not timed; `immabench verify` shows more"
        )


def _not_there(provider: Provider, config_id: str, device_kind: str) -> UsageError:
    """Why a configuration has no time on a device it does not run on, and where it has one."""
    if "emulated" in provider.devices():
        reason = f"{config_id} has no time on {device_kind}: without a GPU it is emulated, and emulation counts"
        return UsageError(reason, "time it on a GPU with --device cuda, or count with `immabench emulate`")
    return UsageError(
        f"{config_id} does not run on {device_kind}", f"choose --device {' or '.join(provider.devices())}"
    )


def _no_time(what: str) -> str:
    return f"{what} has no time: emulation counts, it does not measure"
