"""int4 codes between one and two a byte on the emulated machine."""

from __future__ import annotations

import numpy as np
import pytest
from quantizing import expect_ideal, run

from immabench.measure.companion_calls import pack_s4, unpack_s4
from immabench.operands import aligned


@pytest.mark.parametrize("columns", [2, 6, 16, 18, 1024])
def test_there_and_back(columns: int) -> None:
    codes = aligned(np.random.default_rng(columns).integers(-8, 8, (9, columns)).astype(np.int8))
    there = pack_s4(codes)
    reports = [run(there)]
    back = unpack_s4(there.outputs["packed"])
    reports.append(run(back))
    assert (back.outputs["codes"] == codes).all()
    if columns == 1024:
        for report in reports:
            expect_ideal(report)


def test_every_byte_unpacks_as_the_oracle_says() -> None:
    run(unpack_s4(aligned(np.arange(256, dtype=np.uint8).reshape(8, 32))))
