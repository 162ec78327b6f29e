"""What a build asks for: no CUDA package without need, and one pin for each tool wherever it is written."""

from __future__ import annotations

import re
from pathlib import Path

import cuda_tools
import immabench_build
import pytest

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture
def no_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_tools, "find_system", lambda *_: None)
    monkeypatch.setattr(cuda_tools, "find_cutlass", lambda: None)


@pytest.mark.parametrize("value", ["OFF", "off", "0", "FALSE", "no"])
def test_no_cuda_package_when_cuda_is_off(no_toolkit: None, value: str) -> None:
    assert immabench_build.cuda_requires({"cmake.define.IMMABENCH_CUDA": value}) == []


def test_off_by_other_ways_scikit_build_core_knows(no_toolkit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert immabench_build.cuda_requires({"cmake.args": "-DIMMABENCH_CUDA=OFF"}) == []
    monkeypatch.setenv("CMAKE_ARGS", "-G Ninja -DIMMABENCH_CUDA:BOOL=OFF")
    assert immabench_build.cuda_requires({}) == []
    monkeypatch.setenv("CMAKE_ARGS", "")
    monkeypatch.setenv("SKBUILD_CMAKE_DEFINE", "A=1;IMMABENCH_CUDA=OFF")
    assert immabench_build.cuda_requires(None) == []


def test_compiler_and_disassemblers_where_there_is_no_toolkit(no_toolkit: None) -> None:
    assert immabench_build.cuda_requires(None) == EXTRAS["cuda"]


def test_the_machines_toolkit_and_headers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_tools, "find_system", lambda tool: Path("/opt/cuda/bin") / tool)
    monkeypatch.setattr(cuda_tools, "find_cutlass", lambda: Path("/opt/cutlass"))
    assert immabench_build.cuda_requires(None) == []


@pytest.mark.parametrize("settings", [{"IMMABENCH_CUTLASS": "OFF"}, {"IMMABENCH_CUTLASS_DIR": "/opt/cutlass"}])
def test_no_cutlass_where_it_is_off_or_given(no_toolkit: None, settings: dict[str, str]) -> None:
    (name, value) = settings.popitem()
    assert immabench_build.cuda_requires({f"cmake.define.{name}": value}) == EXTRAS["cuda"][:-1]
    assert EXTRAS["cuda"][-1] == immabench_build.CUTLASS


def test_a_cutlass_named_by_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = tmp_path / "cutlass_library" / "source" / "include" / "cutlass" / "version.h"
    header.parent.mkdir(parents=True)
    (tmp_path / "cutlass_library" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cuda_tools.find_cutlass({}) is None  # a package without headers
    header.touch()
    assert cuda_tools.find_cutlass({}) == tmp_path / "cutlass_library" / "source"
    assert cuda_tools.find_cutlass({"IMMABENCH_CUTLASS_DIR": "/opt/cutlass"}) == Path("/opt/cutlass")


def test_the_remedies_name_the_package_that_is_pinned() -> None:
    from immabench.providers.cutlass import PACKAGE

    assert immabench_build.CUTLASS == PACKAGE
    for file in ("cmake/Cutlass.cmake", "tests/oracles/conftest.py", "Makefile"):
        assert PACKAGE in (ROOT / file).read_text(), file


def test_an_nvcc_too_old_is_no_toolkit(tmp_path: Path) -> None:
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n")
    nvcc.chmod(0o755)
    assert cuda_tools.nvcc_version(nvcc) == (11, 8)
    assert cuda_tools.find_system("nvcc", {"PATH": str(tmp_path)}) != nvcc


def test_tools_without_the_run_bit_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = tmp_path / "site" / "nvdisasm"
    packaged.parent.mkdir()
    packaged.write_text("#!/bin/sh\n")
    packaged.chmod(0o644)
    monkeypatch.setattr(cuda_tools, "find", lambda tool: packaged)
    found = cuda_tools.make_runnable(tmp_path / "tools", "nvdisasm")["nvdisasm"]
    assert found == tmp_path / "tools" / "nvdisasm"
    assert found.stat().st_mode & 0o111
    assert not packaged.stat().st_mode & 0o111


def test_linters_have_one_pin() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    pins = dict(pin.split("==") for pin in EXTRAS["dev"] if "==" in pin)
    for tool, version in re.findall(r'additional_dependencies: \["([\w-]+)==([\d.]+)"\]', hooks):
        assert pins[tool] == version


def test_torch_and_torchvision_are_pinned_together() -> None:
    pins = [pin.split("==")[0] for pin in EXTRAS["models"] if "==" in pin]
    assert pins == ["torch", "torchvision"]


def test_version_is_stated_once_more_in_the_package_and_agrees() -> None:
    import immabench

    assert immabench.__version__ == PROJECT["version"]
