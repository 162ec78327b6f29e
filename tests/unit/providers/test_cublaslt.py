"""cuBLASLt where there is none: available or not with its reason, and found where packages keep it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from immabench.errors import ImmabenchError
from immabench.problems import Problem
from immabench.providers import cublaslt, cublaslt_library
from immabench.providers.cublaslt import CublasLtProvider


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cublaslt, "load_library", lambda: None)
    monkeypatch.setattr(cublaslt_library, "load_library", lambda: None)
    state = CublasLtProvider().availability()
    assert (state.ok, state.remedy) == (False, "install a CUDA build of torch")
    with pytest.raises(ImmabenchError, match="libcublasLt is not here; install a CUDA build of torch"):
        cublaslt_library.CublasLt()


def test_it_looks_where_packages_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("cu13", "cublas"):
        library = tmp_path / "nvidia" / folder / "lib" / "libcublasLt.so.13"
        library.parent.mkdir(parents=True)
        library.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    found = [path.relative_to(tmp_path / "nvidia").parts[0] for path in cublaslt_library.library_paths()]
    assert {"cu13", "cublas"} <= set(found)


def test_what_its_kernels_do_not_take_has_a_reason() -> None:
    provider = CublasLtProvider()
    assert provider.configs(Problem(7, 5, 64), "cuda")[0].reason is None
    assert provider.configs(Problem(7, 5, 147), "cuda")[0].reason == "cuBLASLt's INT8 needs K in multiples of 4"
    assert provider.configs(Problem(1, 1, 1, "f32", "f32", "f32"), "cuda")[0].reason
    assert provider.devices() == ("cuda",)
