from __future__ import annotations

from hashlib import sha1

from immabench.measure.run_folder import RunFolder
from immabench.report.keys import row_key


def test_a_key_is_twelve_digits_of_the_identity(run: RunFolder) -> None:
    row = run.rows()[0]
    assert row_key(row) == sha1("|".join((row.suite, row.case, row.row_id)).encode()).hexdigest()[:12]


def test_rows_of_a_run_have_keys_of_their_own(run: RunFolder) -> None:
    rows = run.rows()
    assert len({row_key(row) for row in rows}) == len(rows)


def test_suite_and_case_are_part_of_a_key(run: RunFolder) -> None:
    row = run.rows()[0]
    changed = [row.model_copy(update={field: "another"}) for field in ("suite", "case", "row_id")]
    assert len({row_key(one) for one in (row, *changed)}) == 4
