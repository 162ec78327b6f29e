"""What the binding of the GEMMs takes, and in which one line it refuses the rest."""

from __future__ import annotations

import re

import numpy as np
import pytest
from gemm_s8 import CONFIGS, SHARED, WGMMA

from immabench import _native
from immabench.numerics import compare_exact, gemm_reference
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers.base import describe_hazard


def test_a_workspace_too_small_is_named() -> None:
    config, out = SHARED[0], np.zeros((4, 8), np.int32)
    a, b = np.ones((4, 1024), np.int8), np.ones((8, 1024), np.int8)
    with pytest.raises(ValueError, match=r"needs a 'workspace' of \d+ bytes; pass workspace_bytes"):
        _native.emulate_gemm(config.id, a, b, out, output_type="s32")
    with pytest.raises(ValueError, match=r"operand 'workspace' is not \d+ bytes on a multiple of 16"):
        _native.emulate_gemm(config.id, a, b, out, output_type="s32", workspace=np.zeros(16, np.uint8))


A = np.ones((4, 16), np.int8)
B = np.ones((8, 16), np.int8)
OUT = np.zeros((4, 8), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": A.astype(np.int16)}, "operand 'a' holds an unsupported type where int8 is needed"),
        ({"a": A.astype(np.float32)}, "operand 'a' holds float32 where int8 is needed"),
        ({"a": np.ones((16, 4), np.int8).T}, "operand 'a' is not contiguous"),
        ({"a": np.ones(16, np.int8)}, "operand 'a' has shape \\[16\\]; pass a matrix"),
        ({"a": np.ones((0, 16), np.int8)}, "M, N and K run from 1"),
        ({"a": [[1]]}, "operand 'a' is a list; pass a torch tensor"),
        ({"b": np.ones((8, 32), np.int8)}, "operand 'b' has shape \\[8, 32\\] where \\[8, 16\\] is needed"),
        ({"out": OUT.T.copy()}, "operand 'out' has shape \\[8, 4\\] where \\[4, 8\\]"),
        ({"out": OUT.astype(np.float16)}, "operand 'out' holds float16 where float32"),
        ({"output_type": "f64"}, "output type 'f64' is unknown"),
        (
            {"output_type": "s32", "out": OUT.astype(np.int32), "bias": np.ones(8, np.float32)},
            "'bias' is given for int32",
        ),
        ({"row_scale": np.ones(3, np.float32)}, "operand 'row_scale' has shape \\[3\\] where \\[4\\]"),
        ({"col_scale": np.ones(8)}, "operand 'col_scale' holds an unsupported type where float32"),
        ({"col_scale": np.full(8, np.nan, np.float32)}, "operand 'col_scale' holds -?nan at index 0"),
        ({"row_scale": np.array([-1], np.float32)}, "operand 'row_scale' holds -1.0"),
        ({"row_scale": np.array([0], np.float32)}, "scales are positive and finite"),
        ({"row_scale": np.array([np.inf], np.float32)}, "scales are positive and finite"),
        ({"bias": np.array([0, 1, 2, np.inf, 0, 0, 0, 0], np.float32)}, "operand 'bias' holds inf at index 3"),
        ({"bias": np.full(33, 0, np.uint8)[1:].view(np.float32)}, "operand 'bias' starts at an address"),
        ({"activation": "swish"}, "activation 'swish' is unknown; take none, relu or gelu"),
        ({"a_zero": np.zeros(4, np.int32)}, "'a_zero' and 'b_sum' correct the sums together"),
        (
            {"a_zero": np.full(4, 128, np.int32), "b_sum": np.zeros(8, np.int32)},
            "operand 'a_zero' holds 128 at index 0",
        ),
        ({"residual": np.zeros((4, 8), np.int32)}, "operand 'residual' holds int32 where float32 is needed"),
        ({"residual": np.zeros((8, 4), np.float32)}, "operand 'residual' has shape \\[8, 4\\]"),
        ({"residual": np.zeros((4, 8), np.int8)}, "operand 'residual' is int8 and has no scale"),
        ({"residual_scale": np.ones(1, np.float32)}, "operand 'residual_scale' is given without an int8 residual"),
        ({"out_scale": np.ones(8, np.float32)}, "operand 'out_scale' is given without int8 output"),
        ({"output_type": "s8", "out": OUT.astype(np.int8)}, "int8 output needs 'out_scale'"),
        ({"group_affine": np.ones((1, 16), np.uint16)}, "takes no 'group_affine'; leave it out"),
        ({"group": 16}, "has no scales a group of K"),
        ({"order": "sideways"}, "order 'sideways' is unknown"),
        ({"a": np.ones((4, 131072), np.int8), "b": np.ones((8, 131072), np.int8)}, "K=131072 exceeds 131071"),
    ],
)
def test_bad_operands_are_named_in_one_line(change: dict, message: str) -> None:
    call = {"a": A, "b": B, "out": OUT.copy(), "output_type": "f32", **change}
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_gemm(CONFIGS[0].id, **call)
    assert "\n" not in str(error.value)


