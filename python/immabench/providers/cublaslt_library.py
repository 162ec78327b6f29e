"""The few functions of cuBLASLt that a product needs, called through ctypes from the library torch brings along.

Nothing is linked: without the library the provider is not available, and says so. Names, values and layouts are those
of cublasLt.h; tests/oracles/test_cublaslt.py compares them with a header where there is one.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Iterator
from ctypes import (
    Structure,
    byref,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any

from immabench.errors import ImmabenchError

# library_types.h: cudaDataType of each of our types
CUDA_R = {"f32": 0, "f16": 2, "s8": 3, "s32": 10, "bf16": 14, "e4m3": 28}

# cublas_api.h
CUBLAS_COMPUTE_32F = 68
CUBLAS_COMPUTE_32F_PEDANTIC = 69
CUBLAS_COMPUTE_32I = 72
CUBLAS_OP_T = 1
CUBLAS_STATUS_NOT_SUPPORTED = 15

# cublasLt.h: attributes with the ctypes type each takes
CUBLASLT_MATMUL_DESC = {
    "TRANSA": (3, c_int32),
    "EPILOGUE": (7, c_uint32),
    "BIAS_POINTER": (8, c_void_p),
    "BIAS_BATCH_STRIDE": (10, c_int64),
    "A_SCALE_POINTER": (17, c_void_p),
    "B_SCALE_POINTER": (18, c_void_p),
    "FAST_ACCUM": (25, c_int8),
    "BIAS_DATA_TYPE": (26, c_int32),
    "A_SCALE_MODE": (31, c_int32),
    "B_SCALE_MODE": (32, c_int32),
}
CUBLASLT_MATRIX_LAYOUT = {"BATCH_COUNT": (5, c_int32), "STRIDED_BATCH_OFFSET": (6, c_int64)}
CUBLASLT_MATMUL_PREF = {"MAX_WORKSPACE_BYTES": (1, c_uint64)}
CUBLASLT_EPILOGUE_BIAS = 4
CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F = 0
CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F = 3
OUTER_VEC_SINCE = 120900
"""cublasLtGetVersion of CUDA 12.9, which brought scaling by vectors, on compute capability 9.0: NVIDIA's answer in
CUDALibrarySamples issue 270, and the condition on which torch's `_scaled_mm` uses it (ATen, ScaledBlas.cpp)."""

CUBLASLT_ALGO_CONFIG: dict[str, tuple[int, type[c_int32] | type[c_uint32] | type[c_uint16]]] = {
    "id": (0, c_int32),
    "tile": (1, c_uint32),
    "splitk": (2, c_int32),
    "stages": (6, c_uint32),
    "inner": (7, c_uint16),
    "cluster": (8, c_uint16),
}


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


def library_version() -> int | None:
    """cublasLtGetVersion, for example 130101; None without the library."""
    library = load_library()
    if library is None:
        return None
    library.cublasLtGetVersion.restype = c_size_t
    return int(library.cublasLtGetVersion())


class CublasLt:
    """cuBLASLt on the current GPU. Raises ImmabenchError without the library, CublasLtError where a call fails."""

    def __init__(self) -> None:
        library = load_library()
        if library is None:
            raise ImmabenchError("libcublasLt is not here", "install a CUDA build of torch, which brings it along")
        self._library = library

    @functools.cached_property
    def handle(self) -> c_void_p:
        """The handle, made when it is first used: descriptors need none."""
        handle = c_void_p()
        self.call("cublasLtCreate", byref(handle))
        return handle

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function that returns a status. Raises CublasLtError."""
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise CublasLtError(function, status)

    def create(self, what: str, *arguments: Any) -> c_void_p:
        """A new descriptor: `what` is MatmulDesc, MatrixLayout or MatmulPreference."""
        descriptor = c_void_p()
        self.call(f"cublasLt{what}Create", byref(descriptor), *arguments)
        return descriptor

    def destroy(self, what: str, descriptor: c_void_p) -> None:
        """Give a descriptor back."""
        self.call(f"cublasLt{what}Destroy", descriptor)

    def set_attribute(self, what: str, descriptor: c_void_p, attribute: tuple[int, type[Any]], value: int) -> None:
        """Set an attribute of a descriptor, given as (its number, the ctypes type of its value)."""
        number, kind = attribute
        size = c_size_t(ctypes.sizeof(kind))
        self.call(f"cublasLt{what}SetAttribute", descriptor, c_int(number), byref(kind(value)), size)
