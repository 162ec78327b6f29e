"""What a provider is: it lists the configurations legal for a problem, prepares operands, and launches.

A new competitor is one small file with a class of this shape, registered in `registry` or, from another package, under
the entry-point group `immabench.providers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from immabench.numerics import Array
from immabench.operands import Operands
from immabench.problems import Problem


@dataclass(frozen=True)
class Availability:
    """Whether a provider works here. `detail` says with what, or why not; `remedy` how to get it."""

    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Candidate:
    """A configuration a provider offers for a problem; `reason` says why it is illegal, None when it is legal."""

    config_id: str
    reason: str | None = None


@dataclass(frozen=True)
class Emulation:
    """What the emulated machine saw in a launch: counters and hazards as the native module returns them."""

    counts: dict[str, Any]
    hazards: list[dict[str, Any]]
    hazard_total: int
    lines: list[dict[str, Any]]


class Launchable(Protocol):
    """A problem with its operands in place, ready to be launched again and again."""

    problem: Problem
    """The problem it computes, which a float baseline states in its own types."""
    backend: str
    """What really computes it, for example "torch-cpu:_int_mm"."""
    timed: bool
    """False where wall time says nothing, as under emulation."""
    emulation: Emulation | None
    """Filled by `launch` under emulation."""

    def launch(self) -> None:
        """Compute the problem once. On a GPU this returns before the work is done."""

    def output(self) -> Array:
        """The result of the last launch as numpy [M, N] (bf16 as uint16 bits), the poison where nothing was written."""

    def verify(self) -> str:
        """Compare `output()` with the oracle: empty when right, else one line that says what differs."""


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

    def prepare(self, problem: Problem, config_id: str, operands: Operands, device: str) -> Launchable:
        """Place `operands` on `device` and return what launches the problem. May raise ImmabenchError."""
