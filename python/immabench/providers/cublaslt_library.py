"""The few functions of cuBLASLt that an INT8 product needs, called through ctypes from the library torch brings along.

Nothing is linked: without the library the provider is not available, and says so. Names, values and layouts are those
of cublasLt.h; tests/oracles/test_cublaslt.py compares them with a header where there is one.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Iterator
from ctypes import Structure, byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from immabench.errors import ImmabenchError

# library_types.h, cublas_api.h, cublasLt.h
CUDA_R_8I, CUDA_R_32I = 3, 10
CUBLAS_COMPUTE_32I = 72
CUBLAS_OP_T = 1
CUBLASLT_MATMUL_DESC_TRANSA = 3
CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1
CUBLASLT_ALGO_CONFIG: dict[str, tuple[int, type[c_int32] | type[c_uint32] | type[c_uint16]]] = {
    "id": (0, c_int32),
    "tile": (1, c_uint32),
    "splitk": (2, c_int32),
    "stages": (6, c_uint32),
    "inner": (7, c_uint16),
    "cluster": (8, c_uint16),
}
CUBLAS_STATUS_NOT_SUPPORTED = 15


class Algo(Structure):
    """cublasLtMatmulAlgo_t: opaque."""

    _fields_ = (("data", c_uint64 * 8),)


class HeuristicResult(Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = (
        ("algo", Algo),
        ("workspace_size", c_size_t),
        ("state", c_int),
        ("waves_count", c_float),
        ("reserved", c_int * 4),
    )


class CublasLtError(ImmabenchError):
    """A call of cuBLASLt that failed; `status` is its cublasStatus_t."""

    def __init__(self, function: str, status: int) -> None:
        super().__init__(f"{function} failed with cublasStatus_t {status}", "see cublas_api.h for the status")
        self.status = status


def library_paths() -> Iterator[Path]:
    """Where packages keep libcublasLt: beside the one torch uses, newest first."""
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(root).glob("*/lib/libcublasLt.so.*"), reverse=True)


@functools.cache
def load_library() -> ctypes.CDLL | None:
    """The library: of the packages torch depends on, else of the system; None where there is none."""
    for name in (*map(str, library_paths()), "libcublasLt.so.13", "libcublasLt.so.12"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


class CublasLt:
    """A handle on the current GPU. Raises ImmabenchError without the library, CublasLtError where a call fails."""

    def __init__(self) -> None:
        library = load_library()
        if library is None:
            raise ImmabenchError("libcublasLt is not here", "install a CUDA build of torch, which brings it along")
        self._library = library
        self.handle = c_void_p()
        self.call("cublasLtCreate", byref(self.handle))

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function that returns a status. Raises CublasLtError."""
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise CublasLtError(function, status)

    @property
    def version(self) -> int:
        """cublasLtGetVersion, for example 130101."""
        self._library.cublasLtGetVersion.restype = c_size_t
        return int(self._library.cublasLtGetVersion())

    def create(self, what: str, *arguments: Any) -> c_void_p:
        """A new descriptor: `what` is MatmulDesc, MatrixLayout or MatmulPreference."""
        descriptor = c_void_p()
        self.call(f"cublasLt{what}Create", byref(descriptor), *arguments)
        return descriptor

    def destroy(self, what: str, descriptor: c_void_p) -> None:
        """Give a descriptor back."""
        self.call(f"cublasLt{what}Destroy", descriptor)

    def set_attribute(self, what: str, descriptor: c_void_p, attribute: int, value: Any) -> None:
        """Set an attribute of a descriptor to a ctypes value."""
        self.call(f"cublasLt{what}SetAttribute", descriptor, attribute, byref(value), c_size_t(ctypes.sizeof(value)))


class Int8Product:
    """out[M,N] = A[M,K] B[N,K]^T of int8 into int32, row-major.

    cuBLAS thinks in columns: our row-major B[N,K] is its K x N matrix, to be transposed, A[M,K] its K x M matrix, and
    out[M,N] its N x M matrix. That is its TN form, the one its INT8 kernels want.
    """

    def __init__(self, library: CublasLt, m: int, n: int, k: int) -> None:
        self._lt = library
        self._operation = library.create("MatmulDesc", c_int(CUBLAS_COMPUTE_32I), c_int(CUDA_R_32I))
        transpose = c_int32(CUBLAS_OP_T)
        library.set_attribute("MatmulDesc", self._operation, CUBLASLT_MATMUL_DESC_TRANSA, transpose)
        self._b = self._layout(CUDA_R_8I, k, n)
        self._a = self._layout(CUDA_R_8I, k, m)
        self._out = self._layout(CUDA_R_32I, n, m)
        self._one, self._zero = c_int32(1), c_int32(0)

    def _layout(self, data_type: int, rows: int, columns: int) -> c_void_p:
        return self._lt.create("MatrixLayout", c_int(data_type), c_uint64(rows), c_uint64(columns), c_int64(rows))

    def heuristics(self, most: int, workspace_bytes: int) -> list[HeuristicResult]:
        """Up to `most` algorithms cuBLASLt would try, its best guess first; none where it has none for the shape."""
        preference = self._lt.create("MatmulPreference")
        limit = c_uint64(workspace_bytes)
        self._lt.set_attribute("MatmulPreference", preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, limit)
        results, count = (HeuristicResult * most)(), c_int(0)
        problem = (self._lt.handle, self._operation, self._b, self._a, self._out, self._out)
        try:
            self._lt.call("cublasLtMatmulAlgoGetHeuristic", *problem, preference, c_int(most), results, byref(count))
        except CublasLtError as error:
            if error.status == CUBLAS_STATUS_NOT_SUPPORTED:
                return []
            raise
        finally:
            self._lt.destroy("MatmulPreference", preference)
        return [result for result in results[: count.value] if result.state == 0]

    def launch(self, algo: Algo, a: int, b: int, out: int, workspace: int, workspace_bytes: int, stream: int) -> None:
        """Queue the product: device addresses and a cudaStream_t."""
        self._lt.call(
            "cublasLtMatmul",
            self._lt.handle,
            self._operation,
            byref(self._one),
            c_void_p(b),
            self._b,
            c_void_p(a),
            self._a,
            byref(self._zero),
            c_void_p(out),
            self._out,
            c_void_p(out),
            self._out,
            byref(algo),
            c_void_p(workspace),
            c_size_t(workspace_bytes),
            c_void_p(stream),
        )

    def describe(self, algo: Algo) -> str:
        """The algorithm as cuBLASLt configures it: `id=21,tile=20,splitk=1,stages=17,inner=0,cluster=0`."""
        parts = []
        for name, (attribute, kind) in CUBLASLT_ALGO_CONFIG.items():
            value, written = kind(0), c_size_t(0)
            size = c_size_t(ctypes.sizeof(kind))
            arguments = (byref(algo), c_int(attribute), byref(value), size, byref(written))
            self._lt.call("cublasLtMatmulAlgoConfigGetAttribute", *arguments)
            parts.append(f"{name}={value.value}")
        return ",".join(parts)
