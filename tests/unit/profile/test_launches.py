"""The profiled process: each job launched once, in its range, and judged outside of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gpu_runs import job, reference_job

from immabench.errors import UsageError
from immabench.measure.trial import Trial
from immabench.profile import ranges
from immabench.profile.launches import launches_path, main, read_launches, read_plan, write_plan


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens to ranges and trials, in order."""
    seen: list[str] = []

    @contextmanager
    def nvtx_range(name: str) -> Iterator[None]:
        seen.append(f"push {name}")
        yield
        seen.append("pop")

    def watched(name: str) -> Any:
        real = getattr(Trial, name)

        def call(self: Trial, *arguments: Any, **more: Any) -> Any:
            seen.append(name)
            return real(self, *arguments, **more)

        return call

    monkeypatch.setattr(ranges, "nvtx_range", nvtx_range)
    for name in ("__init__", "launch", "judge"):
        monkeypatch.setattr(Trial, name, watched(name))
    return seen


def test_a_launch_alone_is_in_the_range(tmp_path: Path, events: list[str]) -> None:
    one = reference_job()
    plan = write_plan(tmp_path / "it.plan.json", [one])
    assert main([str(plan)]) == 0
    assert events == ["__init__", "push profile", f"push {one.row_id}", "launch", "pop", "pop", "judge"]
    assert [(launched.row_id, launched.status) for launched in read_launches(plan)] == [(one.row_id, "ok")]


def test_a_plan_is_the_jobs(tmp_path: Path) -> None:
    jobs = [reference_job(seed=3), job(step="pack", case="b")]
    plan = write_plan(tmp_path / "new" / "it.plan.json", jobs)
    assert read_plan(plan) == jobs
    assert launches_path(plan) == tmp_path / "new" / "it.launches.json"
    assert read_launches(plan) == []


def test_a_case_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trial.judge
    wrong = reference_job(seed=1)

    def judge(self: Trial) -> str:
        return "1 of 384 elements differ" if next(verdicts) else real(self)

    verdicts = iter([True, False])  # the one between is not launched
    monkeypatch.setattr(Trial, "judge", judge)
    jobs = [wrong, job(provider="absent"), reference_job()]
    plan = write_plan(tmp_path / "it.plan.json", jobs)
    assert main([str(plan)]) == 0
    found = read_launches(plan)
    assert [launched.status for launched in found] == ["incorrect", "error", "ok"]
    assert found[0].reason == "1 of 384 elements differ"
    assert all(launched.reason for launched in found[:2])


def test_rows_that_pack_weights_are_judged_by_a_product(tmp_path: Path, events: list[str]) -> None:
    pytest.importorskip("torch", reason="packing is torch's: pip install 'immabench[models]'")
    one = job("torch_int4_pack", "torch", "cpu", step="pack")
    plan = write_plan(tmp_path / "it.plan.json", [one])
    assert main([str(plan)]) == 0
    assert events == ["__init__", "push profile", f"push {one.row_id}", "launch", "pop", "pop", "judge"]
    assert [(launched.row_id, launched.status) for launched in read_launches(plan)] == [(one.row_id, "ok")]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 9, "jobs": []}', '{"schema_version": 1, "jobs": [{}]}']
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "it.plan.json"
    plan.write_text(text)
    with pytest.raises(UsageError):
        read_plan(plan)
    assert main([str(plan)]) == 2
    assert str(plan) in capsys.readouterr().err
    assert json.loads(text or "null") is None or not launches_path(plan).exists()
