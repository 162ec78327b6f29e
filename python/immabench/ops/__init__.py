"""The kernels as torch operators, one a problem: tensors in, new tensors out. Importing this imports torch.

Each is a custom operator `immabench::NAME` with a fake kernel, so that `torch.compile` and `torch.export` see through
it. Where the tensors are decides what computes: on a GPU a kernel, on the current stream: of products the one predicted
to be fastest there, of what stands around them the smallest that is legal (`kernels.choose_companion`); on the CPU an
exact path, the same bits, natively (`kernels/cpu/`). `kernel="emulated"` runs the kernel's own source on
the emulated machine instead, `kernel=ID` that one configuration, on either device.
"""

from immabench.ops import attention, pooling, row_quantize
from immabench.ops import quantize as quantizing
from immabench.ops.conv import conv2d_s8, conv2d_w4a8
from immabench.ops.dispatching import direct
from immabench.ops.exact import pack_panels
from immabench.ops.gemm import gemm_s8, gemm_w4a4
from immabench.ops.gemm_packed import gemm_w4a8, gemm_w4a16, gemm_w8a16
from immabench.ops.weights import PackedWeights, pack_quantized, pack_weights

attention_s8 = direct(attention.attention_s8)
avg_pool2d = direct(pooling.avg_pool2d)
max_pool2d = direct(pooling.max_pool2d)
quantize = direct(quantizing.quantize)
dequantize = direct(quantizing.dequantize)
requantize = direct(quantizing.requantize)
quantize_dynamic = direct(row_quantize.quantize_dynamic)
layernorm_quantize = direct(row_quantize.layernorm_quantize)

__all__ = [
    "PackedWeights",
    "attention_s8",
    "avg_pool2d",
    "conv2d_s8",
    "conv2d_w4a8",
    "dequantize",
    "gemm_s8",
    "gemm_w4a4",
    "gemm_w4a8",
    "gemm_w4a16",
    "gemm_w8a16",
    "layernorm_quantize",
    "max_pool2d",
    "pack_panels",
    "pack_quantized",
    "pack_weights",
    "quantize",
    "quantize_dynamic",
    "requantize",
]