A3, B3, OUT3 = (np.ones((3, *matrix.shape), matrix.dtype) for matrix in (A, B, OUT))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": A3[None]}, "operand 'a' has shape \\[1, 3, 4, 16\\]; pass a matrix \\[M, K\\], or a batch"),
        ({"b": B}, "operand 'b' has shape \\[8, 16\\]; pass a matrix for each of A, \\[batch, N, K\\]"),
        (
            {"b": B3[:2]},
            "operand 'b' has shape \\[2, 8, 16\\] where \\[3, 8, 16\\] is needed; .* and the batch",
        ),
        ({"out": OUT}, "operand 'out' has shape \\[4, 8\\]; the output of a batch is \\[batch, M, N\\]"),
        ({"out": OUT3[:2].copy()}, "operand 'out' has shape \\[2, 4, 8\\] where \\[3, 4, 8\\]"),
        ({"a": A, "out": OUT}, "operand 'b' has shape \\[3, 8, 16\\]; pass a matrix \\[N, K\\]"),
        ({"a": A3[:0]}, "M, N and K run from 1 to 2\\^31-1, a batch too"),
        ({"row_scale": np.ones(4, np.float32)}, "operand 'row_scale' has shape \\[4\\] where \\[3, 4\\]"),
        ({"col_scale": np.ones(8, np.float32)}, "operand 'col_scale' has shape \\[8\\] where \\[3, 8\\]"),
        ({"bias": np.ones(8, np.float32)}, "operand 'bias' has shape \\[8\\] where \\[3, 8\\]"),
        ({"residual": OUT}, "operand 'residual' has shape \\[4, 8\\] where \\[3, 4, 8\\]"),
        ({"kernel": WGMMA[0]}, "computes one product, not a batch of them"),
    ],
)
def test_bad_batches_are_named_in_one_line(change: dict, message: str) -> None:
    call = {"a": A3, "b": B3, "out": OUT3.copy(), "output_type": "f32", "kernel": CONFIGS[0], **change}
    with pytest.raises(ValueError, match=message) as error:
        _native.emulate_gemm(call.pop("kernel").id, **call)
    assert "\n" not in str(error.value)


def test_a_batch_of_one_may_keep_its_dimension() -> None:
    for config in (CONFIGS[0], WGMMA[0]):
        out = np.zeros((1, 4, 8), np.float32)
        _native.emulate_gemm(config.id, A3[:1], B3[:1], out, output_type="f32", bias=np.full((1, 8), 2, np.float32))
        assert (out == 18).all()


def test_operands_a_gemm_does_not_have_are_type_errors() -> None:
    with pytest.raises(TypeError, match="a GEMM has no operand 'scale'"):
        _native.emulate_gemm(CONFIGS[0].id, A, B, OUT.copy(), output_type="f32", scale=A)


def test_hazards_reach_the_verdict_in_one_line() -> None:
    """The kernel has none to show, so the operands make one: the output lies in the memory of an input."""
    memory = np.ones(4 * 8 * 4, np.int8)
    out = memory.view(np.int32).reshape(4, 8)
    report = _native.emulate_gemm(CONFIGS[0].id, memory[:64].reshape(4, 16), B, out, output_type="s32")
    assert report["hazard_total"] > 0
    hazard = report["hazards"][0]
    assert (hazard["kind"], hazard["block"]) == ("global-out-of-bounds", 0)
    assert re.fullmatch(
        r"global-out-of-bounds at kernels/parts/epilogue\.cuh:\d+, block 0, thread \d+: store of \d+ global bytes .*",
        describe_hazard(hazard),
    )


def test_unknown_kernels_are_key_errors() -> None:
    with pytest.raises(KeyError, match="no kernel 'imma'"):
        _native.emulate_gemm("imma", A, B, OUT, output_type="f32")


def test_launching_without_a_gpu_tensor_says_so() -> None:
    with pytest.raises(ValueError, match="operand 'a' is on the CPU"):
        _native.launch_gemm(CONFIGS[0].id, A, B, OUT.copy(), output_type="f32")


def test_torch_tensors_are_taken_without_a_copy() -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    problem = Problem(20, 24, 48, output_type="bf16", col_scale="vector")
    operands = make_operands(problem)
    out = torch.zeros(20, 24, dtype=torch.bfloat16)
    _native.emulate_gemm(
        CONFIGS[0].id,
        torch.from_numpy(operands.a),
        torch.from_numpy(operands.b),
        out,
        output_type="bf16",
        col_scale=torch.from_numpy(operands.col_scale),
    )
    got = out.view(torch.int16).numpy().view(np.uint16)
    assert compare_exact(problem, got, gemm_reference(problem, operands)).exact
