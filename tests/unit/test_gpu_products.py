"""The oracle's products on a GPU: the same bits as on the CPU, only where they are large and a GPU is in use."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from immabench import gpu_products
from immabench.float_oracle import float_reference
from immabench.gpu_products import product_on_gpu
from immabench.numerics import blocked_product
from immabench.operands import make_operands, typed_operands
from immabench.problems import Problem

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """torch as if a GPU were in use, its memory the host's; products of any size are large. Keeps what went there."""
    torch = pytest.importorskip("torch", reason="torch multiplies on the GPU: pip install 'immabench[models]'")
    went: list[str] = []

    def cuda(tensor: Any) -> Any:
        went.append(str(tensor.dtype))
        return tensor

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.Tensor, "cuda", cuda)
    monkeypatch.setattr(gpu_products, "LEAST_ELEMENTS", 1)
    return went


def integers(rows: int, depth: int) -> Any:
    return GENERATOR.integers(-128, 128, (rows, depth)).astype(np.int8)


def test_integers_are_those_of_the_cpu(gpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = integers(37, 1000), integers(53, 1000)
    found = blocked_product(a, b, np.int32)
    assert gpu == ["torch.int8", "torch.int8"]
    monkeypatch.undo()
    assert found.dtype == np.int32
    assert (found == blocked_product(a, b, np.int32)).all()


def test_batches_go_one_by_one(gpu: list[str]) -> None:
    a, b = integers(3 * 5, 64).reshape(3, 5, 64), integers(3 * 7, 64).reshape(3, 7, 64)
    want = np.einsum("bik,bjk->bij", a.astype(np.int64), b.astype(np.int64))
    assert (blocked_product(a, b, np.int32) == want).all()
    assert len(gpu) == 6


@pytest.mark.parametrize("a_type", ["bf16", "e4m3"])
def test_floats_and_what_bounds_their_errors_are_those_of_the_cpu(
    gpu: list[str], monkeypatch: pytest.MonkeyPatch, a_type: str
) -> None:
    problem = Problem(9, 16, 64, a_type, a_type, output_type="f32", row_scale="vector")
    operands = typed_operands(problem, make_operands(problem))
    found = float_reference(problem, operands)
    assert len(gpu) == (6 if a_type == "e4m3" else 4)
    monkeypatch.undo()
    want = float_reference(problem, operands)
    assert (found.want == want.want).all()
    assert found.magnitude == pytest.approx(want.magnitude, rel=1e-6)
    assert (found.rss is None) == (want.rss is None)


def test_small_ones_and_processes_without_a_gpu_stay_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch multiplies on the GPU: pip install 'immabench[models]'")
    a = integers(8, 8)
    assert product_on_gpu(a, a, np.int32) is None
    monkeypatch.setattr(gpu_products, "LEAST_MACS", 1)
    assert not torch.cuda.is_initialized()
    assert product_on_gpu(a, a, np.int32) is None
    monkeypatch.delitem(sys.modules, "torch")
    assert product_on_gpu(a, a, np.int32) is None
