"""The kernels as torch operators, one a problem: tensors in, a new tensor out. Importing this imports torch.

Each is a custom operator `immabench::NAME` with a fake kernel, so that `torch.compile` and `torch.export` see through
it. Where the tensors are decides what computes: on a GPU the kernel predicted to be fastest there, on the current
stream; on the CPU an exact path made of `torch._int_mm`, the same bits. `kernel="emulated"` runs the kernel's own
source on the emulated machine instead, `kernel=ID` that one configuration, on either device.
"""

from immabench.ops.attention import attention_s8
from immabench.ops.conv import conv2d_s8
from immabench.ops.gemm import gemm_s8

__all__ = ["attention_s8", "conv2d_s8", "gemm_s8"]
