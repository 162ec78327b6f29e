"""cuBLASLt as the competitor that counts: the best of many algorithms it proposes, each tried on the very buffers.

FP8 and the float types do scales and bias within the product. INT8 stops at int32 sums, so outputs with scales add the
epilogue in steps of torch, as every integer competitor does; the bare product is the `s32` output. Not run on a GPU
yet: no result of it is committed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from immabench.errors import ImmabenchError
from immabench.hardware import cache_bytes, cuda_state
from immabench.problems import TYPE_BITS, Problem, float_problem
from immabench.providers import cublaslt_library as lt
from immabench.providers.base import Availability, Candidate, Emulation, beyond_scales
from immabench.providers.buffers import Buffers
from immabench.providers.cublaslt_library import Algo, CublasLt, library_version, load_library
from immabench.providers.cublaslt_product import Product
from immabench.providers.torch_epilogue import TorchEpilogue

CONFIG_TYPES = {
    "cublaslt_int8": "s8",
    "cublaslt_fp8": "e4m3",
    "cublaslt_fp16": "f16",
    "cublaslt_bf16": "bf16",
    "cublaslt_fp32": "f32",
}
"""Operand type of every configuration."""

HEURISTICS = 16
"""Algorithms asked for. cuBLASLt's first guess is often not its best: a fair opponent is the best of at least eight."""

WORKSPACE_BYTES = 32 << 20
TRIALS = 5
"""Launches of each algorithm, of which the median counts, after one to warm up."""

FP8_CAPABILITY = (8, 9)
OUTER_VECTOR_CAPABILITY = (9, 0)
"""The first compute capabilities with FP8 tensor cores, and with FP8 scaled by vectors in cuBLASLt."""


@dataclass(frozen=True)
class Chosen:
    """The fastest algorithm for a problem, of so many tried."""

    algo: Algo
    tried: int


