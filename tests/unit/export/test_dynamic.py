"""Scales found when running: the recipe's arithmetic, by integer products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import graph_of, optimized_operators, quantized, run, session  # noqa: E402
from small_models import random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.export import export_onnx, to_onnx  # noqa: E402
from immabench.kernels import native  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402

LINEAR: dict[str, dict[str, Any]] = {
    "tensor": {"scales": "tensor"},
    "tensor, symmetric": {"scales": "tensor", "symmetric": True},
    "tensor, 6 bits": {"scales": "tensor", "bits": 6},
    "token": {"scales": "token"},
    "token, symmetric": {"scales": "token", "symmetric": True},
    "token, 4 symmetric bits": {"scales": "token", "bits": 4, "symmetric": True},
}
TOKENS = torch.cat([random(2, 5, 32, seed=3), torch.zeros(1, 5, 32), random(1, 5, 32).abs() + 1])
"""Also a sample of nothing but zeros, and one that is far from them."""


SATURATING = pytest.param(
    "0",
    marks=pytest.mark.skipif(
        not native().product_instructions().endswith("vnni"),
        reason="this CPU has no VNNI: ONNX Runtime's sums saturate at 16 bits without x64quantprecision",
    ),
)


def linear(**tables: Any) -> QuantizedModel:
    return quantized(traced(seeded(lambda: nn.Sequential(nn.Linear(32, 24))), 2, 5, 32), **tables)


def images(**tables: Any) -> QuantizedModel:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2)))
    return quantized(traced(model, 2, 3, 8, 8), **tables)


@pytest.mark.parametrize("precise", [SATURATING, "1"])
@pytest.mark.parametrize("name", LINEAR)
def test_linear_layers(name: str, precise: str) -> None:
    """One layer reads the same floats both ways: the codes are the same, and fp32 sums differ by their roundings."""
    made = linear(weights={"bits": min(8, LINEAR[name].get("bits", 8))}, activations=LINEAR[name])
    got, want = run(session(to_onnx(made), x64quantprecision=precise), TOKENS)["output"], made(TOKENS).numpy()
    assert np.abs(got - want).max() <= 40 * 2.0**-24 * 4 * np.abs(want).max()


@pytest.mark.parametrize("name", ["tensor", "tensor, symmetric"])
def test_convolutions_pad_with_the_zero_point(name: str) -> None:
    made = images(weights={"bits": 8}, activations=LINEAR[name])
    x = random(3, 3, 8, 8) + 2
    got, want = run(session(to_onnx(made)), x)["output"], made(x).numpy()
    assert np.abs(got - want).max() <= 40 * 2.0**-24 * 4 * np.abs(want).max()


def test_what_onnxruntime_runs(tmp_path: Path) -> None:
    found = optimized_operators(to_onnx(linear(weights={"bits": 8}, activations=LINEAR["tensor"])), tmp_path)
    assert found == {"DynamicQuantizeMatMul": 1}
    found = optimized_operators(to_onnx(linear(weights={"bits": 8}, activations=LINEAR["token, symmetric"])), tmp_path)
    assert (found["MatMulInteger"], found["MatMulIntegerToFloat"]) == (1, 0)
    found = optimized_operators(to_onnx(linear(weights={"bits": 8}, activations=LINEAR["token"])), tmp_path)
    assert (found["MatMulInteger"], found["MatMulIntegerToFloat"]) == (1, 0)
    found = optimized_operators(to_onnx(images(weights={"bits": 8}, activations=LINEAR["tensor"])), tmp_path)
    assert (found["ConvInteger"], found["DynamicQuantizeLinear"], found["Conv"]) == (1, 1, 0)


def test_readers_of_one_value_find_its_range_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a(x) + self.b(x)

    graph = graph_of(quantized(traced(Twice(), 2, 8), weights={"bits": 8}, activations=LINEAR["tensor"]))
    assert graph.of_type("DynamicQuantizeLinear") == ["a.input/DynamicQuantizeLinear"]


def test_notes_say_what_is_not_one_operator(tmp_path: Path) -> None:
    made = linear(weights={"bits": 4}, activations=LINEAR["token, 4 symmetric bits"])
    notes = export_onnx(made, tmp_path / "m.onnx").notes
    assert notes[0] == "1 layers have weights of 4 bits or less as int8, which is what is multiplied"
    assert "these are several operators" in notes[1]
