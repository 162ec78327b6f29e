"""Times single launches in the order given, as interleaving needs it: `timer` decides itself what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from immabench.measure.cuda_timer import CudaBallast, times_by_events
from immabench.measure.timer import Ballast, Launch, clock_ns, wall_us


class Stopwatch(Protocol):
    """Times launches one by one, in the order given."""

    BLOCKS: int
    """How many blocks of four launches to hand over at a time."""

    def ready(self, launches: Sequence[Launch]) -> list[Launch]:
        """Warm the launches up; returns what `times` takes in their place."""

    def times(self, launches: Sequence[Launch]) -> list[float]:
        """Microseconds of each."""


class CpuStopwatch:
    """Wall clock around each launch; the ballast is read before it."""

    BLOCKS = 1
    WARM_SECONDS = 0.5

    def __init__(self, ballast: Ballast) -> None:
        self._ballast = ballast

    def ready(self, launches: Sequence[Launch]) -> list[Launch]:
        start = clock_ns()
        for launch in launches:
            launch()
            if clock_ns() - start > self.WARM_SECONDS * 1e9:
                break
        return list(launches)

    def times(self, launches: Sequence[Launch]) -> list[float]:
        return [self._time(launch) for launch in launches]

    def _time(self, launch: Launch) -> float:
        self._ballast.touch()
        # A clock that did not move in a launch of some nanoseconds still gives a ratio.
        return max(1e-3, wall_us(launch))


class CudaStopwatch:
    """CUDA events around replays of one-launch graphs: the host's cost of a launch differs by library and is left out.

    Replays are queued behind a spin, so that no event waits for the host.
    """

    BLOCKS = 16

    def __init__(self, ballast: CudaBallast) -> None:
        self._ballast = ballast

    def ready(self, launches: Sequence[Launch]) -> list[Launch]:
        return [self._captured(launch) for launch in launches]

    def _captured(self, launch: Launch) -> Launch:
        import torch

        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # lazy initialisation must not happen inside a capture
            launch()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
        replay: Launch = graph.replay
        replay()
        return replay

    def times(self, launches: Sequence[Launch]) -> list[float]:
        return times_by_events(launches, self._ballast)


def make_stopwatch(device_kind: str, bytes_between: int) -> Stopwatch:
    """The stopwatch of a device kind, with so many bytes of ballast touched before each launch."""
    if device_kind == "cuda":
        return CudaStopwatch(CudaBallast(bytes_between))
    return CpuStopwatch(Ballast(bytes_between))
