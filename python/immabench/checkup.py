"""What works on this machine: one small check each, none of which imports torch or touches the network."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from immabench.errors import ImmabenchError

ASSETS_VARIABLE = "IMMABENCH_ASSETS"

EXTRAS = {
    "models": ("torchvision", "transformers", "onnx", "onnxruntime", "scikit-learn"),
    "gpu": ("cuda-bench", "nvidia-ml-py", "nvidia-cutlass-dsl"),
    "profile": ("ncu-report",),
}
"""Packages that the optional parts need, by the extra that installs them."""


@dataclass(frozen=True)
class Check:
    """One thing a command may need. `status` is "ok", "missing" (optional, absent) or "broken"."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def run_checks() -> list[Check]:
    """Every check in order; an unexpected error makes its own check broken and nothing else."""
    return [_guarded(name, check) for name, check in CHECKS.items()]


def _guarded(name: str, check: Callable[[str], Check]) -> Check:
    try:
        return check(name)
    except ImmabenchError as error:
        return Check(name, "broken", error.message, error.remedy)
    except Exception as error:  # noqa: BLE001 - the doctor reports what others would die of
        return Check(name, "broken", f"{type(error).__name__}: {error}", "report this as a bug")


def _python(name: str) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 10)
    return Check(name, "ok" if ok else "broken", version, "" if ok else "use Python 3.10 to 3.13")


def _native_module(name: str) -> Check:
    from immabench.kernels import kernel_configs, native

    build = native().build_info()
    return Check(name, "ok", f"{len(kernel_configs())} kernels, {build['compiler']}, {build['simd']}")


def _cuda_build(name: str) -> Check:
    from immabench.kernels import native

    build = native().build_info()
    if build["cuda"]:
        cutlass = f"CUTLASS {build['cutlass_version']}" if build["cutlass_version"] else "no CUTLASS"
        return Check(name, "ok", f"CUDA {build['cuda_version']} for {', '.join(build['architectures'])}, {cutlass}")
    return Check(name, "missing", "built for emulation only", "reinstall without -C cmake.define.IMMABENCH_CUDA=OFF")


def _gpu(name: str) -> Check:
    from immabench.hardware import cuda_state

    state = cuda_state()
    if state["status"] == 0 and state["devices"]:
        return Check(name, "ok", ", ".join(device["name"] for device in state["devices"]))
    remedy = "none needed: kernels are emulated with --device emulated; timing a GPU takes one and its driver"
    return Check(name, "missing", state["error"] or "the driver lists no device", remedy)


def _torch(name: str) -> Check:
    return _packages(name, ("torch",), "models")


def _packages(name: str, packages: tuple[str, ...], extra: str) -> Check:
    installed = {package: _version(package) for package in packages}
    absent = [package for package, version in installed.items() if version is None]
    if absent:
        return Check(name, "missing", f"not installed: {', '.join(absent)}", f"pip install 'immabench[{extra}]'")
    return Check(name, "ok", ", ".join(f"{package} {version}" for package, version in installed.items()))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _nvbench(name: str) -> Check:
    from immabench.hardware import cuda_state
    from immabench.measure.nvbench_timer import INSTALL, PACKAGES, load_nvbench, missing_packages

    absent = missing_packages()
    if absent:
        remedy = f"{INSTALL}; without it CUDA events time a GPU"
        return Check(name, "missing", f"not installed: {', '.join(absent)}", remedy)
    versions = ", ".join(f"{package} {_version(package)}" for package in PACKAGES)
    if not cuda_state()["devices"]:
        return Check(name, "missing", f"{versions}, not loaded: no GPU", "none needed: it times GPUs")
    load_nvbench()
    return Check(name, "ok", versions)


def _providers(name: str) -> Check:
    from immabench.providers.registry import load_provider, provider_names

    states = {provider: load_provider(provider).availability() for provider in provider_names()}
    bad = {provider: state for provider, state in states.items() if not state.ok}
    if not bad:
        return Check(name, "ok", ", ".join(states))
    detail = "; ".join(f"{provider}: {state.detail}" for provider, state in bad.items())
    return Check(name, "missing", detail, next(iter(bad.values())).remedy)


def _suites(name: str) -> Check:
    from immabench.suites import list_suites

    suites = list_suites()
    if not suites:
        return Check(name, "broken", "no suite is installed", "reinstall with `pip install .`")
    return Check(name, "ok", ", ".join(suite.name for suite in suites))


def _sass_facts(name: str) -> Check:
    from immabench.profile import load_sass_facts

    try:
        kernels = load_sass_facts()["kernels"]
    except ImmabenchError as error:
        return Check(name, "missing", error.message, error.remedy)
    return Check(name, "ok", f"{len(kernels)} kernels disassembled at build time")


def _assets(name: str) -> Check:
    given = os.environ.get(ASSETS_VARIABLE)
    if given and not Path(given).is_dir():
        return Check(name, "broken", f"{ASSETS_VARIABLE}={given} is not a folder", "point it at an existing folder")
    from immabench.assets import folder, known_assets, state_of

    here = [state.asset.name for state in map(state_of, known_assets()) if state.status == "present"]
    if not here:
        remedy = f"`immabench assets list`, or point {ASSETS_VARIABLE} at a folder that has them"
        return Check(name, "missing", f"{folder()} has none of the weights and data sets", remedy)
    return Check(name, "ok", f"{folder()}: {', '.join(here)}")


def _ncu(name: str) -> Check:
    """What `immabench profile` would say before it begins."""
    from immabench.profile.preflight import preflight

    found = preflight()
    obstacle = found.fatal
    where = found.ncu.name if found.ncu else ""
    if obstacle is None:
        return Check(name, "ok", where)
    return Check(name, "missing", f"{where}: {obstacle.reason}".removeprefix(": "), obstacle.remedy)


def _working_folder(name: str) -> Check:
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return Check(name, "ok", f"{Path.cwd()} is writable")
    except OSError as error:
        return Check(
            name, "broken", f"{Path.cwd()}: {error.strerror}", "change to a writable folder, or sweep with --out"
        )


CHECKS: dict[str, Callable[[str], Check]] = {
    "python": _python,
    "native module": _native_module,
    "cuda build": _cuda_build,
    "gpu": _gpu,
    "torch": _torch,
    "models extra": lambda name: _packages(name, EXTRAS["models"], "models"),
    "gpu extra": lambda name: _packages(name, EXTRAS["gpu"], "gpu"),
    "nvbench": _nvbench,
    "providers": _providers,
    "suites": _suites,
    "sass facts": _sass_facts,
    "ncu": _ncu,
    "ncu-report": lambda name: _packages(name, EXTRAS["profile"], "profile"),
    "assets": _assets,
    "working folder": _working_folder,
}