class CublasLtLaunch:
    """One product by the algorithm that was fastest; `backend` names it."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers, chosen: Chosen | None = None) -> None:
        import torch

        problem, library = buffers.problem, _library()
        self._product = Product(library, problem)
        self._before, self._after, out = _epilogue(buffers, self._product)
        self._workspace = torch.empty(WORKSPACE_BYTES, dtype=torch.uint8, device=buffers.out.device)
        addresses = (buffers.a.data_ptr(), buffers.b.data_ptr(), out.data_ptr())
        self._arguments = (*addresses, self._workspace.data_ptr(), WORKSPACE_BYTES)
        self._current_stream = torch.cuda.current_stream
        self.chosen = chosen or self._fastest(problem)
        algorithm = self._product.describe(self.chosen.algo)
        self.backend = f"cublasLt-{library_version()}:{algorithm} (best of {self.chosen.tried})"

    def launch(self) -> None:
        if self._before:
            self._before.launch()
        self._multiply(self.chosen.algo)
        if self._after:
            self._after.launch()

    def _multiply(self, algo: Algo) -> None:
        self._product.launch(algo, *self._arguments, stream=int(self._current_stream().cuda_stream))

    def _fastest(self, problem: Problem) -> Chosen:
        found = self._product.heuristics(HEURISTICS, WORKSPACE_BYTES)
        if not found:
            raise ImmabenchError(
                f"cuBLASLt {library_version()} has no algorithm for {problem.key} on this GPU",
                "M, N and K in multiples of 16 have some, most on a newer CUDA",
            )
        times = [median(self._cold_times(result.algo, problem)) for result in found]
        return Chosen(found[times.index(min(times))].algo, len(found))

    def _cold_times(self, algo: Algo, problem: Problem) -> list[float]:
        """Microseconds of a few launches, taken as the timer takes them, with as much memory touched in between."""
        from immabench.measure.cuda_timer import CudaBallast, times_by_events
        from immabench.measure.timer import CACHE_MULTIPLE

        launch = functools.partial(self._multiply, algo)
        launch()
        ballast = CudaBallast(max(0, CACHE_MULTIPLE * cache_bytes("cuda") - problem.bytes_moved))
        return times_by_events([launch] * TRIALS, ballast)


class Fp8Scales:
    """Scales within an FP8 product: one number for an operand, or outer vectors, which both must be or neither.

    Beside a vector, what is one number or absent is spread out: weights once, `row_scale` before each product.
    """

    def __init__(self, buffers: Buffers, product: Product) -> None:
        problem = buffers.problem
        self._rows, self._columns = buffers.row_scale, buffers.col_scale
        self._row_scale, mode = None, lt.CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F
        if "vector" in (problem.row_scale, problem.col_scale):
            mode, device = lt.CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F, buffers.out.device
            self._rows = _vector(buffers.row_scale, problem.row_scale, problem.m, device)
            self._columns = _vector(buffers.col_scale, problem.col_scale, problem.n, device)
            self._row_scale = buffers.row_scale if problem.row_scale == "tensor" else None
        for scale, set_scale in ((self._rows, product.scale_rows), (self._columns, product.scale_columns)):
            if scale is not None:
                set_scale(scale.data_ptr(), mode)

    def launch(self) -> None:
        """Spread `row_scale`, as it is now, over its vector, where it is one number beside a vector."""
        if self._row_scale is not None:
            self._rows.copy_(self._row_scale)


def _vector(scale: Any, kind: str, length: int, device: Any) -> Any:
    import torch

    if kind == "vector":
        return scale
    values = torch.ones(length, dtype=torch.float32, device=device)
    return values if scale is None else values.copy_(scale)


def _epilogue(buffers: Buffers, product: Product) -> tuple[Fp8Scales | None, TorchEpilogue | None, Any]:
    """What is launched before and after the product, if anything, and the tensor the product writes."""
    problem = buffers.problem
    if problem.a_type == "s8":
        steps = TorchEpilogue(buffers)
        return None, steps, steps.total
    if buffers.bias is not None:
        product.add_bias(buffers.bias.data_ptr(), problem.bias_type)
    scales = Fp8Scales(buffers, product) if problem.a_type == "e4m3" else None
    return scales, None, buffers.out


class CublasLtProvider:
    """cuBLASLt on a GPU, loaded at run time from where torch keeps it.

    The algorithm chosen for a problem is kept, so that all operand sets of a measurement run the one the row names.
    """

    name = "cublaslt"
    ranked = False

    def __init__(self) -> None:
        self._chosen: dict[Problem, Chosen] = {}

    def availability(self) -> Availability:
        if load_library() is None:
            return Availability(False, "libcublasLt is not here", "install a CUDA build of torch")
        return Availability(True, f"libcublasLt {library_version()}, best of its heuristics")

    def devices(self) -> tuple[str, ...]:
        return ("cuda",)

    def config_ids(self) -> tuple[str, ...]:
        return tuple(CONFIG_TYPES)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(config_id, _illegal_reason(problem, CONFIG_TYPES[config_id])) for config_id in CONFIG_TYPES]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        data_type = CONFIG_TYPES[config_id]
        if data_type == "s8":
            return problem
        return _fp8_problem(problem) if data_type == "e4m3" else float_problem(problem, data_type)

    def prepare(self, config_id: str, buffers: Buffers) -> CublasLtLaunch:
        launch = CublasLtLaunch(buffers, self._chosen.get(buffers.problem))
        self._chosen[buffers.problem] = launch.chosen
        return launch


def _fp8_problem(problem: Problem) -> Problem:
    """`problem` in FP8: scales, bias and output type stay, but FP8 has no integer sums, so s32 becomes f32."""
    output_type = "f32" if problem.output_type == "s32" else problem.output_type
    return replace(problem, a_type="e4m3", b_type="e4m3", output_type=output_type)


def _illegal_reason(problem: Problem, data_type: str) -> str | None:
    if problem.precision != "s8":
        return "computes problems stated in s8 only"
    if problem.conv:
        return "cuBLASLt multiplies matrices, not images"
    if problem.extras:
        return beyond_scales(problem)
    if data_type == "s8" and (problem.n % 4 or problem.k % 4):
        return "cuBLASLt's INT8 needs N and K in multiples of 4"
    return _fp8_reason(_fp8_problem(problem)) if data_type == "e4m3" else None


def _fp8_reason(problem: Problem) -> str | None:
    """Why cuBLASLt's FP8 cannot compute a problem here, by the requirements its documentation lists; None if it can."""
    if problem.k % 16 or problem.n * TYPE_BITS[problem.output_type] // 8 % 16:
        multiple = 128 // TYPE_BITS[problem.output_type]
        return f"cuBLASLt's FP8 needs rows of whole 16 bytes: K in multiples of 16, N of {multiple}"
    capability, version = _capability(), library_version()
    vectors = "vector" in (problem.row_scale, problem.col_scale)
    if vectors and problem.batch > 1:
        return "batches of FP8 are scaled by one value here, not by vectors"
    least = OUTER_VECTOR_CAPABILITY if vectors else FP8_CAPABILITY
    if capability and capability < least:
        what = "FP8 scaled by vectors" if vectors else "FP8"
        return "{} needs compute capability {}.{}, and this GPU has {}.{}".format(what, *least, *capability)
    if vectors and version and version < lt.OUTER_VEC_SINCE:
        return f"cuBLASLt scales FP8 by vectors from version {lt.OUTER_VEC_SINCE}, and this is {version}"
    return None


def _capability() -> tuple[int, int] | None:
    devices = cuda_state()["devices"]
    return tuple(devices[0]["compute_capability"]) if devices else None


@functools.cache
def _library() -> CublasLt:
    return CublasLt()
