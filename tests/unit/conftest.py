"""A native module made of numpy, for tests of the library that must not depend on what was compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from immabench.data_types import bf16_to_f32, pack_s4
from immabench.numerics import gemm_reference, quantize
from immabench.operands import OPERAND_NAMES, Operands
from immabench.problems import Problem

RESIDUALS = {"float32": "f32", "float16": "f16", "uint16": "bf16", "int8": "s8"}

TILES = {
    "imma_s8s8s32_128x128x64_w2x4_s3_sm80": ((128, 128, 64), (2, 4), 3),
    "imma_s8s8s32_64x64x64_w2x2_s4_sm80": ((64, 64, 64), (2, 2), 4),
    "imma_s8s8s32_16x64x128_w1x4_s2_sm80": ((16, 64, 128), (1, 4), 2),
}

CUTLASS_TILES = {
    "cutlass_s8s8s32_64x64x128_w2x2_s5_sm80": ((64, 64, 128), (2, 2), 5),
    "cutlass_s8s8s32_128x128x64_w2x2_s4_sm80": ((128, 128, 64), (2, 2), 4),
}

QUANTIZER = {
    "id": "quantize_t256_sm80",
    "family": "quantize",
    "provider": "handwritten",
    "architectures": ["sm_80", "sm_90a"],
    "operand_types": {"x": "f32|f16|bf16", "codes": "s8|s4"},
    "threads": 256,
    "shared_bytes": 0,
    "row_threads": None,
    "resident_columns": None,
    "streams": False,
    "block_tile": None,
}


class FakeNative(ModuleType):
    """The interface of `immabench._native`. Tests change `illegal`, `corrupt`, `hazards`, `devices`,
    `cutlass_version`, `has_cutlass` and `has_companions`."""

    def __init__(self) -> None:
        super().__init__("immabench._native")
        self.has_companions = False
        self.has_cutlass = False
        self.illegal: dict[str, str] = {}
        self.corrupt: set[str] = set()
        self.hazard_orders: set[str] = set()
        self.devices: list[dict[str, Any]] = []
        self.cutlass_version: str | None = "4.2.0"
        self.orders_seen: list[str] = []
        self.cpu_runs: list[tuple[str, int]] = []
        self.reads: list[tuple[int, int, int]] = []

    def build_info(self) -> dict[str, Any]:
        cuda = bool(self.devices)
        version = "13.0" if cuda else None
        architectures = ["sm_80", "sm_90a"] if cuda else []
        return {
            "version": "0.1.0",
            "cuda": cuda,
            "cuda_version": version,
            "cutlass_version": self.cutlass_version if cuda else None,
            "architectures": architectures,
            "compiler": "numpy",
            "simd": "numpy",
        }

    def cuda_devices(self) -> dict[str, Any]:
        if self.devices:
            return {"status": 0, "error": "", "devices": self.devices}
        return {"status": 35, "error": "CUDA driver version is insufficient", "devices": []}

    def kernels(self) -> list[dict[str, Any]]:
        return [_kernel(name, *tile) for name, tile in TILES.items()]

    def cutlass_kernels(self) -> list[dict[str, Any]]:
        entries = [{**_kernel(name, *tile), "provider": "cutlass"} for name, tile in CUTLASS_TILES.items()]
        return entries if self.has_cutlass else []

    def companions(self) -> list[dict[str, Any]]:
        return [QUANTIZER] if self.has_companions else []

    def companion_illegal_reason(self, kernel_id: str, rows: int, columns: int) -> str | None:
        return self.illegal.get(kernel_id)

    def emulate_quantize(self, kernel_id: str, x: Any, codes: Any, scale: Any, **options: Any) -> dict[str, Any]:
        self.orders_seen.append(options["order"])
        spread = {"row": scale.reshape(-1, 1)}.get(options["granularity"], scale)
        zero = options["zero_point"].reshape(spread.shape)
        values = x.astype(np.float32) if x.dtype != np.uint16 else bf16_to_f32(x)
        packed = codes.dtype == np.uint8
        found = quantize(values, spread, zero, *((-8, 7) if packed else (-128, 127)))
        codes[...] = pack_s4(found) if packed else found
        if kernel_id in self.corrupt:
            codes.reshape(-1)[-1] ^= 1
        return self._report(options["order"], 0)

    def illegal_reason(self, kernel_id: str, m: int, n: int, k: int, output_type: str, **options: Any) -> str | None:
        return self.illegal.get(kernel_id)

    def emulate_gemm(
        self, kernel_id: str, a: Any, b: Any, out: Any, *, output_type: str, **options: Any
    ) -> dict[str, Any]:
        self.orders_seen.append(options["order"])
        operands = Operands(a, b, **{name: options[name] for name in OPERAND_NAMES if name in options})
        epilogue = {name: options.get(name) for name in ("row_scale", "col_scale", "out_scale", "a_zero")}
        problem = Problem(
            *(a.shape[-2], *b.shape[-2:]),
            batch=a.shape[0] if a.ndim == 3 else 1,
            output_type=output_type,
            bias=operands.bias is not None,
            residual="none" if operands.residual is None else RESIDUALS[operands.residual.dtype.name],
            activation=options.get("activation", "none"),
            out_zero=operands.out_zero is not None,
            **{name: "none" if values is None else "vector" for name, values in epilogue.items()},
        )
        out[...] = gemm_reference(problem, operands)
        if kernel_id in self.corrupt:
            out.reshape(-1)[-1] = 0 if out.reshape(-1)[-1] else 1
        return self._report(options["order"], problem.macs)

    def _report(self, order: str, macs: int) -> dict[str, Any]:
        hazards = [HAZARD] if order in self.hazard_orders else []
        return {
            "hazards": hazards,
            "hazard_total": len(hazards),
            "blocks": 1,
            "macs": macs,
            "seconds": 0.001,
            "counts": COUNTS,
            "lines": [LINE],
        }

    def ceilings(self) -> list[dict[str, Any]]:
        return [
            _cpu_rate("dot", "avx512_vnni", 128, 64, 12, True),
            _cpu_rate("tiles", "amx_int8", 32768, 1024, 4, False),
        ]

    def run_cpu_rate(self, name: str, operands: Any, out: Any, *, iterations: int) -> None:
        assert out.shape[1:] == (operands.shape[0] - 3, operands.shape[1])
        self.cpu_runs.append((name, iterations))

    def add_chain(self, start: int, step: int, additions: int) -> int:
        return start + step * additions

    def read_memory(self, source: Any, *, repeats: int, threads: int) -> int:
        self.reads.append((source.nbytes, repeats, threads))
        return 0


HAZARD = {"kind": "race", "detail": "two writes", "file": "gemm.cuh", "line": 7, "block": 5, "thread": 3}
_MEMORY = {"requests": 4, "bytes": 2048, "ideal": 16}
COUNTS = {
    "mma": 8,
    "wgmma": 0,
    "macs": 8 * 16 * 8 * 32,
    "barriers": 2,
    **{name: {**_MEMORY, "wavefronts": 16} for name in ("ldmatrix", "shared_load", "shared_store")},
    **{name: {**_MEMORY, "sectors": 16} for name in ("global_load", "global_store", "global_atomic")},
    "async_copy": {**_MEMORY, "sectors": 16, "wavefronts": 18, "ideal_wavefronts": 16},
}
LINE = {
    "file": "gemm.cuh",
    "line": 42,
    "operation": "ldmatrix",
    "requests": 4,
    "bytes": 2048,
    "units": 20,
    "ideal": 16,
    "unit": "wavefronts",
}


@pytest.fixture
def fake_native(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNative]:
    """Put a fresh fake in place of the compiled module for one test, without the tiles of the CuTe DSL."""
    from immabench import cute_dsl_tiles
    from immabench.kernels import companion_configs, cutlass_configs, kernel_configs
    from immabench.predict import select

    fake = FakeNative()
    monkeypatch.setitem(sys.modules, "immabench._native", fake)
    monkeypatch.setattr(cute_dsl_tiles, "TILES", ())
    tables = (kernel_configs, cutlass_configs, companion_configs, cute_dsl_tiles.cute_dsl_configs, select)
    for cached in tables:
        cached.cache_clear()
    yield fake
    for cached in tables:
        cached.cache_clear()


@pytest.fixture
def torch_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the torch provider believe that torch is there; plans never import it."""
    monkeypatch.setattr("immabench.providers.torch_matmul.metadata.version", lambda name: "2.13.0")


def _kernel(name: str, block: tuple[int, int, int], warps: tuple[int, int], stages: int) -> dict[str, Any]:
    return {
        "id": name,
        "family": "gemm_s8",
        "provider": "handwritten",
        "architectures": ["sm_80", "sm_90a"],
        "operand_types": {"a": "s8", "b": "s8", "accumulator": "s32"},
        "output_types": ["s32", "f32", "f16", "bf16"],
        "block_tile": list(block),
        "warps": list(warps),
        "warp_tile": [block[0] // warps[0], block[1] // warps[1]],
        "stages": stages,
        "threads": 32 * warps[0] * warps[1],
        "shared_bytes": stages * (block[0] + block[1]) * block[2],
        "mma": "m16n8k32",
    }


def _cpu_rate(
    name: str, feature: str, operations: int, vector_bytes: int, chains: int, present: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "device": "cpu",
        "operand_type": "s8",
        "accumulator": "s32",
        "operations": operations,
        "present": present,
        "feature": feature,
        "vector_bytes": vector_bytes,
        "chains": chains,
    }


def _column(scale: Any) -> Any:
    return None if scale is None else scale.reshape(-1, 1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread: tiny models lose by more, and sums in one order come out the same each time."""
    torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
