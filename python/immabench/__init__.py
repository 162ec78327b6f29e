"""immabench: how fast INT8 and INT4 matrix kernels run on your machine, how far that is from the limit, and why.

Importing the package imports no numpy and no torch; the names below load their module on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immabench.errors import ImmabenchError as ImmabenchError
    from immabench.kernels import KernelConfig as KernelConfig
    from immabench.kernels import kernel_configs as kernel_configs
    from immabench.numerics import compare_exact as compare_exact
    from immabench.numerics import gemm_reference as gemm_reference
    from immabench.numerics import quantize as quantize
    from immabench.operands import Operands as Operands
    from immabench.operands import make_operands as make_operands
    from immabench.problems import Problem as Problem

__version__ = "0.1.0"

_HOMES = {
    "ImmabenchError": "errors",
    "KernelConfig": "kernels",
    "Operands": "operands",
    "Problem": "problems",
    "compare_exact": "numerics",
    "gemm_reference": "numerics",
    "kernel_configs": "kernels",
    "make_operands": "operands",
    "quantize": "numerics",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'immabench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"immabench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
