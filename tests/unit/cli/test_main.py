"""The application: help, errors as one line, exit codes."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from immabench import __version__
from immabench.cli import COMMANDS


def test_help_names_every_command(run: Any) -> None:
    result = run("--help")
    assert result.code == 0
    for name in COMMANDS:
        assert name.replace("_", "-") in result.out


@pytest.mark.parametrize(
    "command",
    [
        "doctor",
        "list",
        "verify",
        "emulate",
        "predict",
        "sweep",
        "quantize",
        "export",
        "evaluate",
        "sensitivity",
        "card",
    ],
)
def test_every_command_has_an_example(run: Any, command: str) -> None:
    assert f"Example: immabench {command}" in run(command, "--help").out


def test_a_missing_package_is_one_line(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in [name for name in sys.modules if name == "torch" or name.startswith("immabench.accuracy")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run("evaluate")
    assert (result.code, result.err) == (2, "immabench: torch is not installed; pip install 'immabench[models]'\n")


def test_version(run: Any) -> None:
    assert run("--version").out.strip() == __version__


@pytest.mark.parametrize("arguments", [["nonsense"], ["list"], ["list", "tiles"], ["emulate"], ["sweep", "--top", "0"]])
def test_usage_errors_exit_2(run: Any, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["list", "kernels", "--match", "imma_s8s8s32_64x64x32*"], 5, "nearest: imma_s8s8s32_64x64x64"),
        (["verify", "--kernel", "nope*"], 5, "no kernel matches 'nope*'"),
        (["verify", "--device", "cuda"], 77, "no CUDA device"),
        (["verify", "--device", "cpu"], 2, "unknown device 'cpu'; choose one of emulated, cuda"),
        (["verify", "--order", "sideways"], 2, "unknown order"),
        (["verify", "--output-type", "f64"], 2, "unknown output type"),
        (["verify", "--shape", "1x1"], 2, "is not MxNxK"),
        (["verify", "--shape", "1x1x131072"], 2, "K=131072 can overflow"),
        (["verify", "--shape", "0x1x1"], 2, "'0' holds 0, sizes start at 1"),
        (["emulate", "nope", "--shape", "1x1x1"], 5, "no kernel matches 'nope'"),
        (["emulate", "imma_s8s8s32_64x64x64_w2x2_s4_sm80", "--shape", "1x1x131072"], 2, "keep K <= 131071"),
        (["emulate", "imma_s8s8s32_64x64x64_w2x2_s4_sm80", "--shape", "x"], 2, "is not MxNxK"),
        (["predict"], 2, "nothing to predict; give --shape MxNxK, or --against RUN"),
        (["predict", "nope", "--shape", "1x1x1"], 5, "no kernel matches 'nope'"),
        (["predict", "--shape", "1x1"], 2, "is not MxNxK"),
        (["predict", "--shape", "1x1x1", "--gpu", "H20"], 5, "nearest: H200"),
        (["predict", "--shape", "1x1x1", "--gpu", "L4"], 2, "no kernel of gemm_s8 is compiled for L4, sm_89"),
        (["predict", "--shape", "1x1x1", "--gpu", "H200", "--ceilings", "x"], 2, "name two machines"),
        (["predict", "--against", "nowhere"], 2, "nowhere is not a run folder"),
        (["predict", "--against", "nowhere", "--gpu", "H200"], 2, "leave out the others"),
        (["sweep"], 2, "nothing to sweep"),
        (["sweep", "quik"], 5, "nearest: quick"),
        (["sweep", "missing.toml"], 2, "no such suite file"),
        (["sweep", "quick", "--device", "cuda"], 77, "run with --device emulated"),
        (["sweep", "quick", "--kernel", "nope"], 5, "no kernel matches"),
        (["sweep", "quick", "--out", "/proc/run"], 2, "cannot be created"),
        (["sweep", "--resume", "nowhere"], 2, "nowhere is not a run folder"),
        (["sweep", "quick", "--resume", "nowhere"], 2, "leave out suites, filters and --out"),
    ],
)
def test_bad_input_is_one_line_with_the_right_code(run: Any, arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.code == code
    assert message in result.err
    assert result.err.startswith("immabench: ")
    assert result.err.count("\n") == 1
    assert result.out == ""
