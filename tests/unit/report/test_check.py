from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immabench.errors import RunFolderError
from immabench.measure.run_folder import RunFolder
from immabench.report import Drift, build_report, verify_run
from immabench.report.check import recomputed_rows
from immabench.report.drift import same


def rewrite(run: RunFolder, emulated: bool = False, **changes: object) -> str:
    """Change fields of the first timed, or emulated, row on disk; returns its id."""
    rows = run.rows()
    target = next(row for row in rows if (row.counts if emulated else row.time_us_median))
    changed = [row.model_copy(update=changes) if row is target else row for row in rows]
    (run.path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in changed), encoding="utf-8")
    return target.row_id


def drifts_of(run: RunFolder) -> list[Drift]:
    return verify_run(run.path)[1]


class TestRows:
    def test_an_untouched_run_has_no_drift(self, run: RunFolder) -> None:
        checked, drifts = verify_run(run.path)
        assert checked > 100
        assert drifts == []

    @pytest.mark.parametrize(
        "field",
        ["tops", "gbps", "flops_per_byte", "pct_roof", "time_us_median", "time_us_iqr", "samples", "pct_noise"],
    )
    def test_every_derived_field_is_watched(self, run: RunFolder, field: str) -> None:
        row_id = rewrite(run, **{field: 4711 if field == "samples" else 4711.0})
        drifts = drifts_of(run)
        assert ("rows.jsonl", row_id, field) in [(drift.file, drift.place, drift.field) for drift in drifts]
        assert f"{row_id}, {field}: shows 4711" in "\n".join(map(str, drifts))

    def test_a_missing_derived_number_is_a_drift(self, run: RunFolder) -> None:
        rewrite(run, tops=None)
        assert [(drift.field, drift.stored) for drift in drifts_of(run)] == [("tops", None)]

    def test_a_share_of_a_roof_nobody_measured_is_a_drift(self, run: RunFolder) -> None:
        run.write_meta(ceilings=None)
        assert {drift.field for drift in drifts_of(run)} == {"pct_roof"}

    def test_a_rate_of_a_row_without_a_time_is_a_drift(self, run: RunFolder) -> None:
        rewrite(run, emulated=True, tops=1.0)
        assert [drift.field for drift in drifts_of(run)] == ["tops"]

    def test_a_time_whose_samples_are_gone_is_a_drift(self, run: RunFolder) -> None:
        row = next(row for row in run.rows() if row.time_us_median)
        (run.path / "samples" / f"{row.row_id}.json").unlink()
        found = {drift.field: drift for drift in drifts_of(run)}
        assert set(found) == {"samples", "time_us_median", "time_us_iqr", "pct_noise"}
        assert str(found["time_us_median"]).endswith("its sources give nothing")

    def test_a_row_that_names_another_shape_is_a_drift(self, run: RunFolder) -> None:
        rewrite(run, emulated=True, row_id="imma_s8s8s32_64x64x64_w2x2_s3_sm80@gemm_s8_m1_n64_k160_f16_rv_cv@emulated")
        (drift,) = drifts_of(run)
        assert (drift.field, drift.recomputed) == (
            "row_id",
            "imma_s8s8s32_64x64x64_w2x2_s3_sm80@gemm_s8_m3136_n64_k160_f16_rv_cv@emulated",
        )

    def test_a_row_that_was_asked_for_another_problem_is_a_drift(self, run: RunFolder) -> None:
        rewrite(run, asked={"output_type": "bf16"})
        (drift,) = drifts_of(run)
        assert (drift.field, "_bf16_" in str(drift.recomputed)) == ("row_id", True)

    def test_rows_of_an_older_run_do_not_say_what_was_asked_for(self) -> None:
        """Its float baselines: the id is what their own sources do not give."""
        recorded = RunFolder.open(Path(__file__).parents[2] / "e2e" / "recorded" / "cpu-quick")
        assert None in [row.asked_problem for row in recorded.rows()]
        checks = list(recomputed_rows(recorded))
        assert [str(check) for check in checks if check.differs] == []
        assert sum(check.field == "row_id" for check in checks) == sum(
            row.asked_problem is not None for row in recorded.rows()
        )

    def test_an_ok_row_that_nobody_verified_is_a_drift(self, run: RunFolder) -> None:
        rewrite(run, verified=None)
        assert [(drift.field, drift.recomputed) for drift in drifts_of(run)] == [("verified", True)]

    @pytest.mark.parametrize("name", ["sectors", "wavefronts", "ideal_wavefronts"])
    def test_totals_are_those_of_their_source_lines(self, run: RunFolder, synthetic: ModuleType, name: str) -> None:
        counts = dict(synthetic.emulated_row(synthetic.CASES[0], synthetic.KERNELS[0]).counts)
        counts["async_copy"] = {**counts["async_copy"], name: 4711}
        units = {"operation": "async_copy_shared", "unit": "wavefronts"}
        lines = [*counts["lines"], {**counts["lines"][0], **units, "units": 5, "ideal": 5}]
        good = {**counts["async_copy"], "wavefronts": 5, "ideal_wavefronts": 5}
        rewrite(run, emulated=True, counts={**counts, "lines": lines, "async_copy": {**good, name: 4711}})
        assert [drift.field for drift in drifts_of(run)] == [f"counts.async_copy.{name}"]

    def test_the_operations_of_a_batch_are_those_of_its_products(self, run: RunFolder) -> None:
        rewrite(run, batch=3)
        by_field = {drift.field: drift for drift in drifts_of(run)}
        assert by_field["tops"].recomputed == pytest.approx(3 * float(by_field["tops"].stored or 0))

    def test_damaged_samples_are_one_line(self, run: RunFolder) -> None:
        next((run.path / "samples").iterdir()).write_text("{", encoding="utf-8")
        with pytest.raises(RunFolderError, match="not a list of times"):
            verify_run(run.path)

    def test_a_missing_run_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(RunFolderError):
            verify_run(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> RunFolder:
    """A synthetic run with its report; tests copy it."""
    folder: RunFolder = synthetic.write_run(tmp_path_factory.mktemp("report") / "run")
    build_report(folder.path)
    return folder


@pytest.fixture
def copy(built: RunFolder, tmp_path: Path) -> RunFolder:
    return RunFolder.open(Path(shutil.copytree(built.path, tmp_path / "run")))


def edit(run: RunFolder, name: str, change: Callable[[str], str]) -> None:
    path = run.path / name
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


class TestWritten:
    def test_a_fresh_report_shows_what_rows_give(self, built: RunFolder) -> None:
        checked, drifts = verify_run(built.path)
        assert [str(drift) for drift in drifts] == []
        assert checked > 4000

    def test_a_row_changed_since_makes_everything_older(self, copy: RunFolder) -> None:
        rewrite(copy, time_us_median=4711.0)
        drifts = drifts_of(copy)
        files = {drift.file.partition("/")[0] for drift in drifts}
        assert files == {"rows.jsonl", "rows.csv", "report.html", "summary.md", "plots"}
        stale = next(str(drift) for drift in drifts if drift.file == "report.html")
        assert stale.endswith(f"older than its rows: write it anew with `immabench report {copy.path}`")

    def test_a_row_dropped_since_is_named(self, copy: RunFolder) -> None:
        rows = copy.rows()
        edit(copy, "rows.jsonl", lambda text: text.split("\n", 1)[1])
        lines = [str(drift) for drift in drifts_of(copy)]
        assert f"rows.csv: line 2, row: shows {rows[0].row_id}, rows give {rows[1].row_id}" in lines
        assert any(line.startswith("report.html: table speed, row ") and "rows give nothing" in line for line in lines)

    @pytest.mark.parametrize("what", ["sorted by", "text"])
    def test_a_cell_of_the_page(self, copy: RunFolder, what: str) -> None:
        row = next(row for row in copy.rows() if row.time_us_median)
        cell = re.compile(rf'(data-sort=")({row.time_us_median})(" title="[^"]*">)([^<]*)')
        planted = r"\g<1>4711\3\4" if what == "sorted by" else r"\1\2\g<3>4711"
        edit(copy, "report.html", lambda html: cell.sub(planted, html, count=1))
        (drift,) = drifts_of(copy)
        assert (drift.file, drift.field, drift.stored) == ("report.html", what, "4711")
        assert drift.place.startswith("table speed, row ")
        assert drift.place.endswith(f"{row.row_id}, column time µs")

    def test_a_number_of_a_chart(self, copy: RunFolder) -> None:
        def plant(html: str) -> str:
            start = html.index('id="charts">') + len('id="charts">')
            end = html.index("</script>", start)
            charts = json.loads(html[start:end])
            charts["models"]["data"][0]["x"][1] = 4711.0
            return html[:start] + json.dumps(charts) + html[end:]

        edit(copy, "report.html", plant)
        (drift,) = drifts_of(copy)
        assert str(drift).startswith("report.html: chart models, data[0], x[1]: shows 4711.0, rows give ")

    def test_a_panel(self, copy: RunFolder) -> None:
        edit(copy, "report.html", lambda html: html.replace('"times_us":[', '"times_us":[4711.0,', 1))
        drifts = drifts_of(copy)
        assert len(drifts) == 4  # three samples stand one place further, and there is a fourth
        assert all("panels, rows, " in drift.place and "times_us" in drift.place for drift in drifts)

    def test_a_sentence_of_the_page(self, copy: RunFolder) -> None:
        edit(copy, "report.html", lambda html: html.replace("<strong>2.82×</strong>", "<strong>4.71×</strong>", 1))
        (drift,) = drifts_of(copy)
        assert "4.71×" in str(drift.stored)
        assert "2.82×" in str(drift.recomputed)

    def test_a_line_of_the_summary(self, copy: RunFolder) -> None:
        edit(copy, "summary.md", lambda text: text.replace("2.82×", "4.71×", 1))
        (drift,) = drifts_of(copy)
        assert str(drift).startswith("summary.md: line 5: shows **Measured on the CPU**")

    def test_a_value_of_the_table_of_rows(self, copy: RunFolder) -> None:
        row = next(row for row in copy.rows() if row.time_us_median)
        edit(copy, "rows.csv", lambda text: text.replace(str(row.tops), "4711.0", 1))
        (drift,) = drifts_of(copy)
        assert (drift.place, drift.field, drift.stored) == (f"row {row.row_id}", "column tops", "4711.0")

    def test_a_number_behind_a_plot(self, copy: RunFolder) -> None:
        edit(copy, "plots/model_totals.csv", lambda text: re.sub(r"\d+\.\d+", "4711.0", text, count=1))
        value, whole = drifts_of(copy)
        assert (value.file, value.stored) == ("plots/model_totals.csv", "4711.0")
        assert (whole.file, whole.field) == ("plots/model_totals.csv", "SHA-256")

    @pytest.mark.parametrize("suffix", ["csv", "png", "svg"])
    def test_a_file_of_a_plot_is_gone(self, copy: RunFolder, suffix: str) -> None:
        (copy.path / "plots" / f"model_totals.{suffix}").unlink()
        assert [str(drift) for drift in drifts_of(copy)] == [
            f"plots/model_totals.{suffix}: file: shows nothing, rows give model_totals.{suffix}"
        ]

    @pytest.mark.parametrize("suffix", ["png", "svg"])
    def test_another_picture_in_the_place_of_a_plot(self, copy: RunFolder, suffix: str) -> None:
        plots = copy.path / "plots"
        shutil.copy(plots / f"roofline_cpu.{suffix}", plots / f"model_totals.{suffix}")
        (drift,) = drifts_of(copy)
        assert (drift.file, drift.field) == (f"plots/model_totals.{suffix}", "SHA-256")

    def test_pictures_of_which_nobody_knows_what_they_show(self, copy: RunFolder) -> None:
        (copy.path / "plots" / "drawn.json").unlink()
        listed, *files = drifts_of(copy)
        assert (listed.file, listed.stored) == ("plots/drawn.json", "")
        assert {drift.field for drift in files} == {"SHA-256"}
        assert len(files) == len(list((copy.path / "plots").iterdir()))

    def test_a_plot_that_rows_do_not_give(self, copy: RunFolder) -> None:
        edit(copy, "plots/drawn.json", lambda text: text.replace("{", '{"older": {},', 1))
        (drift,) = drifts_of(copy)
        assert str(drift.stored).startswith("older, ")

    def test_nothing_is_drawn_for_it(self, built: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        assert verify_run(built.path)[1] == []


class TestSame:
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_a_number_is_itself_as_text_too(self, value: float) -> None:
        assert same(value, value)
        assert same(repr(value), value)

    @given(st.floats(1e-6, 1e12), st.floats(1e-5, 1.0))
    def test_more_than_rounding_differs(self, value: float, change: float) -> None:
        assert not same(value * (1 + change), value)
        assert same(math.nextafter(value, 0), value)

    def test_nothing_is_only_itself(self) -> None:
        assert same(None, None)
        assert not same(None, 0)
        assert not same("", None)
        assert not same(True, 1)
        assert not same("a", "b")
