"""Simulated attention beside the oracle of the fused kernel, and in whole models."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="simulations are torch's: pip install 'immabench[models]'")

from small_models import architecture  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from immabench.attention import attention  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.recipes import Recipe  # noqa: E402
from immabench.quantize.simulated_attention import SimulatedAttention  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

LENGTHS = np.array([3, 40], np.int32)
Q_SCALE, K_SCALE, V_SCALE = 0.02, 0.03, 0.05


def codes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, (2, 40, 3, 8), dtype=np.int8)


def values(tokens: np.ndarray, scale: float) -> torch.Tensor:
    """What tokens [batch, tokens, heads, depth] stand for, as torch has heads."""
    return (torch.from_numpy(tokens).float() * scale).transpose(1, 2)


def test_it_is_the_kernels_but_for_codes_at_a_half() -> None:
    q, k, v = (codes(seed) for seed in range(3))
    want = attention(q, k, v, scale=Q_SCALE * K_SCALE / 8**0.5, v_scale=V_SCALE, lengths=LENGTHS)
    mask = (torch.arange(40) < torch.from_numpy(LENGTHS)[:, None])[:, None, None]
    simulated = SimulatedAttention()
    given = values(q, Q_SCALE), values(k, K_SCALE), values(v, V_SCALE), mask
    assert torch.equal(simulated(*given), scaled_dot_product_attention(*given)), "torch's own, until it is switched"
    simulated.codes = True
    found = simulated(*given).transpose(1, 2).numpy()
    # Both codes are within 0.501 of 255 e (docs/numerics.md), so a code of 40 may differ by one.
    spread = 1.002 * V_SCALE * 40 * 255 / 255
    assert np.abs(found - want).max() <= spread
    # Sums of 40 products in float32, twice, and two roundings of the quotient: 2^-16 of values up to 6.4.
    agree = np.abs(found - want) <= 2.0**-16 * 6.4
    assert agree.mean() > 0.97
    floats = scaled_dot_product_attention(*given).transpose(1, 2).numpy()
    assert (np.abs(floats - want) <= 2.0**-16 * 6.4).mean() < 0.5, "codes of 8 bits are no floats"


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_of_a_model_it_is_what_the_recipe_asks_for(name: str) -> None:
    known = architecture(name)
    model = sharpened(known.traced)
    with_, without = (quantized(model, known.inputs, attention) for attention in (True, False))
    of_attention = [plan for plan in with_.plans if plan.kind == "attention"]
    assert [plan.operator for plan in of_attention] == [""] * 2
    assert of_attention[0].note == "heads of 8 have no kernel: those of 32, 64, 128 have"
    assert [plan.precision for plan in of_attention] == ["A8"] * 2
    assert all(plan.activations.symmetric and plan.activations.bits == 8 for plan in of_attention)
    assert {operand.rpartition(".")[2] for operand in set(with_.parameters_of) - set(without.parameters_of)} == {
        "query",
        "key",
        "value",
    }
    assert all(one.codes for one in with_._made.attention.values())
    assert not any(one.codes for one in without._made.attention.values())
    for operand in (one for layer in model.layers if layer.kind == "attention" for one in layer.operands):
        assert (
            with_._made.slots[operand.name].quantizer.quantizer.parameters_of_codes is with_.parameters_of[operand.name]
        )
        assert operand.name in {name for name, slot in with_._made.slots.items() if slot in with_.graph.children()}
    with_.switch([layer.name for layer in model.layers], weights=False, activations=False)
    assert torch.equal(with_(*known.inputs), model.graph(*known.inputs))


def sharpened(model: TracedModel) -> TracedModel:
    """With queries so large that attention is no plain average, which codes hold exactly."""
    model = model.copied()
    queries = {one.operands[0].stored for one in model.layers if one.kind == "attention"}
    for layer in model.products:
        if layer.output in queries:
            model.set(layer.weight, 1000 * model.weight(layer))
    return model


def quantized(model: TracedModel, inputs: tuple[torch.Tensor, ...], attention: bool) -> QuantizedModel:
    activations = {"calibrator": "minmax", "attention": attention}
    recipe = Recipe.model_validate({"name": "r", "weights": {}, "activations": activations})
    return ptq.quantize(model, recipe, observe(model, [inputs]))
