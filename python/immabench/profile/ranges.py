"""NVTX ranges: what a profiler knows a launch by.

All are in one domain, so that nobody else's ranges are taken for ours. A row's launches stand in a range of its id, a
native launch in one of its kernel's id within (`bindings/nvtx_range.hpp`); the launch to be profiled has around both a
range of a fixed name, which ncu selects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from immabench.row_ids import RowId

DOMAIN = "immabench"
"""As in `bindings/nvtx_range.hpp`."""

PROFILED = "profile"
"""The outermost range of a launch that a profiler is to look at."""

NVTX_INCLUDE = f"{DOMAIN}@{PROFILED}/"
"""For `ncu --nvtx-include`: launches in a push/pop range of that name, which the slash says, wherever it lies on the
stack. Not by row id: ids hold `@`, which is one of ncu's own characters, and one filter a row would be a long command.
"""


@contextmanager
def nvtx_range(name: str) -> Iterator[None]:
    """A range of the domain around what this thread does; next to nothing where no profiler listens."""
    import nvtx

    with nvtx.annotate(name, domain=DOMAIN):
        yield


@contextmanager
def profiled_range(row_id: str) -> Iterator[None]:
    """The ranges around the one launch of a row that is profiled."""
    with nvtx_range(PROFILED), nvtx_range(row_id):
        yield


def row_of(names: Sequence[str]) -> str:
    """The row id among the ranges around a launch; empty where none is one."""
    return next((name for name in names if RowId.parse(name)), "")


def kernel_of(names: Sequence[str]) -> str:
    """The kernel id that ranges around a launch name: the row's, else that of the native launch; empty without any."""
    row = RowId.parse(row_of(names))
    return row.kernel_id if row else next((name for name in reversed(names) if name != PROFILED), "")
