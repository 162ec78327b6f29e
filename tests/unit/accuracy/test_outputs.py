"""Logits of a model over data, and how right and how far apart they are, by definition and by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.accuracy.outputs import correct, kl_divergence, outputs, sqnr_db  # noqa: E402
from immabench.errors import ImmabenchError, UsageError  # noqa: E402
from immabench.models.datasets import Dataset  # noqa: E402


class Rows(Dataset):
    """Samples that are their own logits."""

    def __init__(self, rows: Sequence[Sequence[float]], labels: Sequence[int]) -> None:
        self.name, self.labels = "rows", np.array(labels, np.int64)
        self.identifiers = [str(place) for place in range(len(labels))]
        self._rows = torch.tensor(rows)

    def inputs(self, indices: Sequence[int]) -> tuple[torch.Tensor, ...]:
        return (self._rows[list(indices)],)


def logits(*rows: Sequence[float]) -> np.ndarray:
    return np.array(rows, np.float32)


@given(st.data())
def test_a_label_is_among_the_greatest_logits_by_definition(data: st.DataObject) -> None:
    """Few values, so that there are ties."""
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 8)))
    values = data.draw(arrays.arrays(np.float32, shape, elements=st.sampled_from([-1.0, -0.0, 0.0, 2.0])))
    labels = data.draw(arrays.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    for among in (1, 5):
        found = correct(values, labels, among)
        for row, label, right in zip(values, labels, found, strict=True):
            order = sorted(range(len(row)), key=lambda place: (-row[place], place))
            assert right == (label in order[:among])


def test_of_equal_logits_the_lower_class_comes_first() -> None:
    assert correct(logits([3, 3], [3, 3]), np.array([0, 1])).tolist() == [True, False], "as argmax has it"
    five = logits([1] * 6)
    assert [bool(correct(five, np.array([label]), 5)[0]) for label in (4, 5)] == [True, False]


def test_sqnr_by_hand() -> None:
    reference = logits([3, 4], [0, 5])  # energy 50
    assert sqnr_db(logits([3, 4], [0, 4]), reference) == 10 * math.log10(50)
    assert sqnr_db(logits([8, 4], [0, 0]), reference) == 0.0, "as much noise as signal"
    assert sqnr_db(reference, reference) is None


def test_divergence_by_hand() -> None:
    # Even odds from 1 to 3: 1/2 ln((1/2) / (1/4)) + 1/2 ln((1/2) / (3/4)); the other way round it is another figure.
    found = kl_divergence(logits([0, math.log(3)]), logits([0, 0]))
    # The logit ln 3 is rounded to float32, 2^-24 of it, and the divergence changes by its slope of 1/4.
    assert found == pytest.approx(math.log(4 / 3) / 2, abs=2**-24)
    assert kl_divergence(logits([0, 0], [0, math.log(3)]), logits([0, 0], [0, 0])) == pytest.approx(
        found / 2, rel=1e-15
    )


def test_divergence_sees_no_constant_and_is_never_negative() -> None:
    reference = np.random.default_rng(3).normal(size=(50, 7)).astype(np.float32)
    assert kl_divergence(reference, reference) == 0.0
    # Logits of 8 to 16 are rounded by 2^-21 at most; by Hoeffding's lemma that diverges by (2^-20)^2 / 8 at most.
    assert np.abs(reference).max() < 8
    assert 0.0 <= kl_divergence(reference + 8, reference) <= 2**-42


def test_outputs_in_the_order_of_the_data_with_progress() -> None:
    data = Rows([[place, 0.0] for place in range(5)], [0, 1, 0, 1, 0])
    heard: list[tuple[str, int, int]] = []
    found = outputs(lambda rows: rows * 2, data, 2, lambda *report: heard.append(report), "fp32")
    assert found[:, 0].tolist() == [0, 2, 4, 6, 8]
    assert found.dtype == np.float32
    assert heard == [("fp32", 2, 5), ("fp32", 4, 5), ("fp32", 5, 5)]


def test_logits_that_are_nan_are_refused() -> None:
    data = Rows([[0.0, 1.0], [math.nan, 0.0]], [0, 1])
    with pytest.raises(ImmabenchError, match="logits of rows are NaN"):
        outputs(lambda rows: rows, data, 2)


def test_labels_beyond_the_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="rows has label 2, but the model has 2 classes"):
        outputs(lambda rows: rows, Rows([[0.0, 1.0]], [2]), 1)


def test_inputs_that_a_model_does_not_take_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"the model does not take \[2, 3\] of rows") as caught:
        outputs(torch.nn.Linear(4, 2), Rows([[0.0] * 3] * 2, [0, 1]), 2)
    assert "\n" not in str(caught.value)
