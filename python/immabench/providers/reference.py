"""The numpy oracle as a provider: slow, exact, and always there."""

from __future__ import annotations

from immabench.numerics import gemm_reference
from immabench.operands import OPERAND_NAMES, Operands
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
from immabench.providers.buffers import Buffers

CONFIG_ID = "reference_numpy"


class ReferenceLaunch:
    """`gemm_reference` from the buffers into their output."""

    backend = "numpy:float64-blas"
    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers

    def launch(self) -> None:
        own = self._buffers
        operands = Operands(**{name: getattr(own, name) for name in OPERAND_NAMES})
        own.out[...] = gemm_reference(own.problem, operands)


class ReferenceProvider:
    """Computes every problem of integers on the CPU with numpy."""

    name = "reference"
    ranked = False

    def availability(self) -> Availability:
        return Availability(True, "numpy float64 BLAS, exact")

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def config_ids(self) -> tuple[str, ...]:
        return (CONFIG_ID,)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(CONFIG_ID, None if problem.is_integer else "computes integer operands only")]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> ReferenceLaunch:
        return ReferenceLaunch(buffers)
