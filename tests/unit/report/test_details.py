from __future__ import annotations

import json
import statistics
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.build import document_of
from immabench.report.details import FIELDS, MOST_SAMPLES, details, thinned
from immabench.report.keys import row_key


class Action:
    """Stands in for a profiled launch: it says what it is asked for."""

    def __init__(self, row_id: str) -> None:
        self.row_id = row_id

    def model_dump(self, mode: str, include: set[str]) -> dict[str, Any]:
        said = {"function": "a_kernel", "duration_us": 3.5, "metrics": {"dram_bytes": 7}, "rules": [], "report": "x"}
        assert mode == "json"
        return {name: value for name, value in said.items() if name in include}


def test_every_field_of_a_row_is_shown_once() -> None:
    names = [one.name for one in FIELDS]
    assert sorted(names) == sorted(set(Row.model_fields) - {"counts"})


def test_a_panel_has_the_values_of_its_row(run: RunFolder) -> None:
    rows = run.rows()
    panels = document_of(run).details
    assert list(panels.rows) != []
    assert panels.left == 0
    for row in rows:
        panel = panels.rows[row_key(row)]
        shown = dict(zip([one.name for one in FIELDS], panel["values"], strict=True))
        assert shown == {**row.model_dump(exclude={"counts"}), "asked": ""}
        assert panel.get("times_us", []) == run.samples(row.row_id)
        assert panel.get("counts", {}) == {k: v for k, v in (row.counts or {}).items() if k != "lines"}
    json.dumps(panels.data(), allow_nan=False)


def test_a_panel_says_what_was_asked_for_where_another_problem_was_computed(synthetic_gpu: ModuleType) -> None:
    row = synthetic_gpu.row_of(("decode", 1, 4096, 4096), "torch", "f16", 0.5)
    (panel,) = details([row], {}).rows.values()
    asked = panel["values"][[one.name for one in FIELDS].index("asked")]
    assert asked == "a_type s8, b_type s8, row_scale vector, col_scale vector"


def test_a_timed_row_names_the_emulated_one_of_the_same_launch(synthetic: ModuleType) -> None:
    emulated = synthetic.emulated_row(synthetic.CASES[0], synthetic.KERNELS[0])
    timed = emulated.model_copy(
        update={"device_kind": "cuda", "row_id": emulated.row_id.replace("@emulated", "@cuda"), "counts": None}
    )
    other = synthetic.emulated_row(synthetic.CASES[1], synthetic.KERNELS[0])
    panels = details([other, emulated, timed], {}).rows
    assert panels[row_key(timed)]["emulated"] == row_key(emulated)
    assert "emulated" not in panels[row_key(emulated)]


def test_profile_explanations_and_machine_code_belong_to_their_rows(synthetic: ModuleType) -> None:
    rows = [synthetic.emulated_row(case, synthetic.KERNELS[0]) for case in synthetic.CASES[:2]]
    fact = {"kernel_id": rows[0].kernel_id, "arch": "sm_80", "variant": "aligned", "registers": 96, "spills": 0}
    fact |= {"static_shared_bytes": 0, "dynamic_shared_bytes": 4096, "mma": {"IMMA": 8}, "occupancy": {}, "more": 1}
    found = details(
        rows,
        {},
        actions=[Action(rows[1].row_id)],
        compiled=[fact, {**fact, "kernel_id": "another"}],
        explanations={row_key(rows[0]): ["Because."]},
    )
    first, second = (found.rows[row_key(row)] for row in rows)
    assert first["explanations"] == ["Because."]
    assert "profile" not in first
    assert second["profile"][0]["metrics"] == {"dram_bytes": 7}
    assert list(found.kernels) == [rows[0].kernel_id]
    assert found.kernels[rows[0].kernel_id][0]["registers"] == 96


def test_rows_of_tables_have_panels_before_others(synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.report.details.MOST_DETAILS", 2)
    rows = [synthetic.emulated_row(case, synthetic.KERNELS[0]) for case in synthetic.CASES]
    found = details(rows, {}, first=[row_key(rows[4])])
    assert list(found.rows) == [row_key(rows[4]), row_key(rows[0])]
    assert found.left == len(rows) - 2


def test_samples_are_thinned_where_there_are_many(synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [synthetic.timed_row(case, "s8")[0].model_copy(update={"samples": 1000}) for case in synthetic.CASES]
    times = [float(value) for value in range(1000)]
    for budget, count in ((6000, 1000), (5999, MOST_SAMPLES)):
        monkeypatch.setattr("immabench.report.details.SAMPLES_OF_ALL", budget)
        panels = details(rows, {}, samples=lambda row_id: times).rows
        assert {len(panel["times_us"]) for panel in panels.values()} == {count}


@given(st.lists(st.floats(0.1, 1e6), min_size=2, max_size=3000), st.integers(2, 300))
def test_thinning_keeps_quantiles(times: list[float], most: int) -> None:
    """Each kept value is the sample of its rank, so a quantile moves by less than one step between kept ranks."""
    kept = thinned(times, most)
    assert len(kept) == min(most, len(times))
    if len(times) <= most:
        assert kept == pytest.approx(times, rel=1e-5)
        return
    ordered = sorted(times)
    assert [kept[0], kept[-1]] == pytest.approx([ordered[0], ordered[-1]], rel=1e-5)
    assert kept == sorted(kept)
    step = len(times) / (most - 1) / 2 + 1
    middle = statistics.median(kept)
    low, high = ((len(times) - 1) / 2 - step, (len(times) - 1) / 2 + step)
    assert ordered[max(0, int(low))] * (1 - 1e-5) <= middle
    assert middle <= ordered[min(len(ordered) - 1, int(high) + 1)] * (1 + 1e-5)
