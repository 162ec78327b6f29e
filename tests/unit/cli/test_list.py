"""`immabench list`."""

from __future__ import annotations

from typing import Any

import pytest


def test_kernels_follow_the_contract(run: Any) -> None:
    entries = run("list", "kernels", "--json").data
    assert len(entries) == 3
    assert {"id", "family", "provider", "architectures", "operand_types", "resources"} <= set(entries[0])
    assert entries[0]["resources"]["threads"] == 256


def test_quantizers_are_kernels_too(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    *gemms, quantizer = run("list", "kernels", "--json").data
    assert set(quantizer) == set(gemms[0])
    assert (quantizer["id"], quantizer["family"]) == ("quantize_t256_sm80", "quantize")
    assert quantizer["operand_types"] == {"x": "f32|f16|bf16", "codes": "s8|s4"}
    assert quantizer["output_types"] == ["s8", "s4"]
    assert run("list", "kernels", "--match", "quantize", "--json").data == [quantizer]
    assert run("list", "kernels", "--match", "gemm_s8", "--json").data == gemms
    assert "quantize_t256_sm80" in run("list", "kernels").out


def test_kernels_of_cutlass_say_so(run: Any, fake_native: Any) -> None:
    fake_native.has_cutlass = True
    entries = run("list", "kernels", "--match", "cutlass*", "--json").data
    assert [entry["provider"] for entry in entries] == ["cutlass", "cutlass"]


def test_registers_come_from_the_sass_facts(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "imma_s8s8s32_128x128x64_w2x4_s3_sm80"
    facts = [{"kernel_id": name, "arch": "sm_80", "registers": count} for count in (128, 168)]
    monkeypatch.setattr("immabench.profile.facts.load_sass_facts", lambda: {"kernels": facts})
    first, *others = run("list", "kernels", "--json").data
    assert first["resources"]["registers"] == {"sm_80": 168}
    assert others[0]["resources"]["registers"] is None


@pytest.mark.parametrize(
    ("what", "key", "name"),
    [
        ("models", "weights", "trained on first use"),
        ("suites", "name", "quick"),
        ("providers", "name", "torch"),
        ("models", "name", "resnet18"),
    ],
)
def test_other_lists(run: Any, what: str, key: str, name: str) -> None:
    assert name in [entry[key] for entry in run("list", what, "--json").data]
    assert name in run("list", what).out


def test_match_filters(run: Any) -> None:
    assert [entry["id"][13:20] for entry in run("list", "kernels", "--match", "*64x64*", "--json").data] == ["64x64x6"]


def test_a_missing_native_module_leaves_providers_listed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "immabench._native", None)
    handwritten = run("list", "providers", "--json").data[0]
    assert (handwritten["available"], handwritten["devices"]) == (False, [])
