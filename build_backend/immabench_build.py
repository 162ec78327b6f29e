"""PEP 517 backend: scikit-build-core, plus a CUDA compiler and CUTLASS from packages when the machine has none.

scikit-build-core can add build requirements by environment and platform, not by "is nvcc on this machine", hence this
wrapper.
"""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping, Sequence

import cuda_tools
from scikit_build_core import build as _backend
from scikit_build_core.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ConfigSettings = Mapping[str, "str | list[str]"]

# Always through cuda-toolkit: the compiler's own package leaves its dependencies unpinned.
COMPILER = ["cuda-toolkit[nvcc,cccl,nvtx]==13.0.3"]
# They read what the 13.0 compiler writes; 13.0 has no packages of them that stand alone.
DISASSEMBLERS = {"cuobjdump": "nvidia-cuda-cuobjdump==13.2.86", "nvdisasm": "nvidia-cuda-nvdisasm==13.2.86"}
# Of the package headers alone are used; it has requirements all the same, and a build requirement brings its own along.
CUTLASS = "nvidia-cutlass==4.2.0.0"

_FALSE = {"", "0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND"}


def _definitions(arguments: Sequence[str]) -> dict[str, str]:
    """`-DNAME[:TYPE]=VALUE` arguments as a table."""
    pairs = (word[2:].partition("=") for word in arguments if word.startswith("-D"))
    return {name.partition(":")[0]: value for name, _, value in pairs}


def _setting(config_settings: ConfigSettings | None, name: str) -> str | None:
    """The value scikit-build-core will give the CMake option `name`: config settings first, then the environment."""
    settings = config_settings or {}
    for key in (f"cmake.define.{name}", f"skbuild.cmake.define.{name}"):
        if key in settings:
            return str(settings[key])
    arguments = settings.get("cmake.args", [])
    words = shlex.split(arguments) if isinstance(arguments, str) else list(arguments)
    for source in (words, shlex.split(os.environ.get("CMAKE_ARGS", ""))):
        if name in (defined := _definitions(source)):
            return defined[name]
    pairs = os.environ.get("SKBUILD_CMAKE_DEFINE", "").split(";")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair).get(name)


def _wanted(config_settings: ConfigSettings | None, name: str) -> bool | None:
    """Whether the CMake option `name` is set and true; None where it is not set."""
    value = _setting(config_settings, name)
    return None if value is None else value.upper() not in _FALSE


def cuda_wanted(config_settings: ConfigSettings | None) -> bool:
    """Mirrors the default in Options.cmake: ON, except where CUDA does not exist."""
    wanted = _wanted(config_settings, "IMMABENCH_CUDA")
    return platform.system() != "Darwin" if wanted is None else wanted


def cutlass_requires(config_settings: ConfigSettings | None) -> list[str]:
    """The package with CUTLASS' headers; none where they are not wanted, and none where they are found."""
    wanted = _wanted(config_settings, "IMMABENCH_CUTLASS")
    given = _setting(config_settings, "IMMABENCH_CUTLASS_DIR") or cuda_tools.find_cutlass()
    return [] if wanted is False or given else [CUTLASS]


def cuda_requires(config_settings: ConfigSettings | None) -> list[str]:
    """Packages to add to the build environment; none without CUDA, and none that the machine has already."""
    if not cuda_wanted(config_settings):
        return []
    given = _setting(config_settings, "CMAKE_CUDA_COMPILER")
    compiler = [] if given or cuda_tools.find_system("nvcc") else COMPILER
    disassemblers = [package for tool, package in DISASSEMBLERS.items() if not cuda_tools.find_system(tool)]
    return [*compiler, *disassemblers, *cutlass_requires(config_settings)]


def get_requires_for_build_wheel(config_settings: ConfigSettings | None = None) -> list[str]:
    return [*_backend.get_requires_for_build_wheel(config_settings), *cuda_requires(config_settings)]


def get_requires_for_build_editable(config_settings: ConfigSettings | None = None) -> list[str]:
    return [*_backend.get_requires_for_build_editable(config_settings), *cuda_requires(config_settings)]


if __name__ == "__main__":  # what `pip install --no-build-isolation` expects to find here, for scripts that prepare it
    print(" ".join(cuda_requires(None)))
