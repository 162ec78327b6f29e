"""The one place that imports torchvision and transformers, whatever torch they stand beside.

torchvision's wheels carry a native library that is linked against the CUDA build of torch. Beside a CPU torch it cannot
be loaded, and `import torchvision` then fails with "operator torchvision::nms does not exist", because its Python part
describes operators that the library would have defined; `transformers`, which imports torchvision where it finds it,
fails with it. Declaring those two operators first lets both import. They stay unusable, and nothing here needs them.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from immabench.errors import UsageError

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_declared: list[Any] = []  # torch removes an operator when the Library that declared it is collected


def import_torchvision() -> ModuleType:
    """`torchvision`, importable beside a CPU torch too. Raises UsageError where it is not installed."""
    _declare_missing_operators()
    return require("torchvision")


def import_transformers() -> ModuleType:
    """`transformers`, importable beside a CPU torch too. Raises UsageError where it is not installed."""
    _declare_missing_operators()
    return require("transformers")


def is_installed(library: str) -> bool:
    """Whether `library` (a top-level package) is installed, without importing it."""
    return importlib.util.find_spec(library) is not None


def require(library: str) -> ModuleType:
    """`library`, imported. Raises UsageError, with the command that installs it, where it is missing."""
    if not is_installed(library):
        raise UsageError(f"{library} is not installed", "pip install 'immabench[models]'")
    return importlib.import_module(library)


def _declare_missing_operators() -> None:
    if _declared or not is_installed("torch") or _native_library_loads():
        return
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in _OPERATORS:
        library.define(operator + _SIGNATURE)
    _declared.append(library)


def _native_library_loads() -> bool:
    """Whether torchvision's operators are there, or will be once it is imported. True where there is no torchvision."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    import torch

    libraries = [path for path in Path(spec.origin).parent.glob("_C*") if path.suffix in (".so", ".pyd", ".dylib")]
    try:
        for path in libraries:
            torch.ops.load_library(path)
    except (ImportError, OSError):
        return False
    return bool(libraries)
