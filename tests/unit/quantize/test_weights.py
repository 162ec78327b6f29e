"""Weights as codes: those of `immabench.packing` where both know them, and what holds at every width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="layers' weights are torch's: pip install 'immabench[models]'")

from small_models import random  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.packing import quantize_weights, weight_scheme  # noqa: E402
from immabench.quantize.recipes import WeightRecipe  # noqa: E402
from immabench.quantize.weights import from_matrix, quantize_weight, to_matrix  # noqa: E402

KNOWN = {
    "s8_tensor": WeightRecipe(granularity="tensor"),
    "s8_channel": WeightRecipe(),
    "s4_tensor": WeightRecipe(bits=4, granularity="tensor"),
    "s4_channel": WeightRecipe(bits=4),
    "u4_channel_asym": WeightRecipe(bits=4, symmetric=False),
    **{f"s8_g{g}": WeightRecipe(granularity="group", group=g) for g in (32, 64, 128)},
    **{f"s4_g{g}": WeightRecipe(bits=4, granularity="group", group=g) for g in (32, 64, 128)},
    **{f"u4_g{g}_asym": WeightRecipe(bits=4, symmetric=False, granularity="group", group=g) for g in (32, 64, 128)},
    **{f"s4_g{g}_step": WeightRecipe(bits=4, granularity="group", group=g, steps=True) for g in (32, 64, 128)},
    **{
        f"u4_g{g}_asym_step": WeightRecipe(bits=4, symmetric=False, granularity="group", group=g, steps=True)
        for g in (32, 64, 128)
    },
}
NUMBERS = st.floats(-(2.0**60), 2.0**60, width=32)
MATRICES = arrays.arrays(np.float32, (3, 128), elements=NUMBERS, fill=st.sampled_from([0.0, -1.5]))


@given(st.sampled_from(sorted(KNOWN)), MATRICES)
def test_values_are_those_of_the_packing(name: str, matrix: NDArray[np.float32]) -> None:
    found = quantize_weight(torch.from_numpy(matrix), KNOWN[name])
    want = quantize_weights(matrix, weight_scheme(name))
    np.testing.assert_array_equal(found.values().numpy(), want.values())
    np.testing.assert_array_equal(found.scale.numpy().ravel(), want.scale.ravel())


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_values_of_ordinary_weights_are_those_of_the_packing(name: str) -> None:
    for seed in range(20):
        matrix = random(16, 256, seed=seed) + 0.1 * seed
        want = quantize_weights(matrix.numpy(), weight_scheme(name)).values()
        np.testing.assert_array_equal(quantize_weight(matrix, KNOWN[name]).values().numpy(), want)


def test_every_scheme_of_whole_codes_is_known() -> None:
    from immabench.packing import WEIGHT_SCHEMES

    assert set(KNOWN) == {name for name, scheme in WEIGHT_SCHEMES.items() if scheme.format.name in ("s8", "s4", "u4")}


def test_filters_have_their_channels_fastest() -> None:
    weight = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2)
    first = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]  # (y, x) = (0, 0), (0, 1), (1, 0), (1, 1), of channels 0, 1, 2
    assert to_matrix(weight).tolist() == [first, [value + 12 for value in first]]
    assert torch.equal(from_matrix(to_matrix(weight), (2, 3, 2, 2)), weight)
    assert torch.equal(from_matrix(to_matrix(weight[:, :, 0, 0]), (2, 3)), weight[:, :, 0, 0])


def test_groups_of_filters_are_taps_with_channels_next_to_each_other() -> None:
    weight = random(4, 32, 3, 3)
    weight[:, :, 1, 1] *= 100
    found = quantize_weight(weight, WeightRecipe(bits=4, granularity="group", group=32))
    scales = found.scale.reshape(4, 9)
    assert (scales[:, 4] > 10 * scales[:, [0, 1, 2, 3, 5, 6, 7, 8]].amax(1)).all(), "the tap in the middle has its own"


PLAIN = st.builds(
    lambda bits, cover, symmetric: WeightRecipe(bits=bits, granularity=cover[0], group=cover[1], symmetric=symmetric),
    st.integers(2, 8),
    st.sampled_from([("tensor", 0), ("channel", 0), ("group", 32)]),
    st.booleans(),
)
SMALL = arrays.arrays(np.float32, (2, 64), elements=st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False))


@given(PLAIN, SMALL)
def test_errors_are_half_a_step_at_most(recipe: WeightRecipe, matrix: NDArray[np.float32]) -> None:
    found = quantize_weight(torch.from_numpy(matrix), recipe)
    scale = found.scale.double().expand(-1, matrix.size // len(found.scale)).reshape(matrix.shape).numpy()
    error = np.abs(found.values().double().numpy() - matrix)
    # The scale, the quotient and the product are rounded, each by 2^-24 of at most 2^8 steps.
    assert (error <= (0.5 + 3 * 2.0**-16) * scale + 2.0**-126).all()


@given(PLAIN, SMALL)
def test_mse_never_errs_more_than_minmax(recipe: WeightRecipe, matrix: NDArray[np.float32]) -> None:
    weight = torch.from_numpy(matrix)

    def error(one: WeightRecipe) -> float:
        return float((quantize_weight(weight, one).values().double() - weight).square().sum())

    # Differences and their squares are rounded in float32 where ranges are compared: three times 2^-24.
    assert error(recipe.model_copy(update={"range": "mse"})) <= error(recipe) * (1 + 8 * 2.0**-24) + 1e-30


def test_mse_errs_less_where_an_outlier_is() -> None:
    weight = random(4, 256)
    weight[:, 0] = 12
    errors = [
        (quantize_weight(weight, WeightRecipe(bits=3, range=one)).values() - weight).square().sum(1)
        for one in ("minmax", "mse")
    ]
    assert (errors[1] < 0.8 * errors[0]).all()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_channels_of_zeros_stay_zeros(name: str) -> None:
    weight = random(4, 128)
    weight[2] = 0
    values = quantize_weight(weight, KNOWN[name]).values()
    assert not values[2].any()
    assert values[1].any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bad: float) -> None:
    weight = random(4, 32)
    weight[1, 1] = bad
    with pytest.raises(UsageError, match="weights are NaN or infinite; look at the checkpoint"):
        quantize_weight(weight, WeightRecipe())


def test_groups_that_do_not_divide_a_row_are_refused() -> None:
    """Two rows of 48 have three groups of 32 together, but no row does."""
    with pytest.raises(UsageError, match="groups of 32 do not divide K=48; choose a group that does"):
        quantize_weight(random(2, 48), WeightRecipe(granularity="group", group=32))


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (WeightRecipe(), 6 * 128 + 6 * 4),
        (WeightRecipe(bits=3), 6 * 128 * 3 // 8 + 6 * 4),
        (WeightRecipe(bits=4, granularity="tensor"), 6 * 64 + 4),
        (WeightRecipe(bits=4, symmetric=False), 6 * 64 + 6 * (4 + 1)),
        (WeightRecipe(bits=4, granularity="group", group=32), 6 * 64 + 6 * 4 * 4),
        (WeightRecipe(bits=4, granularity="group", group=64, symmetric=False), 6 * 64 + 6 * 2 * (4 + 1)),
        (WeightRecipe(bits=4, granularity="group", group=32, steps=True), 6 * 64 + 6 * 4 + 6 * 4),
        (KNOWN["u4_g32_asym_step"], 6 * 64 + 6 * 4 + 6 * 4 * 2),
    ],
)
def test_sizes_by_hand(recipe: WeightRecipe, size: int) -> None:
    assert quantize_weight(random(6, 128), recipe).size_bytes == size


def test_bits_that_fill_no_byte_are_rounded_up() -> None:
    assert quantize_weight(random(1, 3), WeightRecipe(bits=3)).size_bytes == 2 + 4


def test_codes_are_those_of_the_width() -> None:
    for bits in range(2, 9):
        for symmetric in (True, False):
            found = quantize_weight(random(8, 512), WeightRecipe(bits=bits, symmetric=symmetric))
            least, most = found.recipe.scheme.codes
            assert (int(found.codes.min()), int(found.codes.max())) == (least, most)
