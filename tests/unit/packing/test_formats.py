"""Every registered format by one round trip over all bytes, and what is particular to some."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import OperandError, UsageError
from immabench.packing import WEIGHT_FORMATS, WeightFormat, codebook_format

EVERY_FORMAT = pytest.mark.parametrize("weight_format", WEIGHT_FORMATS.values(), ids=WEIGHT_FORMATS)
ALL_BYTES = np.arange(256, dtype=np.uint8)
FORMATS = st.sampled_from(list(WEIGHT_FORMATS.values()))


@EVERY_FORMAT
def test_all_bytes_unpack_and_pack_back(weight_format: WeightFormat) -> None:
    per_byte = weight_format.codes_per_byte
    codes = weight_format.unpack(ALL_BYTES, 256 * per_byte)
    assert codes.dtype == np.int8
    assert codes.tolist() == [code_of(weight_format, byte, i) for byte in range(256) for i in range(per_byte)]
    assert weight_format.pack(codes).tolist() == ALL_BYTES.tolist()


@EVERY_FORMAT
def test_every_code_decodes_to_what_it_stands_for(weight_format: WeightFormat) -> None:
    codes = codes_of(weight_format)
    decoded = weight_format.decode(codes)
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [value_of(weight_format, code) for code in codes.tolist()]
    assert len(set(codes.tolist())) == 2**weight_format.bits


@EVERY_FORMAT
def test_every_value_encodes_to_a_code_of_it(weight_format: WeightFormat) -> None:
    values = weight_format.decode(codes_of(weight_format))
    assert weight_format.decode(weight_format.encode(values)).tolist() == values.tolist()


@EVERY_FORMAT
@given(x=st.floats(-200, 200, width=32))
def test_no_other_code_is_nearer(weight_format: WeightFormat, x: float) -> None:
    distances = [
        abs(Fraction(value_of(weight_format, code)) - Fraction(x)) for code in codes_of(weight_format).tolist()
    ]
    encoded = int(weight_format.encode(np.float32([x]))[0])
    assert abs(Fraction(value_of(weight_format, encoded)) - Fraction(x)) == min(distances)


@given(FORMATS, st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rows_of_any_length(weight_format: WeightFormat, rows: int, k: int, seed: int) -> None:
    least, greatest = weight_format.code_range
    codes = np.random.default_rng(seed).integers(least, greatest + 1, (rows, k), np.int8)
    packed = weight_format.pack(codes)
    assert packed.shape == (rows, -(-k // weight_format.codes_per_byte))
    assert (weight_format.unpack(packed, k) == codes).all()


def test_the_rest_of_a_last_byte_is_zero() -> None:
    assert WEIGHT_FORMATS["s4"].pack(np.array([[-1, -1, -1]], np.int8)).tolist() == [[0xFF, 0x0F]]
    assert WEIGHT_FORMATS["b1"].pack(np.ones((1, 9), np.int8)).tolist() == [[0xFF, 0x01]]


def test_the_first_code_lies_lowest() -> None:
    assert WEIGHT_FORMATS["u4"].pack(np.array([3, 12], np.int8)).tolist() == [0xC3]
    assert WEIGHT_FORMATS["b1"].pack(np.array([1, 0, 0, 0, 0, 0, 1, 0], np.int8)).tolist() == [0b01000001]


@EVERY_FORMAT
def test_codes_and_bytes_that_do_not_fit_are_refused(weight_format: WeightFormat) -> None:
    with pytest.raises(OperandError, match="expected int8"):
        weight_format.pack(np.zeros((1, 8), np.int32))
    with pytest.raises(OperandError, match="take 2 bytes"):
        weight_format.unpack(np.zeros((1, 3), np.uint8), 2 * weight_format.codes_per_byte)
    for outside in (weight_format.code_range[0] - 1, weight_format.code_range[1] + 1):
        if -128 <= outside <= 127:
            with pytest.raises(OperandError, match=f"codes go from .*{outside}"):
                weight_format.pack(np.array([[0, outside]], np.int8))


@pytest.mark.parametrize(
    ("name", "ties"),
    [("s4", [(0.5, 0), (1.5, 2), (-0.5, 0), (-7.5, -8)]), ("u4", [(2.5, 2), (3.5, 4)]), ("b1", [(0.0, 1), (-0.0, 1)])],
)
def test_ties(name: str, ties: list[tuple[float, int]]) -> None:
    weight_format = WEIGHT_FORMATS[name]
    assert [(x, int(weight_format.encode([x])[0])) for x, _ in ties] == ties


def test_a_tie_in_a_codebook_goes_to_the_greater_value() -> None:
    weight_format = WEIGHT_FORMATS["nf4_s8"]
    values = sorted(value_of(weight_format, code) for code in range(16))
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    assert weight_format.decode(weight_format.encode(middles)).tolist() == values[1:]


def test_zero_points_are_added_after_rounding_and_taken_off_exactly() -> None:
    u4 = WEIGHT_FORMATS["u4"]
    assert u4.encode([-9.0, -0.5, 0.5, 1.5, 9.0], 8).tolist() == [0, 8, 8, 10, 15]
    assert u4.decode(np.array([0, 15], np.int8), np.array([15, 0], np.int8)).tolist() == [-15.0, 15.0]


def test_nf4_is_made_of_quantiles_of_the_normal_distribution() -> None:
    """QLoRA's construction as bitsandbytes computes it: 8 quantiles above 0, 7 below, in float32 from the start."""
    torch = pytest.importorskip("torch")
    norm = pytest.importorskip("scipy.stats").norm
    above, below = (norm.ppf(torch.linspace(0.9677083, 0.5, n + 1)[:-1]).astype(np.float32) for n in (8, 7))
    quantiles = np.sort(np.concatenate([above, np.float32([0]), -below]))
    assert WEIGHT_FORMATS["nf4"].decode(np.arange(16, dtype=np.int8)).tolist() == (quantiles / quantiles.max()).tolist()


