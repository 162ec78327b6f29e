"""The vectors of an epilogue: said once, the same for operands of a problem and of an operator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.epilogue_vectors import VECTORS
from immabench.operands import OPERAND_NAMES, make_operands, operand_type, typed_operands
from immabench.problems import Problem

ALL = Problem(
    3,
    4,
    5,
    output_type="s8",
    row_scale="vector",
    col_scale="tensor",
    bias=True,
    a_zero="tensor",
    residual="s8",
    out_scale="vector",
    out_zero=True,
)


def test_shapes_are_those_of_the_problem() -> None:
    assert {name: vector.shape(ALL) for name, vector in VECTORS.items()} == {
        "row_scale": (3,),
        "col_scale": (1,),
        "bias": (4,),
        "a_zero": (1,),
        "b_sum": (4,),
        "residual_scale": (1,),
        "residual_zero": (1,),
        "out_scale": (4,),
        "out_zero": (4,),
    }
    assert {vector.shape(Problem(3, 4, 5)) for vector in VECTORS.values()} == {None}


def test_of_a_batch_every_product_has_its_own() -> None:
    batch = Problem(3, 4, 5, output_type="f16", row_scale="vector", col_scale="tensor", bias=True, batch=2)
    shapes = [VECTORS[name].shape(batch) for name in ("row_scale", "col_scale", "bias")]
    assert shapes == [(2, 3), (1,), (2, 4)]


@given(
    row_scale=st.sampled_from(["none", "tensor", "vector"]),
    a_zero=st.sampled_from(["none", "tensor", "vector"]),
    bias=st.booleans(),
    residual=st.sampled_from(["none", "s8", "f16"]),
    out_zero=st.booleans(),
)
def test_made_operands_are_as_described(row_scale: str, a_zero: str, bias: bool, residual: str, out_zero: bool) -> None:
    given_ = {"row_scale": row_scale, "a_zero": a_zero, "bias": bias, "residual": residual, "out_zero": out_zero}
    problem = Problem(3, 4, 5, output_type="s8", out_scale="vector", **given_)
    made = typed_operands(problem, make_operands(problem))
    for name, vector in VECTORS.items():
        value = getattr(made, name)
        assert (None if value is None else value.shape) == vector.shape(problem), name


def test_operands_and_operators_have_them_all_in_this_order() -> None:
    assert [name for name in OPERAND_NAMES if name in VECTORS] == list(VECTORS)
    assert {name: operand_type(ALL, name) for name in VECTORS} == {n: v.data_type for n, v in VECTORS.items()}
    pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[torch]'")
    from immabench.ops.epilogue import Epilogue

    assert [name for name in Epilogue._fields if name in VECTORS] == list(VECTORS)
    numbered = Epilogue(*range(len(Epilogue._fields)))
    assert numbered.vectors() == {name: getattr(numbered, name) for name in VECTORS}
