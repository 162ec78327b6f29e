"""Gathering evidence, rehearsed on the CPU: every step leaves its answer, a second call goes on, a bundle is filed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas
import pytest

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


goals, evidence_stages = load("goals"), load("evidence_stages")
evidence, adopt_evidence = load("evidence"), load("adopt_evidence")


def gather(out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "bench/evidence.py", "--out", out, "--device", "cpu", "--suites", "quick"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_a_rehearsal_leaves_a_bundle_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="a sweep on the CPU needs torch: pip install 'immabench[models]'")
    first = gather(tmp_path / "e")
    assert first.returncode == 0, first.stderr
    bundle = tmp_path / "e" / "bundle"
    assert first.stdout.strip() == str(bundle)
    held = json.loads((bundle / "evidence.json").read_text())
    names = ["doctor", "primitives", "verify-brief", "ceilings", "sweep-quick", "profile-quick", "verify", "tests"]
    assert [stage["name"] for stage in held["stages"]] == names
    found = {stage["name"]: stage for stage in held["stages"]}
    assert "no row of a GPU is right and timed" in found.pop("profile-quick")["skipped"]
    assert {stage["returncode"] for stage in found.values()} == {0}
    assert (bundle / "goals.md").read_text().count("not measured") == len(goals.load_goals()["goals"])
    assert held["verified"]["failed"] == 0
    assert held["verified"]["checked"] > 600
    assert held["ceilings"]["int8_tops"] > 0
    assert held["ceilings"]["read_gbps"] > 0
    assert {"name", "status", "rate", "cores"} <= set(held["ceilings"]["instructions"][0])
    assert "skipped" in held["primitives"]
    rows = pandas.read_csv(bundle / "quick.csv")
    assert set(rows.status) <= {"ok", "skipped"}
    assert set(rows[rows.status == "skipped"].kernel_id) <= {"torch_int4", "torch_int4_pack"}  # odd K
    second = gather(tmp_path / "e")
    assert second.stderr.count("done before") == len(names) - 1
    with pytest.raises(SystemExit, match="was gathered on cpu: a rehearsal, not evidence"):
        adopt_evidence.adopt(bundle, tmp_path / "results")


def test_without_a_gpu_the_hardware_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"status": 35, "error": "no driver", "devices": []}
    monkeypatch.setattr("immabench.hardware.cuda_state", lambda: state)
    assert evidence.main(["--out", str(tmp_path / "e")]) == 77
    assert not (tmp_path / "e").exists()


def test_a_stage_that_takes_too_long_is_ended_and_taken_up_again(tmp_path: Path) -> None:
    sleep = evidence.Stage("sleep", (sys.executable, "-c", "import time; time.sleep(60)"))
    entry = evidence.run_stage(sleep, tmp_path, limit_seconds=0.5)
    assert entry["returncode"] is None
    assert entry["seconds"] < 10
    for run in ("quick", "goal-large"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "run.json").touch()
    commands = {stage.name: stage.command for stage in evidence.stages(tmp_path, "cuda", ["quick", "square"])}
    resumed = {name for name, command in commands.items() if "--resume" in command}
    assert resumed == {"sweep-quick", "goal-large"}


def test_nothing_of_a_stage_is_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of one that took too long nor of one that left a child behind, as a profiler that is killed does."""
    monkeypatch.setattr(evidence, "GRACE_SECONDS", 1)
    child = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    for name, after in (
        ("ends", ""),
        ("hangs", "; import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(60)"),
    ):
        stage = evidence.Stage(name, (sys.executable, "-c", child + after))
        evidence.run_stage(stage, tmp_path, limit_seconds=1.0)
        left = int((tmp_path / f"{name}.out").read_text())
        assert ended(left), name


def ended(process: int) -> bool:
    """Whether a process is gone, or will be in a moment: a signal takes one."""
    state = Path(f"/proc/{process}/stat")
    for _ in range(50):
        try:
            if state.read_text().split()[2] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_a_program_that_is_missing_is_a_stage_that_is_skipped(tmp_path: Path) -> None:
    stage = evidence.Stage("checker", ("no-such-program", "--version"), optional=True)
    entry = evidence.run_stage(stage, tmp_path)
    assert entry["skipped"] == "no-such-program is not here"


def test_what_says_most_in_least_time_comes_first(tmp_path: Path) -> None:
    planned = evidence.stages(tmp_path, "cuda", ["quick", "square"])
    names = [stage.name for stage in planned]
    assert names[:4] == ["doctor", "primitives", "verify-brief", "ceilings"]
    assert all(stage.seconds == evidence_stages.FIRST_SECONDS for stage in planned[:4])
    sweeps = [f"goal-{sweep['name']}" for sweep in goals.load_goals()["sweeps"]]
    assert names[4 : 4 + len(sweeps)] == sweeps
    later = names[4 + len(sweeps) :]
    assert later[:4] == ["in-turns", "sweep-quick", "profile-quick", "verify-gemm_s8"]
    assert later[-4:] == ["sanitizer-memcheck", "sanitizer-racecheck", "sweep-square", "profile-square"]
    assert len(names) == len(set(names))


