"""Compiles the kernels of the CuTe DSL to machine code. Needs the package, no GPU; seconds a kernel."""

from __future__ import annotations

import re
import tempfile
from typing import Any

from immabench.cute_dsl.objects import DISTRIBUTION, PACKAGE, Specialization
from immabench.cute_dsl_tiles import ARCHITECTURE
from immabench.errors import ImmabenchError
from immabench.kernels import KernelConfig, kernel_config

PARAMETER_BYTES = (128, 8, 128, 8, *(8,) * 4, *(4,) * 6)
"""The kernel's parameters as `launch` passes them: tensor map and sizes of A and of B, four pointers, six int32."""

_PARAMETER = re.compile(r"^\s*\.param (?:\.align \d+ )?\.(b8|u32|u64)\b.*?(?:\[(\d+)\])?,?$", re.MULTILINE)


def compile_cubin(specialization: Specialization) -> bytes:
    """The machine code of one kernel. Raises ImmabenchError where it does not take what `launch` passes."""
    compiled = compiled_function(specialization)
    found = parameter_bytes(compiled.__ptx__)
    if found != PARAMETER_BYTES:
        what = f"{DISTRIBUTION} passes parameters of {found} bytes to {specialization.config_id}, not {PARAMETER_BYTES}"
        raise ImmabenchError(what, f"pip install {PACKAGE}")
    return bytes(compiled.__cubin__)


def parameter_bytes(ptx: str) -> tuple[int, ...]:
    """The sizes of the parameters of the one kernel in `ptx`."""
    sizes = {"b8": 1, "u32": 4, "u64": 8}
    return tuple(sizes[kind] * int(count or 1) for kind, count in _PARAMETER.findall(ptx.partition("{")[0]))


def compiled_function(specialization: Specialization) -> Any:
    """What the DSL makes of one kernel, host code for its launch included. Operands are stood for by their types."""
    import cutlass
    from cutlass import cute
    from cutlass.cute.runtime import make_ptr

    def pointer(element: Any, alignment: int) -> Any:
        return make_ptr(element, 1 << 20, cute.AddressSpace.gmem, assumed_align=alignment)

    output = output_types()[specialization.output_type]
    matrices = [pointer(element, 16) for element in (cutlass.Int8, cutlass.Int8, output)]
    vectors = [pointer(cutlass.Float32, 4) for _ in range(3)]
    sizes = [cutlass.Int32(1) for _ in range(7)]
    with tempfile.TemporaryDirectory() as folder:
        options = f"--gpu-arch {ARCHITECTURE} --keep-cubin --keep-ptx --dump-dir {folder}"
        return cute.compile(
            _kernel(kernel_config(specialization.config_id), output), *matrices, *vectors, *sizes, options=options
        )


def _kernel(config: KernelConfig, output: Any) -> Any:
    from immabench.cute_dsl.hopper_gemm import HopperGemm

    return HopperGemm(config.block_tile, config.cluster[0], config.stages, output)


def output_types() -> dict[str, Any]:
    """The DSL's types by our names."""
    import cutlass

    return {"s32": cutlass.Int32, "f32": cutlass.Float32, "f16": cutlass.Float16, "bf16": cutlass.BFloat16}
