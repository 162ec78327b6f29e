"""What is timed with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_models import Images

from immabench.e2e.inputs import DEFAULT_LENGTH, MOST_SETS, chosen_length, input_sets
from immabench.errors import UsageError
from immabench.models.datasets import Dataset
from immabench.models.trained import IMAGES, TOKENS


class Sentences(Dataset):
    """Sentence i is i + 2 times the token 100 + i, padded."""

    name, labels, identifiers = "planted", np.zeros(5, np.int64), list("abcde")

    def inputs(self, indices: object) -> tuple[torch.Tensor, ...]:
        (i,) = indices  # type: ignore[misc]
        ids, mask = torch.zeros(1, 8, dtype=torch.int64), torch.zeros(1, 8, dtype=torch.int64)
        ids[0, : i + 2], mask[0, : i + 2] = 100 + i, 1
        return ids, mask


def test_sets_are_other_real_samples() -> None:
    data = Images("seen", 60, 1)
    sets = input_sets(data, 2, None)
    assert len(sets) == MOST_SETS
    assert torch.equal(torch.cat([images for (images,) in sets]), data.inputs(range(16))[0])


def test_large_batches_take_samples_again() -> None:
    data = Images("seen", 60, 1)
    sets = input_sets(data, 128, None)
    assert [len(images) for (images,) in sets] == [128, 128]
    assert torch.equal(sets[0][0][60:120], sets[0][0][:60])


def test_rows_of_tokens_are_full_of_real_ones() -> None:
    ids, mask = input_sets(Sentences(), 2, 4)[0]
    assert ids.tolist() == [[100, 100, 101, 101], [101, 102, 102, 102]]
    assert mask.tolist() == [[1] * 4] * 2


def test_length() -> None:
    assert chosen_length(IMAGES, None) is None
    assert (chosen_length(TOKENS, None), chosen_length(TOKENS, 7)) == (DEFAULT_LENGTH, 7)
    with pytest.raises(UsageError, match="takes images, which have no length; leave out --length"):
        chosen_length(IMAGES, 7)
