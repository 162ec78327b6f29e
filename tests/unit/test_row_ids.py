"""Row ids: put together and taken apart in one place."""

from __future__ import annotations

import pytest

from immabench.row_ids import RowId, launch_of

ID = "imma_s8s8s32_64x64x64_w2x2_s3_sm80@gemm_s8_m1_n64_k160_f16_rv_cv@cuda"


def test_an_id_is_its_parts_joined() -> None:
    parts = RowId("imma_s8s8s32_64x64x64_w2x2_s3_sm80", "gemm_s8_m1_n64_k160_f16_rv_cv", "cuda")
    assert str(parts) == ID
    assert RowId.parse(ID) == parts


@pytest.mark.parametrize("text", ["", "profile", "kernel@problem", f"{ID}@more"])
def test_other_texts_are_no_ids(text: str) -> None:
    assert RowId.parse(text) is None
    assert launch_of(text) is None


def test_a_launch_is_the_same_on_another_device() -> None:
    assert launch_of(ID) == launch_of(ID.replace("@cuda", "@emulated")) == RowId.parse(ID)[:2]  # type: ignore[index]
    assert launch_of(ID) != launch_of(ID.replace("_m1_", "_m2_"))
