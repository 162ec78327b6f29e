"""cuBLASLt as the competitor that counts: the best of many algorithms it proposes, each tried on the very buffers.

INT8 by cuBLASLt stops at int32 sums, so outputs with scales add the epilogue in steps of torch, as every integer
competitor does. The bare product is the `s32` output. Not run on a GPU yet: no result of it is committed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from immabench.errors import ImmabenchError
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.cublaslt_library import Algo, CublasLt, Int8Product, load_library
from immabench.providers.torch_epilogue import TorchEpilogue

CONFIG_ID = "cublaslt_int8"
HEURISTICS = 16
"""Algorithms asked for. cuBLASLt's first guess is often not its best: a fair opponent is the best of at least eight."""

WORKSPACE_BYTES = 32 << 20
TRIALS = 5
"""Launches of each algorithm, of which the median counts, after one to warm up."""


class CublasLtLaunch:
    """One product by the algorithm that was fastest on these buffers; `backend` names it."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        problem = buffers.problem
        library = _library()
        self._product = Int8Product(library, problem.m, problem.n, problem.k)
        self._epilogue = TorchEpilogue(buffers)
        self._workspace = torch.empty(WORKSPACE_BYTES, dtype=torch.uint8, device=buffers.out.device)
        addresses = (buffers.a.data_ptr(), buffers.b.data_ptr(), self._epilogue.total.data_ptr())
        self._arguments = (*addresses, self._workspace.data_ptr(), WORKSPACE_BYTES)
        self._current_stream = torch.cuda.current_stream
        self._algo, tried = self._fastest(problem)
        algorithm = self._product.describe(self._algo)
        self.backend = f"cublasLt-{library.version}:{algorithm} (best of {tried})"

    def launch(self) -> None:
        self._multiply(self._algo)
        self._epilogue.launch()

    def _multiply(self, algo: Algo) -> None:
        self._product.launch(algo, *self._arguments, stream=int(self._current_stream().cuda_stream))

    def _fastest(self, problem: Problem) -> tuple[Algo, int]:
        found = self._product.heuristics(HEURISTICS, WORKSPACE_BYTES)
        if not found:
            raise ImmabenchError(
                f"cuBLASLt has no INT8 algorithm for {problem.shape}", "M, N and K in multiples of 16 have some"
            )
        times = [_median_ms(functools.partial(self._multiply, result.algo)) for result in found]
        return found[times.index(min(times))].algo, len(found)


class CublasLtProvider:
    """cuBLASLt on a GPU, loaded at run time from where torch keeps it."""

    name = "cublaslt"
    ranked = False

    def availability(self) -> Availability:
        if load_library() is None:
            return Availability(False, "libcublasLt is not here", "install a CUDA build of torch")
        return Availability(True, "libcublasLt, best of its heuristics")

    def devices(self) -> tuple[str, ...]:
        return ("cuda",)

    def config_ids(self) -> tuple[str, ...]:
        return (CONFIG_ID,)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(CONFIG_ID, _illegal_reason(problem))]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> CublasLtLaunch:
        return CublasLtLaunch(buffers)


def _illegal_reason(problem: Problem) -> str | None:
    if problem.a_type != "s8":
        return "computes problems stated in s8 only"
    # Its INT8 kernels want leading dimensions in multiples of 4 bytes: K for the operands, N for the sums is free.
    return "cuBLASLt's INT8 needs K in multiples of 4" if problem.k % 4 else None


@functools.cache
def _library() -> CublasLt:
    return CublasLt()


def _median_ms(launch: Callable[[], Any]) -> float:
    """The median of a few launches on the current stream, by events, in milliseconds."""
    import torch

    launch()
    times = []
    for _ in range(TRIALS):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        launch()
        after.record()
        after.synchronize()
        times.append(before.elapsed_time(after))
    return float(sorted(times)[len(times) // 2])
