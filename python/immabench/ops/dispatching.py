"""Calls that need nothing of torch's dispatcher go past it: for a custom operator it takes as long as a small product.

A call is eager where nobody traces, profiles, transforms or replaces it; everywhere else it is the registered operator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

PLAIN = (Tensor, torch.nn.Parameter)


def is_eager(tensor: Any) -> bool:
    """Whether a call with `tensor` among its operands may go past the dispatcher: its function gives the same."""
    return (
        type(tensor) in PLAIN
        and not torch.compiler.is_compiling()
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._len_torch_function_stack()
        and not torch.autograd._profiler_enabled()
        and torch._C._functorch.maybe_current_level() is None
    )


def direct(operator: torch.library.CustomOpDef) -> Callable[..., Any]:
    """`operator` as a function that goes past the dispatcher where it may."""
    function: Callable[..., Any] = operator._init_fn

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        first = arguments[0] if arguments else next(iter(options.values()), None)
        return (function if is_eager(first) else operator)(*arguments, **options)

    return call