def test_a_call_ends_in_time_with_a_bundle_and_the_next_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    def stage(name: str, seconds: float) -> Any:
        return evidence.Stage(name, (sys.executable, "-c", f"import time; time.sleep({seconds})"))

    monkeypatch.setattr(evidence, "GRACE_SECONDS", 1)
    monkeypatch.setattr(evidence, "CLOSING_SECONDS", 1)
    monkeypatch.setattr(evidence, "stages", lambda *_: [stage("a", 0), stage("b", 60), stage("c", 0)])
    held = evidence.gather(tmp_path, "cuda", [], seconds=5)
    assert [(one["name"], one["returncode"]) for one in held["stages"]] == [("a", 0), ("b", None)]
    assert (evidence.bundle(tmp_path) / "evidence.json").is_file()
    monkeypatch.setattr(evidence, "stages", lambda *_: [stage("a", 60), stage("b", 0), stage("c", 0)])
    held = evidence.gather(tmp_path, "cuda", [], seconds=30)
    assert [(one["name"], one["returncode"]) for one in held["stages"]] == [("a", 0), ("b", 0), ("c", 0)]


def test_a_stage_that_fails_is_in_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = evidence.Stage("verify", (sys.executable, "-c", "raise SystemExit(3)"))
    monkeypatch.setattr(evidence, "stages", lambda *_: [failing])
    held = evidence.gather(tmp_path, "cuda", [])
    assert held["stages"][0]["returncode"] == 3
    assert evidence.gather(tmp_path, "cuda", [])["stages"][0]["returncode"] == 3  # run again, not skipped
    with pytest.raises(SystemExit, match="holds evidence of cuda"):
        evidence.gather(tmp_path, "cpu", [])


def test_profiling_is_skipped_where_it_cannot_be_and_fails_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(code: int) -> Any:
        program = f"import sys; print('said so', file=sys.stderr); sys.exit({code})"
        return evidence.Stage("profile-quick", (sys.executable, "-c", program), optional=True)

    assert evidence.run_stage(ending(77), tmp_path)["skipped"] == "said so"
    assert evidence.run_stage(ending(5), tmp_path)["skipped"] == "said so"
    assert evidence.run_stage(ending(1), tmp_path)["skipped"] == ""
    monkeypatch.setattr(evidence, "device_of", lambda kind: None)
    for code, expected in ((77, 0), (1, 1)):
        monkeypatch.setattr(evidence, "stages", lambda *_, code=code: [ending(code)])
        assert evidence.main(["--out", str(tmp_path / str(code)), "--device", "cpu"]) == expected


ROWS: list[dict[str, Any]] = [
    {"case": "a", "provider": "handwritten", "kernel_id": "imma_1", "time_us_median": 10.0, "pct_roof": 40.0},
    {"case": "a", "provider": "handwritten", "kernel_id": "imma_2", "time_us_median": 8.0, "pct_roof": 50.0},
    {"case": "a", "provider": "cublaslt", "kernel_id": "cublaslt_int8", "time_us_median": 4.0, "pct_roof": 99.0},
    {"case": "a", "provider": "torch", "kernel_id": "torch_bf16", "time_us_median": 16.0, "pct_roof": 70.0},
    {"case": "b", "provider": "handwritten", "kernel_id": "imma_1", "time_us_median": 5.0, "pct_roof": 60.0},
    {"case": "b", "provider": "torch", "kernel_id": "torch_bf16", "time_us_median": 20.0, "pct_roof": 70.0},
    # Neither another precision of a competitor nor a time of packing counts.
    {"case": "a", "provider": "cublaslt", "kernel_id": "cublaslt_fp8", "time_us_median": 1.0, "pct_roof": 99.0},
    {"case": "a", "provider": "handwritten", "kernel_id": "pack_1", "time_us_median": 0.1, "step": "pack"},
    {"case": "c", "provider": "handwritten", "kernel_id": "imma_1", "time_us_median": 1.0, "pct_roof": 900.0},
]


def test_a_bundle_becomes_a_line_of_the_readme(tmp_path: Path) -> None:
    rows = pandas.DataFrame(ROWS).assign(suite="quick", status=["ok"] * 8 + ["invalid"])
    bundle, results, readme = tmp_path / "bundle", tmp_path / "results", tmp_path / "README.md"
    bundle.mkdir()
    rows.to_csv(bundle / "quick.csv", index=False)
    held = {
        "device_kind": "cuda",
        "machine": {"gpus": [{"name": "NVIDIA H200 (made up)"}]},
        "stages": [{"finished_utc": "2026-01-02T03:04:05Z"}],
    }
    (bundle / "evidence.json").write_text(json.dumps(held))
    (bundle / "quick-memory.actions.jsonl").write_text("")
    readme.write_text(f"before\n{adopt_evidence.BEGIN}\nold\n{adopt_evidence.END}\nafter\n")
    assert adopt_evidence.adopt(bundle, results, tmp_path / "profiles").name == "nvidia-h200-made-up"
    assert (tmp_path / "profiles" / "nvidia-h200-made-up" / "quick-memory.actions.jsonl").exists()
    adopt_evidence.write_table(readme, results)
    line = "| NVIDIA H200 (made up), 2026-01-02 | quick | 2 | 55 % | 0.50x | 2.83x |"
    assert line in readme.read_text()
    assert "old" not in readme.read_text()
    assert readme.read_text().endswith("after\n")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no bundle"):
        adopt_evidence.adopt(tmp_path, tmp_path / "results")


def test_the_readme_says_what_the_committed_evidence_says() -> None:
    text = (ROOT / "README.md").read_text()
    begin = text.index(adopt_evidence.BEGIN) + len(adopt_evidence.BEGIN)
    assert text[begin : text.index(adopt_evidence.END)].strip() == adopt_evidence.table()
