"""A run explained: which rows, in which order, in words and as JSON; and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from explained_rows import CEILINGS, DEVICE, make_row
from typer.testing import CliRunner

from immabench.cli import build_app
from immabench.errors import NothingSelectedError, RunFolderError, UsageError
from immabench.explain import FORMULA, explain_rows
from immabench.kernels import kernel_config
from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.predict import Machine, predicted
from immabench.problems import Problem, float_problem

SCALED: dict[str, Any] = {"output_type": "f16", "row_scale": "vector", "col_scale": "vector"}
IMMA = "imma_s8s8s32_128x128x64_w2x4_s3_sm80"
RAGGED = Problem(2048, 2048, 2047, **SCALED)
SMALL = Problem(64, 64, 64, **SCALED)
META = {
    "run_id": "planted",
    "machine": {"gpus": [{"name": DEVICE, "compute_capability": [9, 0], "sm_count": 132, "sm_clock_mhz": 1980}]},
    "ceilings": {"cuda": CEILINGS},
}


def rows(machine: Machine) -> list[Row]:
    config = kernel_config(IMMA)
    timed = [make_row(one, IMMA, predicted(config, one, machine).time_us) for one in (SMALL, RAGGED)]
    float_rows = [make_row(float_problem(one, "f16"), "torch_fp16", 40.0, provider="torch") for one in (SMALL, RAGGED)]
    without = [make_row(SMALL, "broken", 1.0, status="incorrect"), make_row(SMALL, "packs", 1.0, step="pack")]
    return [*timed, *float_rows, *without, make_row(SMALL, IMMA, None, device_kind="emulated")]


def test_rows_with_a_time_and_a_roof_are_explained(h200: Machine) -> None:
    found = explain_rows(rows(h200), META)
    assert [one.row.kernel_id for one in found] == [IMMA, IMMA, "torch_fp16", "torch_fp16"]
    assert [one.headline for one in found[:2]] == ["launch bound", "K misaligned"]
    assert all(one.kind == "measured" for one in found)


def test_as_json_an_explanation_names_its_row_and_copies_none_of_it(
    h200: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a row holds counts by source line: it is not to be copied")

    found = explain_rows(rows(h200), META)[0]
    monkeypatch.setattr(Row, "__deepcopy__", refused)
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert (data["row_id"], data["kind"], data["time_us"]) == (found.row.row_id, "measured", found.time_us)
    assert [cause["name"] for cause in data["causes"]] == [cause.name for cause in found.causes]
    assert data["causes"][0]["evidence"][0].keys() == {"kind", "text"}
    assert "row" not in data


def test_emulated_rows_are_explained_by_prediction_of_a_named_gpu(h200: Machine) -> None:
    *_, found = explain_rows(rows(h200), META, machine=h200)
    assert (found.kind, found.row.device_kind, found.headline) == ("predicted", "emulated", "launch bound")
    assert found.time_us == predicted(kernel_config(IMMA), SMALL, h200).time_us
    assert "the predicted time" in found.sentences()[0]
    assert "[measured]" not in " ".join(found.sentences())


def test_a_run_without_roof_is_refused(h200: Machine) -> None:
    with pytest.raises(NothingSelectedError, match="no row has both a time and a measured roof"):
        explain_rows(rows(h200), {**META, "ceilings": None})


def test_a_gpu_that_run_json_lacks_costs_the_models_part_only(h200: Machine) -> None:
    moved = [row.model_copy(update={"device": "another GPU"}) for row in rows(h200)[:2]]
    found = explain_rows(moved, META)
    assert [one.headline for one in found] == ["no cause found", "no cause found"]


def run_cli(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build_app(), ["explain", *arguments])
    return done.exit_code, done.stdout


def test_the_command_names_causes_worst_first(gpu_run: Callable[[list[Row]], Path], h200: Machine) -> None:
    path = gpu_run(rows(h200))
    code, out = run_cli(str(path), "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["formula"], answer["explained"]) == (FORMULA, 4)
    found = [(one["kernel_id"], one["headline"]) for one in answer["rows"]]
    assert (IMMA, "K misaligned") in found
    assert (IMMA, "launch bound") in found
    efficiencies = [one["efficiency"] for one in answer["rows"]]
    assert efficiencies == sorted(efficiencies)
    assert all(one["causes"][0]["evidence"][0]["kind"] for one in answer["rows"] if one["causes"])
    code, out = run_cli(str(path), "--kernel", "imma*", "--case", "2048*", "--all")
    assert code == 0
    assert "1 of 1 rows are far from their roofs" in out
    assert "K misaligned" in out
    assert "Try zeros up to K = 2048" in out
    assert FORMULA in out


def test_a_filter_that_matches_nothing_and_a_folder_that_is_no_run(
    gpu_run: Callable[[list[Row]], Path], h200: Machine, tmp_path: Path
) -> None:
    path = gpu_run(rows(h200))
    done = CliRunner().invoke(build_app(), ["explain", str(path), "--kernel", "wgmma*"])
    assert isinstance(done.exception, NothingSelectedError)
    done = CliRunner().invoke(build_app(), ["explain", str(tmp_path / "nowhere")])
    assert isinstance(done.exception, RunFolderError)
    done = CliRunner().invoke(build_app(), ["explain", str(path), "--gpu", "H2000"])
    assert isinstance(done.exception, NothingSelectedError)
    RunFolder.open(path).write_meta(kind="e2e")
    done = CliRunner().invoke(build_app(), ["explain", str(path)])
    assert isinstance(done.exception, UsageError)
