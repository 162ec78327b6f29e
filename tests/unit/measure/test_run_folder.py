"""Run folders lose nothing, overwrite nothing, and say what is wrong with them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immabench.errors import RunFolderError
from immabench.measure.case import Job
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder, new_run_path
from immabench.problems import Problem


def row(m: int = 1, status: str = "ok", **values: object) -> Row:
    return Job("suite", "case", 1, Problem(m, 2, 3), "reference", "reference_numpy", "cpu").row(status, **values)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", meta={"seed": 4})


def test_rows_come_back_in_order(folder: RunFolder) -> None:
    written = [row(m) for m in (3, 1, 2)]
    for one in written:
        folder.append(one)
    again = RunFolder.open(folder.path)
    assert again.rows() == written
    assert again.meta["seed"] == 4
    assert again.meta["run_id"] == "run"


def test_of_a_retried_row_only_the_last_counts(folder: RunFolder) -> None:
    for one in (row(1, "crashed"), row(2), row(1)):
        folder.append(one)
    assert [(one.m, one.status) for one in folder.rows()] == [(2, "ok"), (1, "ok")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=1))
def test_a_torn_last_line_is_ignored_and_then_cut_off(folder: RunFolder, cut: int) -> None:
    path = folder.path / "rows.jsonl"
    lines = [row(1).model_dump_json() + "\n", row(2).model_dump_json() + "\n"]
    path.write_text(lines[0] + lines[1][: 1 + cut % (len(lines[1]) - 1)])
    with pytest.warns(UserWarning, match="torn"):
        assert [one.m for one in folder.rows()] == [1]
    folder.drop_torn_line()
    folder.append(row(3))
    assert [one.m for one in folder.rows()] == [1, 3]


def test_a_damaged_line_is_named(folder: RunFolder) -> None:
    (folder.path / "rows.jsonl").write_text(row(1).model_dump_json() + "\n{}\n")
    with pytest.raises(RunFolderError, match=r"rows.jsonl:2 is damaged .*remove that line"):
        folder.rows()
    (folder.path / "rows.jsonl").write_text("garbage\n")
    with pytest.raises(RunFolderError, match=r"rows.jsonl:1 is damaged"):
        folder.rows()


def test_missing_and_damaged_folders(tmp_path: Path, folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="is not a run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"holds no run\.json"):
        RunFolder.open(tmp_path)
    (folder.path / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match="is damaged"):
        RunFolder.open(folder.path)
    (folder.path / "run.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(RunFolderError, match="is not of schema 1"):
        RunFolder.open(folder.path)
    (folder.path / "rows.jsonl").unlink()
    with pytest.raises(RunFolderError, match="cannot be read"):
        folder.rows()


def test_nothing_is_overwritten_without_force(folder: RunFolder) -> None:
    folder.append(row())
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.create(folder.path)
    assert len(folder.rows()) == 1
    assert RunFolder.create(folder.path, force=True).rows() == []


def test_force_never_removes_what_is_not_a_run(folder: RunFolder) -> None:
    (folder.path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match=r"holds thesis\.tex"):
        RunFolder.create(folder.path, force=True)
    assert (folder.path / "thesis.tex").exists()


def test_an_empty_folder_will_do_and_a_file_will_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty").rows() == []
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError):
        RunFolder.create(tmp_path / "file", force=True)


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"cannot be created .*--out") as caught:
        RunFolder.create(tmp_path / "file" / "run")
    assert "\n" not in str(caught.value)


def test_samples(folder: RunFolder) -> None:
    folder.write_samples("a@b@cpu", [1.5, 2.0])
    assert folder.samples("a@b@cpu") == [1.5, 2.0]
    assert folder.samples("unknown") == []


def test_csv_flattens_counts(folder: RunFolder) -> None:
    folder.append(row(1))
    folder.append(row(2, counts={"mma": 4, "ldmatrix": {"wavefronts": 8}, "lines": [{"line": 42}]}))
    header, _, second = folder.write_csv().read_text().splitlines()
    assert header.startswith("schema_version,row_id,suite")
    assert header.endswith("counts.mma,counts.ldmatrix.wavefronts")
    assert second.endswith("4.0,8.0")


def test_csv_has_a_column_for_what_else_was_asked_for(folder: RunFolder) -> None:
    folder.append(row(1))
    folder.append(row(2, problem=Problem(2, 2, 3, "f32", "f32", "f32")))
    table = list(csv.DictReader(folder.write_csv().read_text().splitlines()))
    asked = [{name: value for name, value in record.items() if name.startswith("asked")} for record in table]
    names = {"asked.a_type", "asked.b_type", "asked.output_type"}
    assert asked == [dict.fromkeys(names, ""), dict(zip(sorted(names), ("s8", "s8", "s32"), strict=True))]


def test_an_empty_run_has_an_empty_table(folder: RunFolder) -> None:
    assert folder.frame().empty
    assert "row_id" in folder.frame().columns


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = []
    for _ in range(20):
        paths.append(new_run_path("quick"))
        paths[-1].mkdir(parents=True)
    assert len(set(paths)) == 20
    assert paths[0].name.endswith("Z-quick")
