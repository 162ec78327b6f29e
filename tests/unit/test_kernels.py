"""Configurations: read from the native module, filtered, and where they run."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.kernels import illegal_reason, kernel_config, kernel_configs, match_kernels, native, runs_on
from immabench.problems import Problem


def test_configurations_are_frozen_and_complete(fake_native: Any) -> None:
    config = kernel_configs()[0]
    assert config.block_tile == (128, 128, 64)
    assert config.architectures == ("sm_80", "sm_90a")
    assert len({hash(entry) for entry in kernel_configs()}) == 3


def test_a_key_of_a_newer_native_module_is_ignored(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{**entry, "registers": 128} for entry in fake_native.kernels()]
    monkeypatch.setattr(fake_native, "kernels", lambda: entries, raising=False)
    assert len(kernel_configs()) == 3


def test_missing_native_module_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "immabench._native", None)
    with pytest.raises(ImmabenchError, match=r"native module cannot be loaded.*pip install"):
        native()


def test_globs_select(fake_native: Any) -> None:
    assert len(match_kernels()) == 3
    assert [config.block_tile[0] for config in match_kernels(["*_64x64*", "*16x64*"])] == [64, 16]
    assert len(match_kernels(["gemm_s8"])) == len(match_kernels(["*s8*", "*_64x64*"])) == 3  # a family, or ids


def test_a_glob_that_matches_nothing_names_the_nearest(fake_native: Any) -> None:
    with pytest.raises(NothingSelectedError, match="nearest: imma_s8s8s32_128x128x64_w2x4_s3_sm80"):
        match_kernels(["*64x64*", "imma_s8s8s32_128x128x64_w2x4_s4_sm80"])


def test_unknown_id(fake_native: Any) -> None:
    with pytest.raises(NothingSelectedError):
        kernel_config("nope")


def test_legality_comes_from_the_native_module(fake_native: Any) -> None:
    config = kernel_configs()[0]
    assert illegal_reason(config, Problem(1, 1, 1)) is None
    fake_native.illegal[config.id] = "too wide"
    assert illegal_reason(config, Problem(1, 1, 1)) == "too wide"
    assert illegal_reason(config, Problem(1, 1, 1, "f32", "f32", "f32")) == "computes gemm_s8, not gemm_f32"


def test_a_feature_set_runs_on_the_architecture_it_extends(fake_native: Any) -> None:
    config = kernel_configs()[0]
    assert [runs_on(config, name) for name in ("sm_80", "sm_90", "sm_86", "sm_100")] == [True, True, False, False]
