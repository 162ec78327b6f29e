"""INT8 attention: its exponential against float64 at every argument, its results against exact softmax attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench import attention as attention_module
from immabench.attention import (
    LOG2_E,
    MOST_KEYS,
    attention,
    attention_scores,
    exponential_codes,
    scaled_powers,
    softmax_codes,
)
from immabench.errors import UsageError

POWER_BOUND, EXPONENTIAL_BOUND = 2.9e-6, 2.0**-18
"""Of 2^t, and of exp(x) down to t = -9; docs/numerics.md derives the second."""

Array = np.ndarray


def relative_error(got: Array, want: Array) -> float:
    return float(np.abs(got.astype(np.float64) / want - 1).max())


def test_powers_are_right_wherever_the_exponent_is_coarse() -> None:
    """t - rint(t) is a multiple of 2^-24 for every t up to -1/2: here are all of them, a million at a time."""
    for first in range(-(2**23), 2**23, 2**20):
        t = (np.arange(first, first + 2**20 + 1) * 2.0**-24 - 1).astype(np.float32)
        assert relative_error(scaled_powers(t), 255 * 2.0 ** t.astype(np.float64)) < POWER_BOUND


def test_powers_are_right_near_zero() -> None:
    """Every 64th float from -1/2 to -2^-30, and zero, which is exact."""
    bits = np.arange(0xB0800000, 0xBF000001, 64, dtype=np.uint32)
    t = bits.view(np.float32)
    assert relative_error(scaled_powers(t), 255 * 2.0 ** t.astype(np.float64)) < POWER_BOUND
    assert scaled_powers(np.zeros(1, np.float32))[0] == 255


def test_exponentials_are_right_at_every_scale() -> None:
    random = np.random.default_rng(0)
    for scale in (10.0 ** random.uniform(-8, 1, 200)).astype(np.float32):
        steps = min(2**22, int(9 / float(scale * LOG2_E)) + 1)
        distance = np.unique(random.integers(0, steps + 1, 5000))
        exact = 255 * np.exp(-distance * float(scale))
        t = np.maximum(distance.astype(np.float32) * (scale * -LOG2_E), np.float32(-16))
        near = exact > 255 * 2.0**-9
        assert relative_error(scaled_powers(t)[near], exact[near]) < EXPONENTIAL_BOUND
        assert np.abs(exponential_codes(distance, float(scale)) - exact).max() < 0.501


def test_distances_saturate_at_int32() -> None:
    far = np.array([2**31 - 1, 2**31, 2**32 - 1])
    assert exponential_codes(far, 1.0).tolist() == [0, 0, 0]
    assert len(set(exponential_codes(far, 2.0**-32).tolist())) == 1
    assert exponential_codes(np.array([0, 2**31 - 1]), 2.0**-32).tolist() == [255, round(255 * np.exp(-0.5))]


def test_rows_of_codes_and_their_scales() -> None:
    rows = softmax_codes(np.array([[5, 5, 9], [4, 4, 4]], np.int32), np.log(2), np.array([2, 0]))
    assert rows.codes.tolist() == [[127, 127, -128], [-128] * 3]
    assert rows.row_scale.tolist() == [np.float32(1) / np.float32(510), 1.0]


def operands(shape: tuple[int, int, int, int, int], seed: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values over all of int8, of batch, heads, queries, keys, depth."""
    batch, heads, queries, keys, depth = shape
    random = np.random.default_rng(seed)
    sizes = ((batch, queries, heads, depth), (batch, keys, heads, depth), (batch, keys, heads, depth))
    return tuple(random.integers(-128, 128, size).astype(np.int8) for size in sizes)  # type: ignore[return-value]


