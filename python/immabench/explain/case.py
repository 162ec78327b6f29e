"""What is known of one row when it is explained: its problem, time and roof, and the model's view of its kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from immabench.errors import ImmabenchError, UsageError
from immabench.explain.efficiency import Roof
from immabench.explain.emulated import EmulatedCounts
from immabench.kernels import KernelConfig
from immabench.predict import Machine, RankedConfig, predicted, select
from immabench.predict.ranking import known_registers
from immabench.predict.terms import Prediction
from immabench.predict.work import TileWork, estimated_registers
from immabench.problems import Problem

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.profile.actions import Action

TimeKind = Literal["measured", "predicted"]


@dataclass(frozen=True)
class Case:
    """One row with what bears on its time.

    `time_us` was measured, or is predicted of a row that only ran on the emulated machine. `machine` is the GPU it ran
    on, or is predicted for; None for CPUs. `config` is None for kernels of others. `ceilings` are those of its device,
    `action` is its profile, `emulated` what its kernel does on this problem
    on the emulated machine, `facts` what the compiler made of it.
    """

    row: Row
    problem: Problem
    time_us: float
    kind: TimeKind
    roof: Roof
    machine: Machine | None = None
    config: KernelConfig | None = None
    ceilings: Mapping[str, Any] = field(default_factory=dict)
    action: Action | None = None
    emulated: EmulatedCounts | None = None
    facts: Mapping[str, Any] | None = None

    @cached_property
    def efficiency(self) -> float:
        """What the roof would take over what it took; above 1 where the row beat its roof."""
        return self.roof.floor_us(self.problem) / self.time_us

    @cached_property
    def is_memory_bound(self) -> bool:
        """Whether the bytes, and not the operations, are the roof."""
        return self.roof.memory_us(self.problem) > self.roof.compute_us(self.problem)

    @cached_property
    def prediction(self) -> Prediction | None:
        """The model's view of this kernel on this problem; None where there is none."""
        if self.config is None or self.machine is None:
            return None
        try:
            return predicted(self.config, self.problem, self.machine)
        except ImmabenchError:  # of another build or GPU: the row stands, its kernel is not known here
            return None

    @cached_property
    def work(self) -> TileWork | None:
        """How the launch is divided; None where there is no prediction."""
        if self.prediction is None or self.config is None or self.machine is None:
            return None
        registers = known_registers(self.config, self.machine.architecture) or estimated_registers(self.config)
        return TileWork(self.config, self.problem, self.machine, registers)

    @cached_property
    def best(self) -> RankedConfig | None:
        """The kernel that is predicted to be fastest on this problem; None where none is known."""
        if self.machine is None:
            return None
        try:
            return select(self.problem, self.machine)
        except UsageError:
            return None

    def term_us(self, name: str) -> float:
        """A term of the prediction; 0 where there is none of that name."""
        terms = self.prediction.terms if self.prediction else ()
        return next((term.time_us for term in terms if term.name == name), 0.0)

    def share(self, microseconds: float) -> float:
        """So much of the row's time, at most all of it."""
        return min(1.0, max(0.0, microseconds / self.time_us))

    def better(self, without: str = "") -> str:
        """Advice to take the kernel predicted to be fastest, where it is another; `without` stands if there is none."""
        if self.best is None or self.prediction is None or self.config is None or self.best.config.id == self.config.id:
            return without
        gain = self.prediction.time_us / self.best.prediction.time_us
        return f"try {self.best.config.id}, predicted {gain:.2f} times as fast"
