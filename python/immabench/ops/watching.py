"""Which kernel computes a call, told to who asks: operators give tensors and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str], None]

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within, `watcher` is told the kernel of every call: a configuration's id, of the exact path on a CPU
    `cpu:multiply_s8` and so on, of what torch computes `torch:mm` or `torch:matmul`."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def tell(kernel: str) -> None:
    """Say that a call is computed by `kernel`."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(kernel)
