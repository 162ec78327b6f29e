"""The CPU's native patches and poolings of images against the numpy oracles: every bit, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_passes import exactly, integers, same, seeds, threads

from immabench import pooling
from immabench.convolution import Convolution, patches
from immabench.kernels import geometry_sizes, native

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = [
    pytest.mark.usefixtures("instructions"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of numpy, on hostile values
]


GEOMETRIES = (
    Convolution(2, 9, 11, 64, (3, 3), (1, 1), (1, 1)),
    Convolution(1, 23, 30, 3, (7, 7), (2, 2), (3, 3)),
    Convolution(3, 8, 7, 5, (3, 2), (2, 1), (1, 0), (2, 3)),
    Convolution(1, 6, 6, 130, (1, 1), (2, 2)),
    Convolution(2, 4, 5, 33, (4, 5), (1, 1), (2, 2)),
    Convolution(1, 5, 6, 1, (3, 6), (1, 1), (3, 6)),
    Convolution(1, 64, 60, 16, (3, 3), (1, 1), (1, 1)),
)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("zero", [None, -128, 127])
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("padding", [0, 1, 64])
def test_patches_are_what_filters_meet(geometry: Convolution, zero: int | None, threads: int, padding: int) -> None:
    image = integers(np.random.default_rng(1), -128, 127, *geometry.image_shape, dtype=np.int8)
    got = np.full((geometry.m, geometry.k + padding), 0x5A, np.int8)
    given = None if zero is None else np.array([zero], np.int32)
    native().gather_patches(image, got, geometry=geometry_sizes(geometry), zero=given, threads=threads)
    assert np.array_equal(got[:, : geometry.k], patches(geometry, image, zero or 0))


WINDOWS = (
    Convolution(2, 13, 12, 64, (3, 3), (2, 2), (1, 1)),
    Convolution(1, 7, 7, 512, (7, 7), (7, 7)),
    Convolution(3, 5, 9, 17, (2, 4), (1, 3), (1, 2)),
    Convolution(1, 4, 4, 600, (2, 2), (2, 2)),
    Convolution(1, 40, 40, 1, (1, 5), (1, 1), (0, 2)),
)


@pytest.mark.parametrize("geometry", WINDOWS, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_max_pooling_is_the_oracle(geometry: Convolution, threads: int) -> None:
    x = integers(np.random.default_rng(2), -128, 127, *geometry.image_shape, dtype=np.int8)
    out = np.empty((geometry.images, geometry.out_height, geometry.out_width, geometry.channels), np.int8)
    native().compute_max_pool2d(x, out, geometry=geometry_sizes(geometry), threads=threads)
    assert np.array_equal(out, pooling.max_pool2d(x, geometry))


@exactly
@given(st.sampled_from(WINDOWS), st.booleans(), st.integers(0, 3), st.booleans(), threads, seeds)
def test_average_pooling_is_the_oracle(
    geometry: Convolution, to_codes: bool, there: int, include_pad: bool, threads: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = integers(rng, -128, 127, *geometry.image_shape, dtype=np.int8)
    shape = (geometry.images, geometry.out_height, geometry.out_width, geometry.channels)
    names = ["x_scale", "scale"] if to_codes else ["x_scale"]
    extreme = rng.choice([1e-38, 1.0, 3e38], 2).astype(np.float32)
    operands = {name: extreme[i : i + 1] for i, name in enumerate(names)} if there & 1 else {}
    zeros = ("x_zero_point", "zero_point") if to_codes else ("x_zero_point",)
    operands |= {name: integers(rng, -128, 127, 1) for name in zeros} if there & 2 else {}
    out = np.empty(shape, np.int8 if to_codes else np.float32)
    options = {"geometry": geometry_sizes(geometry), "count_include_pad": include_pad, "threads": threads}
    native().compute_avg_pool2d(x, out, **operands, **options)
    numbers = {name: values[0] for name, values in operands.items()}
    oracle = pooling.avg_pool2d if to_codes else pooling.avg_pool2d_f32
    want = oracle(x, geometry, **numbers, count_include_pad=include_pad)
    assert same(out, want, "s8" if to_codes else "f32")
