"""The compiled quantizers give, on the hardware, the bits the specification asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench import _native
from immabench.numerics import as_float32, dequantize, pack_s4, quantize, round_to
from immabench.quantizers import layer_norm, quantize_dynamic, requantize, round_stored, row_sums

TYPES = ("f32", "f16", "bf16")
SHAPES = ((64, 768), (33, 1023), (7, 16384), (3, 16390))
STORED = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}


def kernels(family: str, columns: int) -> list[str]:
    """The configurations of a family that take rows of this length."""
    found = [kernel["id"] for kernel in _native.quantizers() if kernel["family"] == family]
    return [name for name in found if _native.quantizer_illegal_reason(name, 1, columns) is None]


def on_gpu(array: np.ndarray) -> Any:
    import torch

    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).cuda()
    return torch.from_numpy(array).cuda()


def back(tensor: Any, dtype: Any) -> np.ndarray:
    import torch

    plain = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
    return plain.cpu().numpy().view(dtype)


def launch(kernel: str, family: str, *operands: Any, **options: Any) -> None:
    import torch

    stream = torch.cuda.current_stream().cuda_stream
    getattr(_native, f"launch_{family}")(kernel, *operands, stream=stream, **options)


def values(seed: int, shape: tuple[int, int], data_type: str) -> np.ndarray:
    """Numbers of many magnitudes, ties of 0.1, and in places what is no ordinary number."""
    random = np.random.default_rng(seed)
    x = (random.normal(size=shape) * 10.0 ** random.uniform(-3, 2, shape)).astype(np.float32)
    ties = (random.integers(-150, 150, shape).astype(np.float32) + np.float32(0.5)) * np.float32(0.1)
    x = np.where(random.random(shape) < 0.3, ties, x)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38], np.float32)
    x[shape[0] // 2] = random.choice(special, shape[1])
    return round_stored(data_type, x)


@pytest.mark.parametrize("data_type", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("granularity", ["tensor", "row", "column"])
def test_quantize_and_dequantize(data_type: str, shape: tuple[int, int], granularity: str) -> None:
    extent = {"tensor": 1, "row": shape[0], "column": shape[1]}[granularity]
    random = np.random.default_rng(1)
    scale = np.full(extent, 0.1, np.float32) * random.choice([1, 1, 3, 0.7], extent).astype(np.float32)
    zero = random.integers(-128, 128, extent).astype(np.int32)
    spread = (scale[:, None], zero[:, None]) if granularity == "row" else (scale, zero)
    x = values(2, shape, data_type)
    codes = on_gpu(np.zeros(shape, np.int8))
    options = {"zero_point": on_gpu(zero), "granularity": granularity}
    launch("quantize_t256_sm80", "quantize", on_gpu(x), codes, on_gpu(scale), **options)
    want = quantize(as_float32(data_type, x), *spread)
    assert (back(codes, np.int8) == want).all()
    out = on_gpu(np.zeros(shape, STORED[data_type]))
    launch("dequantize_t256_sm80", "dequantize", codes, out, on_gpu(scale), **options)
    assert back(out, STORED[data_type]).tobytes() == round_to(data_type, dequantize(want, *spread)).tobytes()


@pytest.mark.parametrize("data_type", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("asymmetric", [False, True])
def test_quantize_dynamic(data_type: str, shape: tuple[int, int], asymmetric: bool) -> None:
    x = values(3, shape, data_type)
    want = quantize_dynamic(x, asymmetric=asymmetric)
    for kernel in kernels("quantize_dynamic", shape[1]):
        codes, scale = on_gpu(np.zeros(shape, np.int8)), on_gpu(np.zeros(shape[0], np.float32))
        zero, sums = (on_gpu(np.zeros(shape[0], np.int32)) for _ in range(2))
        found = {"zero_point": zero} if asymmetric else {}
        launch(kernel, "quantize_dynamic", on_gpu(x), codes, scale, row_sum=sums, **found)
        assert back(scale, np.float32).tobytes() == want.scale.tobytes()
        assert (back(codes, np.int8) == want.codes).all()
        assert (back(sums, np.int32) == want.row_sum).all()
        assert want.zero_point is None or (back(zero, np.int32) == want.zero_point).all()


@pytest.mark.parametrize("data_type", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dynamic", [False, True])
def test_layernorm_quantize(data_type: str, shape: tuple[int, int], dynamic: bool) -> None:
    random = np.random.default_rng(4)
    x = values(5, shape, data_type)
    residual = round_to(data_type, random.normal(size=shape).astype(np.float32))
    gamma, beta = (random.normal(size=shape[1]).astype(np.float32) for _ in range(2))
    want = layer_norm(x, gamma, beta, 1e-12, residual)
    for kernel in kernels("layernorm_quantize", shape[1]):
        codes, y = on_gpu(np.zeros(shape, np.int8)), on_gpu(np.zeros(shape, STORED[data_type]))
        scale = on_gpu(np.full(shape[0] if dynamic else 1, 0.02, np.float32))
        sums = on_gpu(np.zeros(shape[0], np.int32))
        operands = on_gpu(x), on_gpu(gamma), on_gpu(beta), codes, scale
        extra = {"residual": on_gpu(residual), "normalised": y, "row_sum": sums}
        launch(kernel, "layernorm_quantize", *operands, eps=1e-12, dynamic=dynamic, **extra)
        assert back(y, STORED[data_type]).tobytes() == want.tobytes()
        rows = quantize_dynamic(want) if dynamic else None
        codes_wanted = rows.codes if rows else quantize(as_float32(data_type, want), np.float32(0.02))
        assert (back(codes, np.int8) == codes_wanted).all()
        assert (back(sums, np.int32) == row_sums(codes_wanted)).all()
        assert rows is None or back(scale, np.float32).tobytes() == rows.scale.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_requantize_and_packing(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(6)
    x = random.integers(-(2**20), 2**20, shape).astype(np.int32)
    row, column = (random.uniform(1e-4, 1e-2, n).astype(np.float32) for n in shape)
    bias, scale = random.normal(size=shape[1]).astype(np.float32), np.array([0.37], np.float32)
    codes = on_gpu(np.zeros(shape, np.int8))
    terms = {"row_scale": row, "col_scale": column, "bias": bias}
    on_device = {name: on_gpu(term) for name, term in terms.items()}
    launch("requantize_t256_sm80", "requantize", on_gpu(x), codes, on_gpu(scale), qmin=-8, qmax=7, **on_device)
    want = requantize(x, scale[0], qmin=-8, qmax=7, **terms)
    assert (back(codes, np.int8) == want).all()
    if shape[1] % 2 == 0:
        packed, unpacked = on_gpu(np.zeros((shape[0], shape[1] // 2), np.uint8)), on_gpu(np.zeros(shape, np.int8))
        launch("pack_s4_t256_sm80", "pack_s4", codes, packed)
        launch("unpack_s4_t256_sm80", "unpack_s4", packed, unpacked)
        assert (back(packed, np.uint8) == pack_s4(want)).all()
        assert (back(unpacked, np.int8) == want).all()
