"""What a product tells cuBLASLt, by operand type: descriptors, layouts, attributes and their sizes."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.problems import Problem
from immabench.providers import cublaslt_library as lt
from immabench.providers.cublaslt_library import CublasLt, CublasLtError
from immabench.providers.cublaslt_product import Product

# operand and output type -> cublasComputeType_t, type of alpha, cudaDataType of operands and output
TYPES = {
    ("s8", "s32"): (72, 10, 3, 10),
    ("s8", "f16"): (72, 10, 3, 10),
    ("e4m3", "f16"): (68, 0, 28, 2),
    ("e4m3", "bf16"): (68, 0, 28, 14),
    ("e4m3", "f32"): (68, 0, 28, 0),
    ("f16", "f16"): (68, 0, 2, 2),
    ("bf16", "bf16"): (68, 0, 14, 14),
    ("f32", "f32"): (69, 0, 0, 0),
}


@pytest.mark.parametrize(("operand", "output"), TYPES)
def test_types_and_layouts(fake_cublaslt: Any, operand: str, output: str) -> None:
    compute, scale, data, out = TYPES[operand, output]
    product = Product(CublasLt(), Problem(16, 32, 64, operand, operand, output))
    assert fake_cublaslt.operation == (compute, scale)
    assert list(fake_cublaslt.layouts.values()) == [(data, 64, 32, 64), (data, 64, 16, 64), (out, 32, 16, 32)]
    assert fake_cublaslt.attributes == {"TRANSA": 1} | ({"FAST_ACCUM": 1} if operand == "e4m3" else {})
    (found,) = product.heuristics(1, 4096)
    product.launch(found.algo, 0xA, 0xB, 0xC, 0xD, 4096, 5)
    (call,) = fake_cublaslt.matmuls
    assert (call["first"], call["second"], call["out"], call["workspace"], call["stream"]) == (0xB, 0xA, 0xC, 0xD, 5)
    assert call["layouts"] == ((data, 64, 32, 64), (data, 64, 16, 64))
    assert call["out_layout"] == (out, 32, 16, 32)
    assert (call["alpha"], call["beta"]) == (1, 0)


def test_matrices_of_a_batch_lie_one_after_the_other(fake_cublaslt: Any) -> None:
    product = Product(CublasLt(), Problem(16, 32, 64, "f16", "f16", "f16", bias=True, batch=12))
    assert list(fake_cublaslt.layouts.values()) == [(2, 64, 32, 64), (2, 64, 16, 64), (2, 32, 16, 32)]
    strides = [64 * 32, 64 * 16, 32 * 16]
    assert list(fake_cublaslt.batches.values()) == [{5: (12, 4), 6: (stride, 8)} for stride in strides]
    product.add_bias(0x30, "f16")
    assert (fake_cublaslt.attributes["BIAS_BATCH_STRIDE"], fake_cublaslt.sizes["BIAS_BATCH_STRIDE"]) == (32, 8)


def test_one_product_has_no_batch(fake_cublaslt: Any) -> None:
    Product(CublasLt(), Problem(16, 32, 64, "f16", "f16", "f16", bias=True)).add_bias(0x30, "f16")
    assert fake_cublaslt.batches == {}
    assert "BIAS_BATCH_STRIDE" not in fake_cublaslt.attributes


def test_scales_and_bias_are_attributes_of_their_own_types(fake_cublaslt: Any) -> None:
    product = Product(CublasLt(), Problem(16, 32, 64, "e4m3", "e4m3", "f32", "vector", "vector", True))
    product.scale_rows(0x10, lt.CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F)
    product.scale_columns(0x20, lt.CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F)
    product.add_bias(0x30, "bf16")
    assert fake_cublaslt.attributes == {
        "TRANSA": 1,
        "FAST_ACCUM": 1,
        "A_SCALE_POINTER": 0x20,
        "A_SCALE_MODE": 3,
        "B_SCALE_POINTER": 0x10,
        "B_SCALE_MODE": 3,
        "EPILOGUE": 4,
        "BIAS_POINTER": 0x30,
        "BIAS_DATA_TYPE": 14,
    }
    sizes = {name: fake_cublaslt.sizes[name] for name in ("FAST_ACCUM", "BIAS_POINTER", "A_SCALE_MODE", "EPILOGUE")}
    assert sizes == {"FAST_ACCUM": 1, "BIAS_POINTER": 8, "A_SCALE_MODE": 4, "EPILOGUE": 4}


def test_no_algorithm_is_none_and_another_failure_is_an_error(fake_cublaslt: Any) -> None:
    product = Product(CublasLt(), Problem(16, 32, 64))
    fake_cublaslt.status["cublasLtMatmulAlgoGetHeuristic"] = lt.CUBLAS_STATUS_NOT_SUPPORTED
    assert product.heuristics(16, 0) == []
    fake_cublaslt.status["cublasLtMatmulAlgoGetHeuristic"] = 7
    with pytest.raises(CublasLtError, match="cublasLtMatmulAlgoGetHeuristic failed with cublasStatus_t 7"):
        product.heuristics(16, 0)
