"""The numpy oracle as a provider: slow, exact, and always there."""

from __future__ import annotations

from immabench.numerics import Array, compare_exact, gemm_reference
from immabench.operands import Operands, check_operands, poisoned_output
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation

CONFIG_ID = "reference_numpy"


class ReferenceLaunch:
    """`gemm_reference` on operands it keeps."""

    backend = "numpy:float64-blas"
    timed = True
    emulation: Emulation | None = None

    def __init__(self, problem: Problem, operands: Operands) -> None:
        check_operands(problem, operands)
        self.problem = problem
        self._operands = operands
        self._output = poisoned_output(problem)

    def launch(self) -> None:
        self._output[...] = gemm_reference(self.problem, self._operands)

    def output(self) -> Array:
        return self._output

    def verify(self) -> str:
        return compare_exact(self.problem, self._output, gemm_reference(self.problem, self._operands)).describe()


class ReferenceProvider:
    """Computes every s8 problem on the CPU with numpy."""

    name = "reference"
    ranked = False

    def availability(self) -> Availability:
        return Availability(True, "numpy float64 BLAS, exact")

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def config_ids(self) -> tuple[str, ...]:
        return (CONFIG_ID,)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(CONFIG_ID, None if problem.a_type == "s8" else "computes s8 operands only")]

    def prepare(self, problem: Problem, config_id: str, operands: Operands, device: str) -> ReferenceLaunch:
        return ReferenceLaunch(problem, operands)
