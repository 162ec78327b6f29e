"""`immabench e2e` and `dispatch`: contracts, what they write, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from in_process import InProcess, fresh
from toy_models import toy

from immabench.e2e import asking
from immabench.models import trained

QUICK = ("--seconds", "0.01")


@pytest.fixture(autouse=True)
def workers(real_native: None, one_thread: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[InProcess]:
    """A quick trained model in the place of all others, and cells within this process."""
    monkeypatch.setattr(trained, "_MODELS", (toy(),))
    monkeypatch.setattr(trained, "NEEDS_NOTHING", "toy")
    monkeypatch.chdir(tmp_path)
    kind = fresh()
    monkeypatch.setattr(asking, "new_worker", lambda cell: kind())
    return kind


def test_json_has_the_contracts_keys(run: Any) -> None:
    options = ("--runtime", "torch,immabench", "--precision", "fp32,int8", "--batch", "1,2", "--out", "out")
    result = run("e2e", "toy", *options, *QUICK, "--json")
    assert result.code == 0, result.err
    rows = {(row["runtime"], row["precision"], row["batch"]): row for row in result.data["rows"]}
    int8 = rows["immabench", "int8", 2]
    assert {
        "model",
        "runtime",
        "precision",
        "recipe",
        "accuracy_top1",
        "accuracy_interval",
        "reference_top1",
        "samples",
        "latency_ms_p50",
        "throughput",
        "size_bytes",
    } <= set(int8)
    assert (int8["model"], int8["recipe"], int8["status"], int8["samples"]) == ("toy", "w8a8", "ok", 60)
    assert int8["speedup"] > 0
    assert result.data["drift"]["point"] == "torch fp32 b1"
    assert Path(result.data["report"]).read_text().startswith("<!doctype html>")
    names = ("artifacts", "logits", "report.html", "rows.csv", "rows.jsonl", "run.json", "samples", "summary.md")
    assert sorted(path.name for path in Path("out").iterdir()) == list(names)
    assert sorted(path.name for path in Path("out", "artifacts").iterdir()) == ["w8a8"]


def test_a_table_with_what_ran(run: Any) -> None:
    result = run("e2e", "--precision", "fp32,int8", "--batch", "1", "--limit", "12", *QUICK)
    assert result.code == 0, result.err
    assert "Toy on seen, 12 balanced by class, seed 0, cpu, 1 threads" in result.out
    assert "torch int8: unsupported, torch's own modules have no codes" in result.out
    assert "torch fp32 ran on torch " in result.out
    assert "note: Toy was made of random numbers" in result.out
    assert "torch fp32 b1: ok" in result.err
    assert len(list(Path("runs").glob("*-e2e-toy/report.html"))) == 1


def test_work_goes_on_where_it_is_asked_to(run: Any, workers: type[InProcess]) -> None:
    first = ("e2e", "--precision", "fp32", "--batch", "1", "--out", "out", *QUICK)
    assert run(*first).code == 0
    assert run(*first).err.strip() == (
        "immabench: out already holds a run; choose another --out, continue it with --resume, or --force"
    )
    workers.asked.clear()
    assert run(*first, "--precision", "bf16", "--resume").code == 0
    assert [one["recipe"]["name"] for one in workers.asked if one["do"] == "prepare"] == ["bf16", "bf16"]
    assert len(Path("out", "rows.jsonl").read_text().splitlines()) == 2
    assert run("e2e", "--resume").err.strip() == "immabench: --resume continues a folder; name it with --out"
    again = run("report", "out")
    assert (again.code, again.out.strip()) == (0, "out/report.html")


def test_a_failed_cell_exits_1_and_loses_no_other(run: Any, workers: type[InProcess]) -> None:
    def spoil(request: dict[str, Any]) -> dict[str, Any] | None:
        dies = request["do"] == "prepare" and request["recipe"]["name"] == "bf16"
        return {"crashed": "the worker was killed by SIGKILL"} if dies else None

    workers.spoil = staticmethod(spoil)  # type: ignore[assignment]
    result = run("e2e", "--precision", "fp32,bf16,fp16", "--batch", "1", *QUICK, "--json")
    assert result.code == 1
    assert [(row["precision"], row["status"]) for row in result.data["rows"]] == [
        ("fp32", "ok"),
        ("bf16", "crashed"),
        ("fp16", "ok"),
    ]


def test_a_quantized_folder_is_a_model(run: Any) -> None:
    assert run("quantize", "toy", "--recipe", "w8a8", "--out", "made").code == 0
    options = ("--runtime", "torch,immabench", "--batch", "1", *QUICK, "--json")
    rows = run("e2e", "made", *options).data["rows"]
    assert [(row["runtime"], row["recipe"], row["status"]) for row in rows if row["status"] == "ok"] == [
        ("torch", "fp32", "ok"),
        ("immabench", "w8a8", "ok"),
    ]
    refused = run("e2e", "made", "--precision", "int4")
    assert (refused.code, refused.err.strip()) == (
        2,
        "immabench: the folder is quantized by w8a8, not w4a8; --precision w8a8, or name its model",
    )


def test_dispatch_has_every_layer(run: Any) -> None:
    options = ("--runtime", "torch", "--runtime", "immabench", "--precision", "int8")
    refused = run("dispatch", "toy", *options, *QUICK)
    assert (refused.code, "torch int8: torch's own modules have no codes" in refused.err) == (2, True)
    result = run("dispatch", "toy", "--runtime", "immabench", "--precision", "int8", *QUICK, "--json")
    assert result.code == 0, result.err
    layers = result.data["layers"]
    assert {"name", "op", "precision", "kernel", "time_us", "reformat_us", "runtime"} <= set(layers[0])
    assert {"conv1", "conv2", "mean", "fc"} <= {layer["name"] for layer in layers}
    (total,) = result.data["totals"]
    assert total["time_us"] == pytest.approx(sum(layer["time_us"] for layer in layers))
    assert total["run_us"] > 0
    assert list(Path().iterdir()) == [], "it writes nothing"


def test_dispatch_side_by_side(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")
    result = run("dispatch", "--runtime", "onnxruntime,torch", "--precision", "fp32", *QUICK)
    assert result.code == 0, result.err
    (conv2,) = [line for line in result.out.splitlines() if line.startswith("│ conv2 ")]
    assert "(CPU)" in conv2
    assert "aten::" in conv2
    assert [line for line in result.out.splitlines() if line.startswith("│ total ")]
    assert "us a run without the profiler" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("e2e", "toi"), 5, "no trained model matches 'toi'; nearest: toy"),
        (("e2e", "--runtime", "torch,onxruntime"), 5, "no runtime matches 'onxruntime'; nearest: onnxruntime"),
        (("e2e", "--precision", "int9"), 5, "no recipe of resnet18 matches 'int9'"),
        (("e2e", "--batch", "1,x"), 2, "a batch of 'x' samples; give whole numbers from 1 on"),
        (("e2e", "--batch", "0"), 2, "a batch of '0' samples"),
        (("e2e", "--length", "64"), 2, "the model takes images, which have no length; leave out --length"),
        (("e2e", "--limit", "61"), 2, "seen has 60 samples, not 61"),
        (("e2e", "--device", "tpu"), 2, "unknown device 'tpu'; choose one of cpu, cuda"),
        (("e2e", "--device", "cuda"), 77, "torch has no CUDA device here; run with --device cpu"),
        (("e2e", "--weights", "x.pth"), 2, "toy takes no local weights or data"),
        (("dispatch", "--runtime", "torsh"), 5, "no runtime matches 'torsh'; nearest: torch"),
        (("card", "--from", "nowhere"), 2, "nowhere is not a run folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, message: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = run(*arguments)
    assert result.code == code
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert list(Path().iterdir()) == []


def test_hardware_that_is_missing_exits_77(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")
    from immabench.models.runtimes import onnx_runtime

    monkeypatch.setattr(onnx_runtime, "_has_gpu", lambda: False)
    result = run("e2e", "--runtime", "onnxruntime-cuda")
    assert (result.code, result.err.strip()) == (
        77,
        "immabench: onnxruntime-cuda: no CUDA device is here; run onnxruntime, which computes on the CPU",
    )


def test_a_card_takes_latencies(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench.accuracy import card as cards
    from immabench.accuracy.card import Entry, Section

    static = Entry("static", "w8a8", ("calibration.samples=12",))
    monkeypatch.setattr(cards, "SECTIONS", (Section("All", (Entry("fp32", "fp32"), static)),))
    assert run("e2e", "--precision", "fp32", "--batch", "1", "--out", "timed", *QUICK).code == 0
    assert run("card", "toy", "--out", "plain").code == 0
    result = run("card", "toy", "--out", "cards", "--from", "timed")
    assert result.code == 0, result.err
    page, plain = Path("cards", "CARD.md").read_text(), Path("plain", "CARD.md").read_text()
    assert "Made by `immabench card toy --from RUN`" in page
    assert "\n## Run end to end\n" in page
    latency = json.loads(Path("timed", "rows.jsonl").read_text())["latency_ms_p50"]
    assert f"| torch | fp32 | fp32 | 1 | {latency:#.3g}" in page
    assert "No figure there is a speed" in page
    assert "No figure here is a speed" in plain
    assert "end to end" not in plain