def test_nf4_in_int8_is_127_times_nf4() -> None:
    nf4 = WEIGHT_FORMATS["nf4"].decode(np.arange(16, dtype=np.int8)).astype(np.float64)
    assert WEIGHT_FORMATS["nf4_s8"].codebook == tuple(np.rint(127 * nf4).tolist())


def test_which_formats_are_integers_and_which_have_a_zero() -> None:
    assert [name for name, weight_format in WEIGHT_FORMATS.items() if not weight_format.integer] == ["nf4"]
    assert [name for name, weight_format in WEIGHT_FORMATS.items() if weight_format.needs_zero] == ["u4"]
    zeros = {name: weight_format.zero_code for name, weight_format in WEIGHT_FORMATS.items()}
    assert zeros == {"s8": 0, "s4": 0, "u4": 0, "nf4": 7, "nf4_s8": 7, "b1": None}


class TestCodebook:
    FP4 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
    """Twice the values of E2M1: two codes stand for 0."""

    def test_codes_keep_their_order_and_the_first_of_equal_ones_is_taken(self) -> None:
        fp4 = codebook_format("fp4", self.FP4)
        assert fp4.decode(np.arange(16, dtype=np.int8)).tolist() == list(self.FP4)
        assert fp4.encode([0.0, 0.4, -0.6, -5.0, 5.0, -4.9, 100.0, -100.0]).tolist() == [0, 0, 9, 12, 5, 12, 7, 15]

    @pytest.mark.parametrize("values", [range(15), range(17), [128] + [0] * 15, [-129] + [0] * 15])
    def test_what_is_not_16_int8_values_is_refused(self, values: list[int]) -> None:
        with pytest.raises(UsageError, match="give 16 integers of"):
            codebook_format("bad", values)

    def test_a_codebook_of_zeros_is_refused(self) -> None:
        with pytest.raises(UsageError, match="nothing but 0"):
            codebook_format("zeros", [0] * 16)


def codes_of(weight_format: WeightFormat) -> np.ndarray:
    least, greatest = weight_format.code_range
    return np.arange(least, greatest + 1).astype(np.int8)


def code_of(weight_format: WeightFormat, byte: int, i: int) -> int:
    """Code `i` of a byte: its bits as digits, the last of them negative where the format is signed."""
    digits = [byte >> (i * weight_format.bits + bit) & 1 for bit in range(weight_format.bits)]
    weights = [2**bit for bit in range(weight_format.bits)]
    if weight_format.signed:
        weights[-1] = -weights[-1]
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True))


def value_of(weight_format: WeightFormat, code: int) -> float:
    return float(code) if weight_format.codebook is None else weight_format.codebook[code]
