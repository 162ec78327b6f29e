"""One product of cuBLASLt: its descriptors, the algorithms proposed for it, and its launch."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

from immabench.problems import Problem
from immabench.providers import cublaslt_library as lt
from immabench.providers.cublaslt_library import Algo, CublasLt, CublasLtError, HeuristicResult


@dataclass(frozen=True)
class Arithmetic:
    """How operands of a type are multiplied: cublasComputeType_t, and the type of alpha and beta."""

    compute: int
    scale: str

    def number(self, value: int) -> Any:
        """alpha or beta as a ctypes value."""
        return c_int32(value) if self.scale == "s32" else c_float(value)


ARITHMETIC = {
    "s8": Arithmetic(lt.CUBLAS_COMPUTE_32I, "s32"),
    "e4m3": Arithmetic(lt.CUBLAS_COMPUTE_32F, "f32"),
    "f16": Arithmetic(lt.CUBLAS_COMPUTE_32F, "f32"),
    "bf16": Arithmetic(lt.CUBLAS_COMPUTE_32F, "f32"),
    "f32": Arithmetic(lt.CUBLAS_COMPUTE_32F_PEDANTIC, "f32"),
}
"""By operand type. cublas_api.h: the default type uses all hardware features at no less than fp32's precision, which a
setting of the process may make emulation; the pedantic one ensures standard fp32 arithmetic; TF32 is FAST_TF32 only."""


class Product:
    """out[M,N] = A[M,K] B[N,K]^T, row-major, operands of one type, or a batch; into int32 sums where that is s8.

    cuBLAS thinks in columns: our row-major B[N,K] is its K x N matrix A, to be transposed, our A[M,K] its K x M matrix
    B, and out[M,N] its N x M matrix. That is its TN form, the one its INT8 and FP8 kernels want.
    """

    def __init__(self, library: CublasLt, problem: Problem) -> None:
        self._lt = library
        arithmetic = ARITHMETIC[problem.a_type]
        self._operation = library.create("MatmulDesc", c_int(arithmetic.compute), c_int(lt.CUDA_R[arithmetic.scale]))
        self._set(TRANSA=lt.CUBLAS_OP_T)
        if problem.a_type == "e4m3":
            # "Might be faster but at the cost of lower accuracy" (cublasLt.h), which float_oracle.fp8_bound allows.
            self._set(FAST_ACCUM=1)
        output_type = "s32" if problem.a_type == "s8" else problem.output_type
        self._batch, self._n = problem.batch, problem.n
        self._b = self._layout(problem.b_type, problem.k, problem.n)
        self._a = self._layout(problem.a_type, problem.k, problem.m)
        self._out = self._layout(output_type, problem.n, problem.m)
        self._one, self._zero = arithmetic.number(1), arithmetic.number(0)

    def add_bias(self, address: int, data_type: str) -> None:
        """Add a bias [N] of a type, of a batch [batch,N], to every row of the output, in the product's own epilogue."""
        self._set(EPILOGUE=lt.CUBLASLT_EPILOGUE_BIAS, BIAS_POINTER=address, BIAS_DATA_TYPE=lt.CUDA_R[data_type])
        if self._batch > 1:
            self._set(BIAS_BATCH_STRIDE=self._n)

    def scale_rows(self, address: int, mode: int) -> None:
        """Multiply by fp32 `row_scale`: one number, or [M] in the mode of outer vectors. FP8 only."""
        self._set(B_SCALE_POINTER=address, B_SCALE_MODE=mode)

    def scale_columns(self, address: int, mode: int) -> None:
        """Multiply by fp32 `col_scale`: one number, or [N] in the mode of outer vectors. FP8 only."""
        self._set(A_SCALE_POINTER=address, A_SCALE_MODE=mode)

    def _set(self, **attributes: int) -> None:
        for name, value in attributes.items():
            self._lt.set_attribute("MatmulDesc", self._operation, lt.CUBLASLT_MATMUL_DESC[name], value)

    def _layout(self, data_type: str, rows: int, columns: int) -> c_void_p:
        kind = c_int(lt.CUDA_R[data_type])
        layout = self._lt.create("MatrixLayout", kind, c_uint64(rows), c_uint64(columns), c_int64(rows))
        if self._batch > 1:
            for name, value in (("BATCH_COUNT", self._batch), ("STRIDED_BATCH_OFFSET", rows * columns)):
                self._lt.set_attribute("MatrixLayout", layout, lt.CUBLASLT_MATRIX_LAYOUT[name], value)
        return layout

    def heuristics(self, most: int, workspace_bytes: int) -> list[HeuristicResult]:
        """Up to `most` algorithms cuBLASLt would try, its best guess first; none where it has none for the problem.

        Scales and bias come first: which algorithms there are depends on them.
        """
        preference = self._lt.create("MatmulPreference")
        limit = lt.CUBLASLT_MATMUL_PREF["MAX_WORKSPACE_BYTES"]
        self._lt.set_attribute("MatmulPreference", preference, limit, workspace_bytes)
        results, count = (HeuristicResult * most)(), c_int(0)
        problem = (self._lt.handle, self._operation, self._b, self._a, self._out, self._out)
        try:
            self._lt.call("cublasLtMatmulAlgoGetHeuristic", *problem, preference, c_int(most), results, byref(count))
        except CublasLtError as error:
            if error.status == lt.CUBLAS_STATUS_NOT_SUPPORTED:
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
        for name, (attribute, kind) in lt.CUBLASLT_ALGO_CONFIG.items():
            value, written = kind(0), c_size_t(0)
            size = c_size_t(ctypes.sizeof(kind))
            arguments = (byref(algo), c_int(attribute), byref(value), size, byref(written))
            self._lt.call("cublasLtMatmulAlgoConfigGetAttribute", *arguments)
            parts.append(f"{name}={value.value}")
        return ",".join(parts)
