"""The kernels as torch operators, one a problem: tensors in, a new tensor out. Importing this imports torch.

Each is a custom operator `immabench::NAME` with a fake kernel, so that `torch.compile` and `torch.export` see through
it. Where the tensors are decides what computes: on a GPU the kernel predicted to be fastest there, on the current
stream; on the CPU an exact path made of `torch._int_mm`, the same bits. `kernel="emulated"` runs the kernel's own
source on the emulated machine instead, `kernel=ID` that one configuration, on either device.
"""

from immabench.ops.conv import conv2d_s8, conv2d_w4a8
from immabench.ops.gemm import gemm_s8, gemm_w4a4
from immabench.ops.gemm_packed import gemm_w4a8, gemm_w4a16, gemm_w8a16
from immabench.ops.weights import PackedWeights, pack_quantized, pack_weights

__all__ = [
    "PackedWeights",
    "conv2d_s8",
    "conv2d_w4a8",
    "gemm_s8",
    "gemm_w4a4",
    "gemm_w4a8",
    "gemm_w4a16",
    "gemm_w8a16",
    "pack_quantized",
    "pack_weights",
]
