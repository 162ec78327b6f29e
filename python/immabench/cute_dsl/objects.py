"""Compiled kernels of the CuTe DSL in a folder: who lacks the package runs what another machine has compiled.

A file's name has a digest of all that its machine code follows from, so that an old one is never taken for a new one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from immabench.assets import cache_folder
from immabench.cute_dsl_tiles import ARCHITECTURE, cute_dsl_configs
from immabench.errors import ImmabenchError

DISTRIBUTION, VERSION = "nvidia-cutlass-dsl", "4.8.1"
PACKAGE = f"{DISTRIBUTION}=={VERSION}"
"""The version whose machine code is known: registers, instructions and what a launch passes follow from it."""
VARIABLE = "IMMABENCH_CUTE_DSL"
SOURCES = tuple(Path(__file__).with_name(name) for name in ("hopper_gemm.py", "scaled_epilogue.py"))


@dataclass(frozen=True)
class Specialization:
    """One kernel to compile: a configuration with a type of its output."""

    config_id: str
    output_type: str

    @property
    def digest(self) -> str:
        """Of the kernel's source, the package, the architecture and what the kernel is specialized for."""
        parts = (_source_digest(), PACKAGE, ARCHITECTURE, self.config_id, self.output_type)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def file_name(self) -> str:
        """Where a folder keeps it."""
        return f"{self.config_id}_{self.output_type}_{self.digest}.cubin"


def specializations() -> list[Specialization]:
    """Every kernel there is to compile."""
    return [Specialization(config.id, output) for config in cute_dsl_configs() for output in config.output_types]


@functools.cache
def _source_digest() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()


def object_folder() -> Path:
    """Where compiled kernels lie: `IMMABENCH_CUTE_DSL`, which may be read-only, else `cute_dsl` in the user's cache."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else cache_folder() / "cute_dsl"


@functools.cache
def installed_version() -> str | None:
    """The version of the package that can be imported; None where there is none. Imports nothing of it."""
    if importlib.util.find_spec("cutlass") is None:
        return None
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def compiler_lack() -> str:
    """Why nothing can be compiled here; empty where it can."""
    version = installed_version()
    if version is None:
        return f"{DISTRIBUTION} is not installed"
    return "" if version == VERSION else f"{DISTRIBUTION} {version} is installed, not {VERSION}"


def uncompiled_reason(specialization: Specialization) -> str | None:
    """Why a kernel cannot be had here, compiled before or now; None where it can."""
    lack = compiler_lack()
    return f"not compiled, and {lack}" if lack and find_cubin(specialization) is None else None


def find_cubin(specialization: Specialization, folder: Path | None = None) -> Path | None:
    """The file of what was compiled before; None where it was not."""
    path = (folder or object_folder()) / specialization.file_name
    return path if path.is_file() else None


def cubin_of(specialization: Specialization, folder: Path | None = None) -> bytes:
    """The machine code: what the folder keeps, else compiled, which takes seconds, and kept.

    Raises ImmabenchError where it has to be compiled and cannot be.
    """
    path = find_cubin(specialization, folder)
    if path is not None:
        return path.read_bytes()
    if lack := compiler_lack():
        where = folder or object_folder()
        remedy = f"pip install {PACKAGE}, or copy what `immabench cute-dsl compile` makes elsewhere into {where}"
        what = f"{specialization.config_id} is not compiled for {specialization.output_type}: {lack}"
        raise ImmabenchError(what, remedy)
    from immabench.cute_dsl.compiler import compile_cubin

    cubin = compile_cubin(specialization)
    _keep(cubin, (folder or object_folder()) / specialization.file_name)
    return cubin


def _keep(cubin: bytes, path: Path) -> None:
    """Write the file whole or not at all: workers may compile the same kernel at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(cubin)
    Path(file.name).replace(path)
