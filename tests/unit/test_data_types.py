"""Numbers as they are stored: bfloat16, E4M3 and packed codes, against slow references written differently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from immabench.data_types import bf16_to_f32, e4m3_to_f32, f32_to_bf16, f32_to_e4m3, pack_s4, round_to, unpack_s4

FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
BITS32 = st.integers(0, 2**32 - 1)
S4 = st.integers(-8, 7)


class TestBfloat16:
    @given(BITS32)
    def test_rounds_to_nearest_even_and_keeps_nans_quiet(self, bits: int) -> None:
        value = np.array([bits], np.uint32).view(np.float32)
        got = int(f32_to_bf16(value)[0])
        if np.isnan(value[0]):
            assert got == (bits >> 16) | 0x40
        else:
            assert got == _nearest_bf16(bits)

    @given(st.integers(0, 2**16 - 1))
    def test_every_bf16_survives_a_round_trip(self, bits: int) -> None:
        wide = bf16_to_f32(np.array([bits], np.uint16))
        quiet = bits | 0x40 if np.isnan(wide[0]) else bits
        assert int(f32_to_bf16(wide)[0]) == quiet

    def test_agrees_with_ml_dtypes(self) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        bits = np.random.default_rng(0).integers(0, 2**32, 1 << 16, np.uint32)
        values = bits.view(np.float32)
        values = values[~np.isnan(values)]
        assert (f32_to_bf16(values) == values.astype(ml_dtypes.bfloat16).view(np.uint16)).all()


class TestE4m3:
    def test_every_pattern_is_torchs(self) -> None:
        torch = pytest.importorskip("torch")
        bits = np.arange(256, dtype=np.uint8)
        want = torch.from_numpy(bits).view(torch.float8_e4m3fn).float().numpy()
        assert (e4m3_to_f32(bits).view(np.uint32)[~np.isnan(want)] == want.view(np.uint32)[~np.isnan(want)]).all()
        assert (
            np.flatnonzero(np.isnan(e4m3_to_f32(bits))).tolist()
            == np.flatnonzero(np.isnan(want)).tolist()
            == [127, 255]
        )

    def test_every_number_survives_a_round_trip(self) -> None:
        bits = np.delete(np.arange(256, dtype=np.uint8), [127, 255])
        assert (f32_to_e4m3(e4m3_to_f32(bits)) == bits).all()
        assert e4m3_to_f32(0x7E) == 448

    def test_the_neighbourhood_of_every_boundary_is_torchs(self) -> None:
        torch = pytest.importorskip("torch")
        values = np.sort(e4m3_to_f32(np.delete(np.arange(256, dtype=np.uint8), [127, 255])))
        middles = (values[1:] + values[:-1]) / 2
        around = [np.nextafter(middles, np.float32(end)) for end in (-np.inf, np.inf)]
        x = np.concatenate([values, middles, *around, np.float32([2**-10, 2**-149, -(2**-10)])]).astype(np.float32)
        want = torch.from_numpy(x).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
        assert (f32_to_e4m3(x) == want).all()

    def test_beyond_its_range_it_saturates(self) -> None:
        x = np.float32([448, 464, np.nextafter(np.float32(464), np.float32(465)), 1e30, np.inf])
        assert f32_to_e4m3(x).tolist() == [0x7E] * 5
        assert f32_to_e4m3(-x).tolist() == [0xFE] * 5
        assert f32_to_e4m3(np.float32([np.nan, -0.0])).tolist() == [0x7F, 0x80]

    @given(st.floats(-448, 448, width=32))
    def test_no_other_number_is_nearer(self, x: float) -> None:
        finite = e4m3_to_f32(np.delete(np.arange(256, dtype=np.uint8), [127, 255])).astype(np.float64)
        got = float(e4m3_to_f32(f32_to_e4m3(np.float32(x))))
        assert abs(got - x) == np.abs(finite - x).min()
        assert round_to("e4m3", np.float32([x])).tolist() == [f32_to_e4m3(np.float32(x))]


@given(npst.arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 9).map(lambda k: 2 * k)), elements=S4))
def test_s4_is_packed_low_nibble_first(codes: np.ndarray) -> None:
    packed = pack_s4(codes)
    assert packed.shape == (codes.shape[0], codes.shape[1] // 2)
    assert (packed & 0xF == codes[:, 0::2] & 0xF).all()
    assert (packed >> 4 == codes[:, 1::2] & 0xF).all()
    assert (unpack_s4(packed) == codes).all()


@given(npst.arrays(np.float32, 8, elements=FINITE32))
def test_float16_is_rounded_once(x: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        assert (round_to("f16", x).view(np.uint16) == x.astype(np.float64).astype(np.float16).view(np.uint16)).all()


def _nearest_bf16(bits: int) -> int:
    """Brute force: of the two neighbours the nearer, on a tie the even one; infinity comes after the last number."""
    below, rest = divmod(bits, 1 << 16)
    if rest > 0x8000 or (rest == 0x8000 and below & 1):
        below += 1
    return below
