from __future__ import annotations

import sys
from typing import Any

import pytest

from immabench.errors import ImmabenchError, MissingHardwareError, UsageError
from immabench.measure import ceilings
from immabench.measure.ceilings import is_noisy, measure_ceilings, peak_key, roof_tops

CEILINGS = {"int8_tops": 0.8, "fp32_tflops": 0.2, "bf16_tflops": None, "copy_gbps": 40.0}


def test_the_roof_is_the_smaller_of_peak_and_bandwidth() -> None:
    assert roof_tops(CEILINGS, "s8", 1000.0) == pytest.approx(0.8)
    assert roof_tops(CEILINGS, "s8", 10.0) == pytest.approx(0.4)
    assert roof_tops(CEILINGS, "f32", 5.0) == pytest.approx(0.2)


@pytest.mark.parametrize("operand_type", ["bf16", "f16", "s4"])
def test_a_type_that_was_not_measured_has_no_roof(operand_type: str) -> None:
    assert roof_tops(CEILINGS, operand_type, 10.0) is None


def test_without_bandwidth_there_is_no_roof() -> None:
    assert roof_tops({"int8_tops": 0.8}, "s8", 10.0) is None
    assert roof_tops({}, "s8", 10.0) is None
    assert peak_key("s32") is None


def test_only_the_entry_that_is_the_ceiling_can_be_noisy() -> None:
    steady = {"what": "int8_tops", "rate": 0.8, "median_us": 10.0, "best_us": 9.0}
    wild = {"what": "int8_tops", "rate": 0.5, "median_us": 30.0, "best_us": 9.0}
    assert not is_noisy(steady, [steady, wild])
    assert not is_noisy(wild, [steady, wild])
    assert is_noisy(wild, [wild])


def test_small_measurement_has_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(ceilings, "GEMM_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings, "COPY_BYTES_RANGE", (1 << 20, 2 << 20))
    monkeypatch.setattr(ceilings, "SECONDS_PER_SIZE", 0.001)
    found = measure_ceilings()
    assert found["device"] == "cpu"
    assert found["int8_tops"] > 0
    assert found["fp32_tflops"] > 0
    assert found["copy_gbps"] > 0
    assert found["copy_gbps"] == max(entry["rate"] for entry in found["sizes"] if entry["what"] == "copy_gbps")
    assert found["cache_gbps"] > 0
    assert {entry["what"] for entry in found["sizes"]} >= {"int8_tops", "fp32_tflops", "copy_gbps", "cache_gbps"}
    assert all(entry["samples"] >= 3 for entry in found["sizes"])
    assert all(entry["best_us"] <= entry["median_us"] <= entry["worst_us"] for entry in found["sizes"])


def test_a_type_torch_cannot_run_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(torch: Any, what: str, size: int, device: str) -> Any:
        raise RuntimeError("not implemented for 'Half'")

    pytest.importorskip("torch")
    monkeypatch.setattr(ceilings, "_gemm_call", refuse)
    monkeypatch.setattr(ceilings, "COPY_BYTES_RANGE", (1 << 20, 2 << 20))
    assert measure_ceilings()["int8_tops"] is None


def test_a_slow_machine_stops_at_small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(ceilings, "_time", lambda *_: [1.0, 1.0, 1.0])
    assert [entry["size"] for entry in ceilings._gemm_sizes(torch, "int8_tops", "cpu")] == [512]


def test_devices_that_are_not_there_are_errors() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match="unknown device"):
        measure_ceilings("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(MissingHardwareError):
            measure_ceilings("cuda")


def test_without_torch_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImmabenchError, match=r"torch cannot be imported .*; pip install 'immabench\[models\]'"):
        measure_ceilings("cpu")
