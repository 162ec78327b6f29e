"""The ranges calibrators choose: by definition, at known optima, beside torch's and ONNX Runtime's on the same data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="calibration is torch's: pip install 'immabench[models]'")

from immabench.errors import UsageError  # noqa: E402
from immabench.numerics import dequantize, quantize  # noqa: E402
from immabench.quantize import CALIBRATORS, Observer, TensorScheme, ValueRange, calibrate  # noqa: E402
from immabench.quantize.calibrators import PERCENTILE  # noqa: E402

DATA = {
    "normal": lambda g: g.normal(0.2, 1, 60_000),
    "laplace": lambda g: g.laplace(0, 1, 60_000),
    "relu": lambda g: np.maximum(g.normal(0.2, 1, 60_000), 0),
    "gelu": lambda g: (lambda x: x / (1 + np.exp(-1.702 * x)))(g.normal(0, 1.5, 60_000)),
    "outliers": lambda g: np.concatenate([g.normal(0, 1, 60_000), [55.0, -70.0]]),
}
by_data = pytest.mark.parametrize("name", DATA)
SCHEMES = [TensorScheme(bits, symmetric) for bits in (8, 4) for symmetric in (True, False)]
by_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=str)


def values(name: str) -> np.ndarray:
    return DATA[name](np.random.default_rng(11)).astype(np.float32)


def observed(data: np.ndarray) -> Observer:
    observer = Observer()
    for batch in np.array_split(data, 7):
        observer.observe(torch.from_numpy(batch))
    return observer


def error(data: np.ndarray, with_: Any) -> float:
    """The squared error of the values themselves."""
    codes = quantize(data, with_.scale, with_.zero_point, with_.qmin, with_.qmax)
    return float(np.square(dequantize(codes, with_.scale, with_.zero_point).astype(np.float64) - data).sum())


@by_data
@by_scheme
def test_every_range_lies_within_the_values(name: str, scheme: TensorScheme) -> None:
    observer = observed(values(name))
    for calibrator in CALIBRATORS.values():
        found = calibrator(observer, scheme)
        assert observer.low <= found.low <= 0 <= found.high <= observer.high


@by_data
def test_percentiles_are_numpys_within_a_bin(name: str) -> None:
    data, share = values(name), PERCENTILE / 100
    observer = observed(data)
    bin_ = observer.histogram.width
    # Within its bin a quantile is placed as if values were spread evenly, and numpy's lies between two values.
    gap = float(np.diff(np.sort(np.abs(data)))[-20:].max()) + 2 * bin_
    symmetric = CALIBRATORS["percentile"](observer, TensorScheme())
    assert symmetric.magnitude == pytest.approx(np.quantile(np.abs(data), share), abs=gap)
    ends = CALIBRATORS["percentile"](observer, TensorScheme(symmetric=False))
    assert ends.low == pytest.approx(min(np.quantile(data, (1 - share) / 2), 0), abs=gap)
    assert ends.high == pytest.approx(np.quantile(data, (1 + share) / 2), abs=gap)


@by_data
@by_scheme
def test_mse_is_the_best_of_all_factors(name: str, scheme: TensorScheme) -> None:
    """Of 400 on the values themselves; a bin is 1/32 of a step of int8, which moves the error by its square at most."""
    data = values(name)
    observer = observed(data)
    tried = [
        scheme.parameters(ValueRange(observer.low * factor, observer.high * factor))
        for factor in np.arange(1, 401) / 400
    ]
    best = min(error(data, with_) for with_ in tried)
    assert error(data, calibrate(observer, scheme, "mse")) <= best * 1.01


@by_data
@by_scheme
def test_ends_that_move_by_themselves_lose_no_more(name: str, scheme: TensorScheme) -> None:
    data = values(name)
    observer = observed(data)
    ours = {calibrator: error(data, calibrate(observer, scheme, calibrator)) for calibrator in CALIBRATORS}
    assert ours["histogram"] <= ours["mse"] * 1.001
    assert ours["mse"] <= ours["minmax"] * 1.001


def test_a_normal_distribution_is_cut_where_theory_cuts_it() -> None:
    """Max's optimal uniform quantizer of a unit normal (IRE Trans. Inf. Theory 6, 1960, table II): 16 levels have steps
    of 0.3352, and so end at 2.68 between levels half a step from 0. Codes of a scheme lie at 0 and reach 7.5 steps."""
    data = np.random.default_rng(5).normal(0, 1, 400_000).astype(np.float32)
    observer = observed(data)
    assert calibrate(observer, TensorScheme(4, symmetric=False), "mse").scale == pytest.approx(0.3352, rel=0.02)


@by_data
def test_no_worse_than_torchs_search(name: str) -> None:
    """torch's HistogramObserver moves both ends by quantiles until its estimate of the error rises, and stops at the
    first rise; its estimate takes values as spread evenly within 2048 bins of any width, and its histogram is resampled
    where values grow. Ours tries every place of both ends in turns."""
    from torch.ao.quantization.observer import HistogramObserver

    data = values(name)
    theirs = HistogramObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine)
    for batch in np.array_split(data, 7):
        theirs(torch.from_numpy(batch))
    scale, zero = (float(value) for value in theirs.calculate_qparams())
    torchs = float(
        np.square(dequantize(quantize(data, scale, int(zero)), scale, int(zero)).astype(np.float64) - data).sum()
    )
    assert error(data, calibrate(observed(data), TensorScheme(symmetric=False), "histogram")) <= torchs * 1.01


def onnxruntime_threshold(data: np.ndarray, method: str, bins: int, codes: int = 255) -> float:
    calibrate_ = pytest.importorskip("onnxruntime.quantization.calibrate", reason="pip install onnxruntime")
    collector = calibrate_.HistogramCollector(method, True, bins, codes, PERCENTILE, "same")
    collector.collect_value({"x": data})
    return float(collector.compute_collection_result()["x"][1])


@by_data
def test_percentiles_beside_onnxruntimes(name: str) -> None:
    """Its symmetric threshold is the share of the signed values, in bins: nothing below zero counts. Ours is that of
    the magnitudes, which is what a symmetric scheme cuts; both are the same of values that are never negative."""
    data, bin_ = values(name), 2 * float(np.abs(values(name)).max()) / 4096
    theirs = onnxruntime_threshold(data, "percentile", 4096)
    gap = float(np.diff(np.sort(np.abs(data)))[-20:].max()) + 2 * bin_
    assert theirs == pytest.approx(np.quantile(data, PERCENTILE / 100), abs=gap)
    if name == "relu":
        assert theirs == pytest.approx(CALIBRATORS["percentile"](observed(data), TensorScheme()).magnitude, abs=gap)


@pytest.mark.parametrize("name", ["normal", "laplace", "gelu"])
def test_entropy_beside_onnxruntimes(name: str) -> None:
    """At 4 bits, where cutting pays. Divergences are flat around their least, and the definitions differ: theirs has 15
    codes for both signs together, where ours has 8 a side, smooths empty bins by 1e-4 of a count, and leaves what does
    not divide into the codes to the last one. Both cut well inside of the values, not far from each other."""
    data = values(name)
    theirs = onnxruntime_threshold(data, "entropy", 2 * 256 + 1, 15)
    ours = CALIBRATORS["entropy"](observed(data), TensorScheme(4)).magnitude
    largest = float(np.abs(data).max())
    assert ours == pytest.approx(theirs, rel=0.3)
    assert max(ours, theirs) < 0.9 * largest


def test_zeros_do_not_decide_where_entropy_cuts() -> None:
    """Seven of eight values of a ReLU are 0, of no value to any code but that of 0: the others decide."""
    positive = np.abs(values("normal"))
    scheme = TensorScheme(8, symmetric=False)
    alone = CALIBRATORS["entropy"](observed(positive), scheme)
    among = CALIBRATORS["entropy"](
        observed(np.concatenate([positive, np.zeros(7 * len(positive), np.float32)])), scheme
    )
    assert among == alone
    assert among.magnitude > 0.6 * positive.max()


def test_what_outliers_decide() -> None:
    """Two of 60002. All but none are kept by minmax and cut by shares and by information; the squared error keeps them
    while steps are small: at 8 bits the noise of all others is below what cutting 70 would lose, at 4 it is not."""
    observer = observed(values("outliers"))
    ranges = {name: calibrator(observer, TensorScheme()).magnitude for name, calibrator in CALIBRATORS.items()}
    assert ranges["minmax"] == 70
    assert max(ranges["percentile"], ranges["entropy"]) < 8
    assert ranges["mse"] > 40
    assert CALIBRATORS["mse"](observer, TensorScheme(4)).magnitude < 8


@by_scheme
def test_values_that_are_all_zero_have_a_scale(scheme: TensorScheme) -> None:
    for name in CALIBRATORS:
        assert calibrate(observed(np.zeros(100, np.float32)), scheme, name).scale == 1


@by_scheme
def test_scales_grow_with_the_values(scheme: TensorScheme) -> None:
    """By a power of two, exactly: bins, candidates and quotients are the same."""
    data = values("laplace")
    for name in CALIBRATORS:
        one, four = (calibrate(observed(data * np.float32(factor)), scheme, name) for factor in (1, 4))
        assert (4 * one.scale, one.zero_point) == (four.scale, four.zero_point), name


def test_unknown_calibrators_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown calibrator 'kl'; choose one of minmax, moving-average, percentile"):
        calibrate(observed(values("normal")), TensorScheme(), "kl")
