"""A kernel with one problem in memory, a GEMM or one around it: what `verify` checks and `emulate` shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from immabench.profile.ranges import nvtx_range
from immabench.providers.base import Emulation
from immabench.row_ids import RowId

ORDERS = ("forward", "reverse", "random")
"""Orders the emulated machine runs the warps of a block in: a missing barrier shows in at least one."""


class KernelCase(ABC):
    """One configuration with a problem. Its memory is made at the first launch: what is illegal costs nothing."""

    kernel_id: str
    shape: tuple[int, ...]
    """(M, N, K) of a GEMM, (batch, heads, queries, keys, depth) of attention, (rows, columns) of the others."""
    output_type: str
    types: str
    """What tells the cases of a shape apart, in a few words."""
    problem: str
    """All of it as one name."""
    backend: str
    batch: int = 1
    """Products of a GEMM."""

    @abstractmethod
    def illegal_reason(self) -> str | None:
        """Why the kernel cannot compute this, None when it can."""

    @abstractmethod
    def emulate(self, order: str, seed: int) -> Emulation:
        """Launch on the emulated machine, from a poisoned output."""

    @abstractmethod
    def launch_on_gpu(self) -> None:
        """Launch on the current GPU, from a poisoned output, and wait."""

    @abstractmethod
    def difference(self) -> str:
        """How the last launch's results differ from the oracle's, in one line; empty when they are right."""


@dataclass(frozen=True)
class Check:
    """What came of one case; `status` is "ok", "failed" or "skipped"."""

    id: str
    shape: tuple[int, ...]
    output_type: str
    types: str
    device: str
    status: str
    detail: str = ""
    batch: int = 1

    @property
    def name(self) -> str:
        """The case within its kernel, for people."""
        batch = f" batch={self.batch}" if self.batch > 1 else ""
        return f"{'x'.join(map(str, self.shape))}{batch} {self.types}"


def check_case(case: KernelCase, orders: Sequence[str], device: str, seed: int, absent: str | None = None) -> Check:
    """Launch a case and judge it, emulated ones once an order of warps; a hazard is wrong where results agree.

    `absent` says why the kernel does not run on `device`; then nothing is launched.
    """
    reason = absent or case.illegal_reason()
    if reason is not None:
        return check_of(case, device, "skipped", reason)
    with nvtx_range(str(RowId(case.kernel_id, case.problem, device))):
        wrong = _wrong_on_gpu(case) if device == "cuda" else _wrong_in_orders(case, orders, seed)
    return check_of(case, device, "failed" if wrong else "ok", wrong)


def check_of(case: KernelCase, device: str, status: str, detail: str = "") -> Check:
    """What came of `case`."""
    return Check(case.kernel_id, case.shape, case.output_type, case.types, device, status, detail, case.batch)


def _wrong_on_gpu(case: KernelCase) -> str:
    """What is wrong, be it that CUDA refuses the launch or reports what the kernel did."""
    try:
        case.launch_on_gpu()
    except RuntimeError as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return case.difference()


def _wrong_in_orders(case: KernelCase, orders: Sequence[str], seed: int) -> str:
    """What is wrong in the first order that is wrong; empty when all are right."""
    for order in orders:
        emulation = case.emulate(order, seed)
        wrong = "; ".join(filter(None, (case.difference(), emulation.describe_hazards())))
        if wrong:
            return f"order {order}: {wrong}"
    return ""
