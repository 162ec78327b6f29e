"""What the timers of a GPU share, and `CudaTimer`: CUDA events around each launch.

Everything here works on torch's current stream. Work is queued behind a spin of the GPU, so that no event waits for
the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from immabench.errors import ImmabenchError
from immabench.measure.telemetry import Reading, Telemetry, summarize
from immabench.measure.timer import ClockWitness, Criterion, Launch, Timing, clock_ns, warm_up

CUDA_EVENTS = "cuda events"

QUEUE_CLOCKS = 10_000_000
"""How long the GPU spins (some ms) before launches are queued: the queue fills, and no event waits for the host."""

PATIENT_CLOCKS = 20 * QUEUE_CLOCKS
"""The second look at a launch that seems to wait: longer than a busy host takes to queue one launch."""

BATCH = 32
"""Samples taken between two readings of the GPU."""

BATCHED_LAUNCHES = 64
"""At most so many back to back: what a host queues in Python while the GPU spins."""

BATCHED_SECONDS = 0.05
BATCHED_REPEATS = 3

MAX_DISCARDED_SHARE = 0.5
"""Of all samples taken; a GPU that is held back more often than not has no time of its own to report."""


class CudaBallast:
    """Device memory overwritten between launches, outside the events, to push small operands out of L2."""

    def __init__(self, bytes_between: int) -> None:
        import torch

        self._values = torch.empty(bytes_between, dtype=torch.uint8, device="cuda")

    def touch(self) -> None:
        """Overwrite all of it once."""
        self._values.zero_()


@dataclass(frozen=True)
class Batch:
    """Samples in microseconds, and how many more the timer itself `discarded`, with the reason."""

    times_us: Sequence[float]
    discarded: int = 0
    reason: str = ""


class CudaTimer:
    """CUDA events around each launch; launches are queued in batches, then read.

    A batch during which the GPU was held back (heat, power brake) is discarded and counted; a GPU that was so for most
    of the measurement has its reason in `Timing.distrust`. Raises ImmabenchError for a launch that waits for the GPU.
    """

    def __init__(self, criterion: Criterion, ballast: CudaBallast, telemetry: Telemetry) -> None:
        self._criterion = criterion
        self._ballast = ballast
        self._telemetry = telemetry

    def time(self, launches: Sequence[Launch]) -> Timing:
        make_ready(launches, self._criterion.max_seconds)

        def batch(first: int) -> Batch:
            return Batch(times_by_events(self._turn(launches, first), self._ballast))

        return with_batched(collect(self._criterion, self._telemetry, batch), launches)

    def _turn(self, launches: Sequence[Launch], first: int) -> list[Launch]:
        """The launches of one batch, going on in the rotation where the last one ended."""
        size = min(BATCH, self._criterion.max_samples)
        return [launches[(first + index) % len(launches)] for index in range(size)]


def make_ready(launches: Sequence[Launch], max_seconds: float) -> None:
    """Warm up on the current stream. Raises ImmabenchError for a launch that waits for the GPU."""
    import torch

    torch.cuda.synchronize()
    warm_up(launches, max_seconds)
    torch.cuda.synchronize()
    if _waits(launches[0], QUEUE_CLOCKS) and _waits(launches[0], PATIENT_CLOCKS):
        raise ImmabenchError(
            "the launch waits for the GPU, so that its time would be the host's",
            "a provider's launch queues work on the current stream and returns",
        )


def _waits(launch: Launch, clocks: int) -> bool:
    """Whether a launch behind a spin of so many clocks returned after the spin."""
    import torch

    spun: Any = torch.cuda.Event()
    torch.cuda._sleep(clocks)
    spun.record()
    launch()
    over = bool(spun.query())
    torch.cuda.synchronize()
    return over


def times_by_events(launches: Sequence[Launch], ballast: CudaBallast) -> list[float]:
    """Microseconds of each launch by CUDA events on torch's current stream; all are queued, then read."""
    import torch

    pairs: list[Any] = [tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) for _ in launches]
    torch.cuda._sleep(QUEUE_CLOCKS)
    for (before, after), launch in zip(pairs, launches, strict=True):
        ballast.touch()
        before.record()
        launch()
        after.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) * 1e3 for before, after in pairs]


def with_batched(timing: Timing, launches: Sequence[Launch]) -> Timing:
    """`timing` with `batched_us`, by CUDA events: launches in rotation, nothing between them, nothing flushed."""
    if not timing.times_us:
        return timing
    count = max(2, min(BATCHED_LAUNCHES, int(BATCHED_SECONDS * 1e6 / timing.median_us)))
    turn = [launches[index % len(launches)] for index in range(count)]
    means = [mean for mean in (_mean_back_to_back(turn) for _ in range(BATCHED_REPEATS)) if mean is not None]
    return replace(timing, batched_us=median(means) if means else None)


def _mean_back_to_back(launches: Sequence[Launch]) -> float | None:
    """Microseconds a launch; None where the GPU began before all were queued, and may have waited for the host."""
    import torch

    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(QUEUE_CLOCKS)
    before.record()
    for launch in launches:
        launch()
    after.record()
    late = before.query()
    torch.cuda.synchronize()
    return None if late else float(before.elapsed_time(after)) * 1e3 / len(launches)


def collect(
    criterion: Criterion,
    telemetry: Telemetry,
    batch: Callable[[int], Batch],
    l2_state: str = "rotated",
    timed_by: str = CUDA_EVENTS,
) -> Timing:
    """Take batches until the criterion is met. `batch(first)` times launches, `first` the samples taken before.

    The GPU is read after each batch, when it is as warm as the batch made it. Samples taken while it was held back are
    discarded and counted; they do not count for the criterion, but their time does.
    """
    times: list[float] = []
    spoilt: list[float] = []
    readings: list[Reading] = []
    discarded, reasons = 0, set[str]()
    witness, start = ClockWitness(), clock_ns()
    while not (stopped := criterion.stopped_by(times, (clock_ns() - start) / 1e9)):
        taken = batch(len(times) + discarded)
        reading = telemetry.read()
        throttled = reading.throttled_by if reading else ()
        (spoilt if throttled else times).extend(taken.times_us)
        readings += [reading] if reading and not throttled else []
        discarded += taken.discarded + (len(taken.times_us) if throttled else 0)
        reasons.update(throttled, [taken.reason] if taken.discarded else [])
        if (clock_ns() - start) / 1e9 > criterion.max_seconds and _mostly(discarded, len(times)):
            break
    distrust = witness.contradicts((clock_ns() - start) / 1e9)
    if _mostly(discarded, len(times)):
        distrust = f"{discarded} samples discarded: {', '.join(sorted(reasons))}; let the GPU cool, or give it power"
    kept = tuple(times or spoilt)
    return Timing(kept, l2_state, discarded, summarize(readings), distrust, stopped or "seconds", timed_by)


def _mostly(discarded: int, kept: int) -> bool:
    return discarded > MAX_DISCARDED_SHARE * (discarded + kept)
