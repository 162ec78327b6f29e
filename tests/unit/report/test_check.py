from __future__ import annotations

from pathlib import Path

import pytest

from immabench.errors import RunFolderError
from immabench.measure.run_folder import RunFolder
from immabench.report import verify_run


def rewrite(run: RunFolder, **changes: object) -> str:
    """Change fields of the first timed row on disk; returns its id."""
    rows = run.rows()
    target = next(row for row in rows if row.time_us_median)
    changed = [row.model_copy(update=changes) if row is target else row for row in rows]
    (run.path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in changed), encoding="utf-8")
    return target.row_id


def test_an_untouched_run_has_no_drift(run: RunFolder) -> None:
    checked, drifts = verify_run(run.path)
    assert checked > 100
    assert drifts == []


@pytest.mark.parametrize(
    "field", ["tops", "gbps", "flops_per_byte", "pct_roof", "time_us_median", "samples", "pct_noise"]
)
def test_every_derived_field_is_watched(run: RunFolder, field: str) -> None:
    row_id = rewrite(run, **{field: 4711 if field == "samples" else 4711.0})
    _, drifts = verify_run(run.path)
    assert (row_id, field) in [(drift.row_id, drift.field) for drift in drifts]
    assert f"{field} is 4711" in "\n".join(map(str, drifts))


def test_a_missing_derived_number_is_a_drift(run: RunFolder) -> None:
    rewrite(run, tops=None)
    _, drifts = verify_run(run.path)
    assert {drift.field for drift in drifts} == {"tops", "pct_roof"}


def test_a_share_of_a_roof_nobody_measured_is_a_drift(run: RunFolder) -> None:
    run.write_meta(ceilings=None)
    _, drifts = verify_run(run.path)
    assert {drift.field for drift in drifts} == {"pct_roof"}


def test_damaged_samples_are_one_line(run: RunFolder) -> None:
    next((run.path / "samples").iterdir()).write_text("{", encoding="utf-8")
    with pytest.raises(RunFolderError, match="not a list of times"):
        verify_run(run.path)


def test_a_missing_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError):
        verify_run(tmp_path / "nowhere")


def test_the_operations_of_a_batch_are_those_of_its_products(run: RunFolder) -> None:
    rewrite(run, batch=3)
    _, drifts = verify_run(run.path)
    by_field = {drift.field: drift for drift in drifts}
    assert by_field["tops"].recomputed == pytest.approx(3 * by_field["tops"].stored)
