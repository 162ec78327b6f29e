"""INT8 GEMMs written in the CuTe DSL: compiled without a GPU, kept as cubins, launched through the CUDA driver."""

from __future__ import annotations

from immabench.cute_dsl.objects import (
    PACKAGE,
    Specialization,
    compiler_lack,
    cubin_of,
    find_cubin,
    object_folder,
    specializations,
    uncompiled_reason,
)

__all__ = [
    "PACKAGE",
    "Specialization",
    "compiler_lack",
    "cubin_of",
    "find_cubin",
    "object_folder",
    "specializations",
    "uncompiled_reason",
]
