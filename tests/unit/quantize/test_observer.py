"""What observers see, against torch's of the same name and definitions."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="calibration is torch's: pip install 'immabench[models]'")

from torch.ao.quantization import observer as torch_observers  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize import Observer, TensorScheme, calibrate  # noqa: E402


def batches(count: int = 20, shift: float = 0.3) -> list[Any]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(4, 7, 9, generator=generator) * (1 + i / 7) + shift for i in range(count)]


def observed(values: list[Any]) -> Observer:
    observer = Observer()
    for batch in values:
        observer.observe(batch)
    return observer


def test_ends_are_those_of_all_values_and_zero() -> None:
    seen = observed(batches()).seen
    everything = torch.cat([batch.flatten() for batch in batches()])
    assert (seen.low, seen.high) == (float(everything.min()), float(everything.max()))
    assert observed([torch.full((3,), 2.0)]).seen.low == 0
    assert observed([torch.full((3,), -2.0)]).seen.high == 0


def test_minmax_and_the_moving_average_are_torchs() -> None:
    """Asymmetric; torch's symmetric scale divides by 127.5, ours by 127, so that both ends are codes."""
    pairs = {
        "minmax": torch_observers.MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine),
        "moving-average": torch_observers.MovingAverageMinMaxObserver(
            dtype=torch.qint8, qscheme=torch.per_tensor_affine
        ),
    }
    for name, theirs in pairs.items():
        for batch in batches():
            theirs(batch)
        scale, zero = theirs.calculate_qparams()
        ours = calibrate(observed(batches()), TensorScheme(symmetric=False), name)
        # Averages are sums of 20 float32 terms there and of float64 ones here: 20 roundings of 2^-24.
        assert ours.scale == pytest.approx(float(scale), rel=20 * 2**-24)
        assert ours.zero_point == int(zero)


def test_types_and_shapes_do_not_matter() -> None:
    values = torch.linspace(-1, 2, 24).to(torch.bfloat16)
    ends = {(one.low, one.high) for one in (observed([v]) for v in (values, values.float(), values.view(2, 3, 4)))}
    assert len(ends) == 1


def test_nothing_is_no_batch() -> None:
    observer = observed([torch.empty(0, 3)])
    assert observer.batches == 0
    with pytest.raises(UsageError, match="no values were observed; calibrate with at least one batch"):
        calibrate(observer, TensorScheme(), "minmax")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_counted_and_refused(bad: float) -> None:
    observer = observed([torch.tensor([1.0, bad, -2.0, bad])])
    assert (observer.low, observer.high, observer.not_finite, observer.histogram.total) == (-2.0, 1.0, 2, 2)
    with pytest.raises(UsageError, match="2 values are NaN or infinite; look at the weights and the data"):
        calibrate(observer, TensorScheme(), "mse")


def test_a_sum_that_overflows_loses_no_value() -> None:
    observer = observed([torch.full((4,), 3e38)])
    assert (observer.not_finite, observer.histogram.total) == (0, 4)


def test_gradients_are_not_kept() -> None:
    values = torch.randn(5, requires_grad=True)
    observed([values])
    assert values.grad is None
