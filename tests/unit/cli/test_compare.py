"""`immabench compare` and `immabench ab`: what they print and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from immabench.measure.case import Job
from immabench.measure.run_folder import RunFolder
from immabench.problems import Problem

STEADY = [99.0, 100.0, 101.0, 100.0] * 10
NOISY = [80.0, 100.0, 125.0, 90.0] * 10
AB = ("ab", "reference_numpy", "good", "--shape", "8x8x8", "--time-budget", "0.05")


def write_run(path: Path, times: dict[int, list[float]], broken: tuple[int, ...] = ()) -> str:
    """A run folder with one row of each m: timed, or in error."""
    folder = RunFolder.create(path)
    for m, samples in times.items():
        job = Job("suite", f"m{m}", 1, Problem(m, 8, 8), "reference", "reference_numpy", "cpu")
        folder.write_samples(job.row_id, samples)
        folder.append(job.row("ok", device="EPYC", time_us_median=100.0, samples=len(samples), l2_state="rotated"))
    for m in broken:
        folder.append(Job("suite", f"m{m}", 1, Problem(m, 8, 8), "reference", "reference_numpy", "cpu").row("error"))
    return str(path)


@pytest.fixture
def slower(tmp_path: Path) -> tuple[str, str]:
    """Two runs: m = 1 the same, m = 2 6 % slower, m = 3 only in A."""
    a = write_run(tmp_path / "a", {1: STEADY, 2: STEADY, 3: STEADY})
    return a, write_run(tmp_path / "b", {1: STEADY, 2: [1.06 * time for time in STEADY]})


def test_table_and_closing_line(run: Any, slower: tuple[str, str]) -> None:
    result = run("compare", *slower)
    assert result.code == 0
    assert result.out.index("SLOWER") < result.out.index("SAME")
    assert "1.060" in result.out
    assert "no verdict: suite m3 reference_numpy@" in result.out
    assert result.out.splitlines()[-1] == (
        "2 rows: 0 BROKEN, 1 SLOWER, 0 INCONCLUSIVE, 1 SAME, 0 FASTER; 1 without a verdict; "
        "geometric mean of B / A 1.030 over 2"
    )


def test_json_contract(run: Any, slower: tuple[str, str]) -> None:
    data = run("compare", *slower, "--json").data
    first, second = data["verdicts"]
    assert first["key"] == "reference_numpy@gemm_s8_m2_n8_k8_s32@cpu"
    assert (first["verdict"], second["verdict"]) == ("SLOWER", "SAME")
    assert first["ratio"] == pytest.approx(1.06)
    assert first["interval"][0] <= first["ratio"] <= first["interval"][1]
    assert data["counts"] == {"BROKEN": 0, "SLOWER": 1, "INCONCLUSIVE": 0, "SAME": 1, "FASTER": 0}
    assert [row["case"] for row in data["only_in_a"]] == ["m3"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "slower:3%"], 3),
        (["--fail-on", "slower:0.03", "--strict"], 3),
        (["--fail-on", "slower:10%"], 0),
        (["--fail-on", "faster:3%"], 0),
        (["--fail-on", "faster:3%", "--fail-on", "any:3%"], 3),
        (["--threshold", "10%", "--fail-on", "slower:3%"], 3),
        (["--strict"], 0),
    ],
)
def test_exit_codes(run: Any, slower: tuple[str, str], options: list[str], code: int) -> None:
    result = run("compare", *slower, *options, "--json")
    assert result.code == code
    assert bool(result.err) == bool(code)
    assert result.data["verdicts"]


def test_broken_rows_meet_every_rule_and_strict_comes_second(run: Any, tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", {1: STEADY, 2: STEADY})
    b = write_run(tmp_path / "b", {1: NOISY}, broken=(2,))
    assert run("compare", a, b, "--strict").code == 4
    assert run("compare", a, b, "--fail-on", "faster:50%", "--strict").code == 3
    assert run("compare", a, b).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "{b}"], 2, "nowhere is not a run folder"),
        (["{a}", "{b}", "--threshold", "3"], 2, "'3' is not a share below 100 %; write 3% or 0.03"),
        (["{a}", "{b}", "--fail-on", "slower"], 2, "'slower' is not a rule to fail on"),
        (["{a}", "{other}"], 5, "share no timed row"),
    ],
)
def test_bad_input_is_one_line(
    run: Any, slower: tuple[str, str], tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    other = write_run(tmp_path / "other", {9: STEADY})
    result = run("compare", *(text.format(a=slower[0], b=slower[1], other=other) for text in arguments))
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["compare", "ab"])
def test_help_has_an_example(run: Any, command: str) -> None:
    assert f"Example: immabench {command} " in " ".join(run(command, "--help").out.split())


class TestAb:
    def test_json_and_raw_times(self, run: Any, misbehaving: str, tmp_path: Path) -> None:
        out = tmp_path / "samples.json"
        result = run(*AB, "--json", "--out", str(out))
        assert result.code == 0
        data = result.data
        assert (data["first"], data["second"]) == ("reference_numpy", "good")
        assert data["verdict"] in ("SLOWER", "FASTER", "SAME", "INCONCLUSIVE")
        assert data["backends"] == ["numpy:float64-blas", "misbehaving:good"]
        kept = json.loads(out.read_text())
        assert len(kept["pairs_us"]) == data["pairs"]
        assert all(first > 0 and second > 0 for first, second in kept["pairs_us"])

    def test_text(self, run: Any, misbehaving: str) -> None:
        out = run(*AB).out
        assert "good is " in out
        assert "second / first" in out

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("good", "wrong"), 1, "wrong is wrong, "),
            (("good", "godo"), 5, "no configuration matches 'godo'; nearest: good"),
            (("good", "imma_s8s8s32_64x64x64_w2x2_s4_sm80"), 2, "count with `immabench emulate`"),
            (("good", "good", "--device", "emulated"), 2, "choose --device cpu or cuda"),
            (("good", "reference_numpy", "--device", "cuda"), 2, "choose --device cpu"),
            (("good", "good", "--threshold", "0%"), 2, "write --threshold 0.5% or more"),
            (("good", "good", "--shape", "1,2x8x8"), 2, "is 2 shapes where one is needed"),
            (("good", "good", "--out", "/proc/none/x.json"), 2, "choose a writable --out"),
        ],
    )
    def test_bad_input_is_one_line(
        self, run: Any, misbehaving: str, arguments: tuple[str, ...], code: int, message: str
    ) -> None:
        shape = () if "--shape" in arguments else ("--shape", "8x8x8")
        result = run("ab", *arguments, *shape, "--time-budget", "0.02")
        assert (result.code, result.out) == (code, "")
        assert message in result.err
        assert result.err.count("\n") == 1

    def test_without_a_gpu_cuda_exits_77(self, run: Any, torch_installed: None) -> None:
        assert run("ab", "torch_int8", "torch_bf16", "--shape", "32x32x32", "--device", "cuda").code == 77
