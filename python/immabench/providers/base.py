"""What a provider is: it lists the configurations legal for a problem, prepares operands, and launches.

A new competitor is one small file with a class of this shape, registered in `registry` or, from another package, under
the entry-point group `immabench.providers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from immabench.problems import Problem
from immabench.providers.buffers import Buffers

Step = Literal["compute", "pack"]
"""What a launch does: compute a problem, or rearrange its weights for launches that do."""


@dataclass(frozen=True)
class Availability:
    """Whether a provider works here. `detail` says with what, or why not; `remedy` how to get it.

    `hardware`: what is missing is a device, which no installation mends.
    """

    ok: bool
    detail: str
    remedy: str = ""
    hardware: bool = False


@dataclass(frozen=True)
class Candidate:
    """A configuration a provider offers for a problem; `reason` says why it is illegal, None when it is legal.

    `step` "pack" is one that rearranges weights, once a model and not once a product: its `prepare` gives a
    `PackingLaunchable`.
    """

    config_id: str
    reason: str | None = None
    step: Step = "compute"


def beyond_scales(problem: Problem) -> str | None:
    """Why who applies no more than scales and a bias cannot take part in measuring `problem`, None when it can."""
    return f"computes no {', no '.join(problem.extras)}" if problem.extras else None


@dataclass(frozen=True)
class Emulation:
    """What the emulated machine saw in a launch: counters and hazards as the native module returns them."""

    counts: dict[str, Any]
    hazards: list[dict[str, Any]]
    hazard_total: int
    lines: list[dict[str, Any]]
    seconds: float = 0.0
    """Of wall time, which says nothing about the kernel."""

    @classmethod
    def of(cls, report: dict[str, Any]) -> Emulation:
        """What a report of the native module's `emulate_` functions says."""
        return cls(*(report[name] for name in ("counts", "hazards", "hazard_total", "lines", "seconds")))

    def describe_hazards(self) -> str:
        """How many hazards and the first of them, in one line; empty without any."""
        if not self.hazard_total:
            return ""
        plural = "s" if self.hazard_total > 1 else ""
        return f"{self.hazard_total} hazard{plural}, first: {describe_hazard(self.hazards[0])}"


def describe_hazard(hazard: dict[str, Any]) -> str:
    """A hazard in one line: kind, place, block (linear index in the grid), thread and detail."""
    place = f"{hazard['file']}:{hazard['line']}"
    return f"{hazard['kind']} at {place}, block {hazard['block']}, thread {hazard['thread']}: {hazard['detail']}"


class Launchable(Protocol):
    """A problem with its buffers in place, ready to be launched again and again."""

    backend: str
    """What really computes it, for example "torch-cpu:_int_mm"."""
    timed: bool
    """False where wall time says nothing, as under emulation."""
    emulation: Emulation | None
    """Filled by `launch` under emulation."""

    def launch(self) -> None:
        """Compute the problem once, from what its buffers hold into their output.

        On the host the output is there when this returns; on a GPU, when work queued on the current stream is done.
        """


class PackingLaunchable(Launchable, Protocol):
    """A step that packs: `launch` rearranges what the weight buffers hold when it starts, `multiply` computes with it.

    The measurement times `launch` alone. To judge it, it overwrites the codes and `packs_also`, calls `multiply` and
    compares the output: what was not packed by `launch` is not there any more.
    """

    packs_also: tuple[str, ...]
    """The weight buffers, beside the codes `b`, that `launch` rearranges; from the others `multiply` takes its own."""

    def multiply(self) -> None:
        """Compute the problem from what the last launch packed, and from the activations as they are now."""


class Provider(Protocol):
    """Who computes a problem."""

    name: str
    ranked: bool
    """True where `configs` offers many tile configurations, best first, and a sweep should try only the first few."""

    def availability(self) -> Availability:
        """Whether it works on this machine; must be cheap and must not raise."""

    def devices(self) -> tuple[str, ...]:
        """The device kinds it computes on: of "emulated", "cpu", "cuda"."""

    def config_ids(self) -> tuple[str, ...]:
        """Every configuration it knows, for filters and listings."""

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        """Its configurations for `problem` on `device`, the most promising first, illegal ones with their reason."""

    def stated(self, problem: Problem, config_id: str) -> Problem:
        """`problem` as this configuration computes it: a float baseline states its own types and no scales."""

    def prepare(self, config_id: str, buffers: Buffers) -> Launchable:
        """What launches `buffers.problem`, as `stated`, on the buffers' device. May raise ImmabenchError."""
