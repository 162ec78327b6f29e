"""Compiled kernels in a folder: names that follow from the content, and what is said where one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench.cute_dsl import Specialization, compiler, cubin_of, find_cubin, object_folder, objects, specializations
from immabench.errors import ImmabenchError

ONE = specializations()[0]


@pytest.fixture(autouse=True)
def in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(objects.VARIABLE, str(tmp_path / "kernels"))
    monkeypatch.setattr(objects, "installed_version", lambda: objects.VERSION)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Specialization]:
    """What was compiled, by a compiler that makes nothing."""
    seen: list[Specialization] = []
    monkeypatch.setattr(compiler, "compile_cubin", lambda one: seen.append(one) or b"code")  # type: ignore[func-returns-value]
    return seen


def test_every_kernel_has_a_file_of_its_own() -> None:
    names = {one.file_name for one in specializations()}
    assert len(names) == len(specializations()) == 20
    assert all(name.startswith("cute_dsl_s8s8s32_") and name.endswith(".cubin") for name in names)


def test_a_name_follows_from_source_and_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = ONE.file_name
    assert Specialization(ONE.config_id, ONE.output_type).file_name == first
    monkeypatch.setattr(objects, "PACKAGE", "nvidia-cutlass-dsl==4.8.2")
    assert ONE.file_name != first
    monkeypatch.undo()
    changed = tmp_path / "hopper_gemm.py"
    changed.write_bytes(objects.SOURCES[0].read_bytes() + b"\n")
    monkeypatch.setattr(objects, "SOURCES", (changed, *objects.SOURCES[1:]))
    objects._source_digest.cache_clear()
    assert ONE.file_name != first
    objects._source_digest.cache_clear()


def test_the_version_is_that_of_the_extras() -> None:
    pyproject = Path(__file__).parents[3] / "pyproject.toml"
    assert pyproject.read_text().count(f'"{objects.PACKAGE}"') == 2


def test_it_is_compiled_once(compiled: list[Specialization]) -> None:
    assert find_cubin(ONE) is None
    assert cubin_of(ONE) == cubin_of(ONE) == b"code"
    assert compiled == [ONE]
    assert [path.name for path in object_folder().iterdir()] == [ONE.file_name]


def test_what_is_there_needs_no_package(compiled: list[Specialization], monkeypatch: pytest.MonkeyPatch) -> None:
    cubin_of(ONE)
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    assert cubin_of(ONE) == b"code"
    assert objects.uncompiled_reason(ONE) is None
    assert objects.uncompiled_reason(specializations()[1]) == "not compiled, and nvidia-cutlass-dsl is not installed"


def test_without_package_and_file_the_error_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "installed_version", lambda: None)
    with pytest.raises(ImmabenchError, match="is not compiled for s32: nvidia-cutlass-dsl is not installed") as caught:
        cubin_of(ONE)
    assert f"into {object_folder()}" in caught.value.remedy


def test_other_parameters_than_a_launch_passes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compiled:
        __ptx__ = ".visible .entry kernel(\n\t.param .u64 .ptr .global .align 16 kernel_param_0\n)\n{\n}"
        __cubin__ = b"code"

    monkeypatch.setattr(compiler, "compiled_function", lambda one: Compiled)
    with pytest.raises(ImmabenchError, match=r"passes parameters of \(8,\) bytes"):
        compiler.compile_cubin(ONE)


def test_parameters_are_read_from_ptx() -> None:
    ptx = """
.visible .entry kernel_name(
	.param .align 64 .b8 kernel_name_param_0[128],
	.param .align 4 .b8 kernel_name_param_1[8],
	.param .u64 .ptr .global .align 16 kernel_name_param_2,
	.param .u32 kernel_name_param_3
)
.reqntid 384, 1, 1
{
	.param .b32 of_a_call;
}"""
    assert compiler.parameter_bytes(ptx) == (128, 8, 8, 4)