def exact_attention(q: Array, k: Array, v: Array, scale: float, lengths: Array) -> tuple[Array, Array]:
    """softmax(q k^T scale) v in float64, and the bound of docs/numerics.md of its difference, both for v_scale 1."""
    tokens = (q, k)
    q, k, v = (np.moveaxis(x, 2, 1).astype(np.float64) for x in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2)
    present = (np.arange(k.shape[2]) < lengths[:, None])[:, None, None, :]
    scores = np.where(present, scores, -np.inf)
    e = np.exp((scores - scores.max(axis=-1, keepdims=True)) * np.float64(np.float32(scale)))
    out = (e @ v) / e.sum(axis=-1, keepdims=True)
    codes = softmax_codes(attention_scores(*tokens), scale, lengths[:, None, None]).codes
    total = (codes.astype(np.int64) + 128).sum(axis=-1)
    spread = np.abs(v[:, :, None] - out[:, :, :, None]) * present[..., None]
    bound = 0.501 * spread.sum(axis=-2) / total[..., None]
    return np.moveaxis(out, 1, 2), np.moveaxis(bound, 1, 2)


@pytest.mark.parametrize("scale", [2.0**-15, 2.0**-12, 2.0**-10, 2.0**-6, 3.0])
@pytest.mark.parametrize("shape", [(1, 1, 3, 1, 8), (2, 3, 5, 33, 32), (1, 2, 4, 200, 64)])
def test_results_are_within_the_bound_of_exact_attention(shape: Any, scale: float) -> None:
    for seed in range(3):
        q, k, v = operands(shape, seed)
        lengths = np.random.default_rng(seed).integers(1, shape[3] + 1, shape[0])
        want, bound = exact_attention(q, k, v, scale, lengths)
        got = attention(q, k, v, scale=scale, v_scale=0.25, lengths=lengths)
        assert (np.abs(got - want / 4) <= bound / 4 + 2.0**-22 * np.abs(want / 4)).all()


def test_an_exponential_of_another_base_would_exceed_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = operands((2, 2, 8, 64, 32), 5)
    want, bound = exact_attention(q, k, v, 2.0**-15, np.array([64, 64]))
    monkeypatch.setattr(attention_module, "LOG2_E", LOG2_E * np.float32(1.1))
    got = attention(q, k, v, scale=2.0**-15, v_scale=1.0)
    assert (np.abs(got - want) > bound).any()


def test_equal_scores_give_the_mean_of_the_values() -> None:
    q, k, v = operands((1, 2, 3, 16, 8), 1)
    got = attention(np.zeros_like(q), k, v, scale=1.0, v_scale=2.0)
    assert np.allclose(got[0, 0], 2 * v[0].astype(np.float64).mean(axis=0), rtol=2.0**-22, atol=1e-5)


def test_queries_without_keys_give_zero() -> None:
    q, k, v = operands((2, 1, 3, 5, 8), 2)
    lengths = np.array([0, 5])
    got = attention(q, k, v, scale=0.01, v_scale=1.0, lengths=lengths)
    assert not got[0].any()
    assert got[1].any()
    codes = attention(q, k, v, scale=0.01, v_scale=1.0, lengths=lengths, output_type="s8", out_zero=7)
    assert (codes[0] == 7).all()


def test_keys_that_do_not_count_change_nothing() -> None:
    q, k, v = operands((1, 2, 4, 9, 16), 3)
    other_k, other_v = k.copy(), v.copy()
    other_k[:, 6:], other_v[:, 6:] = 127, -128
    options: dict[str, Any] = {"scale": 0.002, "v_scale": 0.5, "lengths": np.array([6])}
    assert np.array_equal(attention(q, k, v, **options), attention(q, other_k, other_v, **options))
    assert np.array_equal(attention(q, k[:, :6], v[:, :6], scale=0.002, v_scale=0.5), attention(q, k, v, **options))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 3e38])
def test_scales_of_scores_are_positive_and_finite(scale: float) -> None:
    with pytest.raises(UsageError, match="is no scale of scores; take a positive, finite number"):
        softmax_codes(np.zeros((1, 1), np.int32), scale)


def test_more_keys_than_int32_holds_the_products_of_are_refused() -> None:
    assert MOST_KEYS * 255 * 128 <= 2**31 - 1 < (MOST_KEYS + 1) * 255 * 128
    assert MOST_KEYS * 255 < 2**24
    q, k, v = operands((1, 1, 1, MOST_KEYS + 1, 1), 0)
    with pytest.raises(UsageError, match="65794 keys exceed 65793"):
        attention(q, k, v, scale=1.0, v_scale=1.0)
