"""Where the CUDA tools and the headers of CUTLASS are: one answer for the build backend, CMake and the tests.

Tools are looked up in this order: CUDACXX, the PATH, CUDA_HOME / CUDA_PATH, /usr/local/cuda, then the packages
`nvidia-cuda-*` of this interpreter (`nvidia/cu13/{bin,include,lib}`); CUTLASS by IMMABENCH_CUTLASS_DIR, then in the
package `nvidia-cutlass`. Standard library only: it runs before anything is installed.

Run as a program it prints one `KEY=VALUE` a line (NVCC, ROOT, LIBRARY_DIR, CUOBJDUMP, NVDISASM, PTXAS, CUTLASS), with
an empty value where nothing was found.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# C++20 classes as template parameters and sm_90a need CUDA 12.
OLDEST_NVCC = (12, 4)
TOOLS = ("nvcc", "cuobjdump", "nvdisasm", "ptxas")


def packaged_root() -> Path | None:
    """The `nvidia/cu13` folder of installed CUDA packages, if this interpreter has one."""
    spec = importlib.util.find_spec("nvidia")
    for entry in (spec.submodule_search_locations or ()) if spec else ():
        root = Path(entry) / "cu13"
        if (root / "bin").is_dir():
            return root
    return None


def _system_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    compiler = environment.get("CUDACXX")
    if compiler and (found := shutil.which(compiler, path=environment.get("PATH"))):
        yield Path(found).parent
    yield from (Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder)
    yield from (Path(environment[name]) / "bin" for name in ("CUDA_HOME", "CUDA_PATH") if environment.get(name))
    yield Path("/usr/local/cuda/bin")


def nvcc_version(nvcc: Path) -> tuple[int, int]:
    """(major, minor) of an nvcc, (0, 0) if it does not run."""
    try:
        text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=60).stdout
    except OSError:
        return (0, 0)
    match = re.search(r"release (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def find_system(tool: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The first runnable `tool` of a toolkit on this machine; an nvcc that is too old does not count."""
    for folder in _system_folders(environment):
        path = folder / tool
        if path.is_file() and os.access(path, os.X_OK) and (tool != "nvcc" or nvcc_version(path) >= OLDEST_NVCC):
            return path
    return None


def find_packaged(tool: str) -> Path | None:
    """`tool` from installed packages. Some wheels lack the run bit, so the caller may get a file it must copy first."""
    root = packaged_root()
    path = root / "bin" / tool if root else None
    return path if path and path.is_file() else None


def find(tool: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """`tool` from the machine's toolkit, else from installed packages."""
    return find_system(tool, environment) or find_packaged(tool)


def find_cutlass(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder with CUTLASS' `include`: IMMABENCH_CUTLASS_DIR, right or wrong, else that of the installed package."""
    if given := environment.get("IMMABENCH_CUTLASS_DIR"):
        return Path(given)
    spec = importlib.util.find_spec("cutlass_library")
    for entry in (spec.submodule_search_locations or ()) if spec else ():
        source = Path(entry) / "source"
        if (source / "include" / "cutlass" / "version.h").is_file():
            return source
    return None


def find_nvtx(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder with `nvtx3/nvToolsExt.h`: of a toolkit on this machine, else of the installed package nvidia-nvtx."""
    roots = [folder.parent for folder in _system_folders(environment)]
    packaged = packaged_root()
    includes = [root / "include" for root in (*roots, *([packaged] if packaged else []))]
    return next((folder for folder in includes if (folder / "nvtx3" / "nvToolsExt.h").is_file()), None)


def make_runnable(folder: Path, *tools: str) -> dict[str, Path | None]:
    """Copies packaged `tools` that lack the run bit into `folder`, so that installed files are never changed."""
    result = {tool: find(tool) for tool in tools}
    for tool, path in result.items():
        if path and not os.access(path, os.X_OK):
            folder.mkdir(parents=True, exist_ok=True)
            copy = folder / tool
            shutil.copyfile(path, copy)
            copy.chmod(0o755)
            result[tool] = copy
    return result


def toolkit_root(nvcc: Path) -> Path:
    """The toolkit an nvcc belongs to; it is asked, as it may be a wrapper script in another folder."""
    text = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True, timeout=60).stderr
    match = re.search(r"^#\$ TOP=(.*)$", text, re.MULTILINE)
    return Path(match[1]).resolve() if match else nvcc.resolve().parent.parent


def report(folder: Path) -> dict[str, str]:
    """Everything CMake asks for; `folder` takes copies of tools that lack the run bit."""
    tools = make_runnable(folder, *TOOLS)
    values = {tool.upper(): str(path or "") for tool, path in tools.items()}
    nvcc = tools["nvcc"]
    root = toolkit_root(nvcc) if nvcc else None
    if root and (root / "bin" / "ptxas").is_file():
        values["PTXAS"] = str(root / "bin" / "ptxas")  # of the same release as nvcc
    libraries = [root / name for name in ("lib64", "lib") if (root / name).is_dir()] if root else []
    values["ROOT"] = str(root or "")
    # nvcc expects lib64; the packages have lib.
    values["LIBRARY_DIR"] = str(libraries[0]) if libraries else ""
    values["CUTLASS"] = str(find_cutlass() or "")
    return values


if __name__ == "__main__":
    for key, value in report(Path(sys.argv[1] if len(sys.argv) > 1 else "cuda-tools")).items():
        print(f"{key}={value}")
