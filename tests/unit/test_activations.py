"""Activation functions: exact in their steps, and near the functions they are named after."""

from __future__ import annotations

from math import erf, inf

import numpy as np
import pytest

from immabench.activations import activate, erf_rational

UNIT = 2.0**-24


def test_relu_keeps_what_is_not_negative() -> None:
    x = np.array([-inf, -1.5, -0.0, 0.0, 2.5, inf], np.float32)
    got = activate("relu", x)
    assert got.tolist() == [0, 0, 0, 0, 2.5, inf]
    assert np.signbit(got).tolist() == [False, False, True, False, False, False]
    assert np.isnan(activate("relu", np.array([np.nan], np.float32)))[0]


def test_the_error_function_is_within_the_stated_error() -> None:
    z = np.concatenate([np.linspace(-5, 5, 200_001), np.geomspace(1e-30, 5, 10_000)]).astype(np.float32)
    want = np.array([erf(float(value)) for value in z])
    error = np.abs(erf_rational(z) - want)
    assert (error <= 7 * UNIT * np.abs(want)).all()  # the bound that docs/numerics.md states


def test_the_error_function_is_odd_and_ends_at_one() -> None:
    z = np.array([0.0, 0.3, 3.9, 3.92, 100, inf], np.float32)
    assert (erf_rational(-z) == -erf_rational(z)).all()
    assert erf_rational(z)[3:].tolist() == [1, 1, 1]


def test_gelu_is_that_of_torch_within_its_error() -> None:
    torch = pytest.importorskip("torch")
    x = np.linspace(-6, 6, 100_001).astype(np.float32)
    want = torch.nn.functional.gelu(torch.from_numpy(x).double()).numpy()
    # 1 + erf cancels for negative x, so erf's error stays: half of x times 8 units, and roundings of the result.
    assert (np.abs(activate("gelu", x) - want) <= np.abs(x) / 2 * 8 * UNIT + 3 * UNIT * np.abs(want)).all()


def test_no_activation_changes_nothing() -> None:
    x = np.array([-1.0, 2.0], np.float32)
    assert activate("none", x) is x
