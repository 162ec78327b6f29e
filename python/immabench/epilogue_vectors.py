"""The vectors of a product's epilogue, each said once: its type, what it has a value for, and when a problem has it.

Of a batch every product has its own. The matrix of the epilogue, the residual, is [.., M, N] and of the type that
`Problem.residual` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from immabench.problems import Problem

Kind = str
"""One of `problem_rules.SCALE_KINDS`: "none", "tensor" for one value, [1], or "vector"."""


@dataclass(frozen=True)
class Vector:
    """`extent` is what there is a value for; of rows and columns [1] will do where it is `one_for_all`."""

    data_type: str
    extent: Literal["rows", "columns", "one"]
    kind: Callable[[Problem], Kind]
    one_for_all: bool = True

    def whole(self, problem: Problem) -> tuple[int, ...]:
        """Its shape with a value for each: [M] or [N], or [1]."""
        if self.extent == "one":
            return (1,)
        return problem.of_batch(problem.m if self.extent == "rows" else problem.n)

    def shape(self, problem: Problem) -> tuple[int, ...] | None:
        """Its shape as `problem` has it; None where that has none."""
        return {"none": None, "tensor": (1,), "vector": self.whole(problem)}[self.kind(problem)]


def _there(is_there: bool, kind: Kind = "vector") -> Kind:
    return kind if is_there else "none"


VECTORS = {
    "row_scale": Vector("f32", "rows", lambda problem: problem.row_scale),
    "col_scale": Vector("f32", "columns", lambda problem: problem.col_scale),
    "bias": Vector("f32", "columns", lambda problem: _there(problem.bias), one_for_all=False),
    "a_zero": Vector("s32", "rows", lambda problem: problem.a_zero),
    "b_sum": Vector("s32", "columns", lambda problem: _there(problem.a_zero != "none"), one_for_all=False),
    "residual_scale": Vector("f32", "one", lambda problem: _there(problem.residual == "s8")),
    "residual_zero": Vector("s32", "one", lambda problem: _there(problem.residual == "s8")),
    "out_scale": Vector("f32", "columns", lambda problem: problem.out_scale),
    "out_zero": Vector("s32", "columns", lambda problem: _there(problem.out_zero, problem.out_scale)),
}
"""By name, in the order of `ops.epilogue.Epilogue`. Operands of float problems hold the bias in `Problem.bias_type`."""
