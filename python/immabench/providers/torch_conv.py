"""torch's convolutions: of floats its own, of int8 patches in memory and `torch._int_mm`, as it has none."""

from __future__ import annotations

from typing import Any

from immabench.convolution import Convolution
from immabench.providers.base import Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.torch_epilogue import TorchEpilogue
from immabench.providers.torch_tensors import shared_tensor


class IntegerConvolution:
    """The patches of an image gathered anew in each launch, then as for matrices."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        import torch

        convolution = _convolution(buffers)
        self.backend = f"torch-{buffers.device_kind}:im2col, _int_mm"
        self._int_mm, self._epilogue = torch._int_mm, TorchEpilogue(buffers)
        self._image, self._bt = shared_tensor(buffers.a), shared_tensor(buffers.b).transpose(-1, -2)
        (top, left), (_, height, width, channels) = convolution.padding, convolution.image_shape
        sizes = (convolution.images, height + 2 * top, width + 2 * left, channels)
        self._zero = shared_tensor(buffers.a_zero)
        self._padded = torch.zeros(sizes, dtype=torch.int8, device=self._image.device)
        self._inside = self._padded[:, top : top + height, left : left + width]
        self._windows = _windows(convolution, self._padded)
        self._patches = torch.empty(self._windows.shape, dtype=torch.int8, device=self._image.device)

    def launch(self) -> None:
        if self._zero is not None:
            self._padded.copy_(self._zero)
        self._inside.copy_(self._image)
        self._patches.copy_(self._windows)
        self._int_mm(self._patches.view(-1, self._bt.shape[0]), self._bt, out=self._epilogue.total)
        self._epilogue.launch()


class FloatConvolution:
    """`torch.nn.functional.conv2d` of an image in channels_last, copied into the output since it takes none."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        from torch.nn.functional import conv2d

        convolution, data_type = _convolution(buffers), buffers.problem.a_type
        self.backend = f"torch-{buffers.device_kind}:conv2d, copy"
        # NHWC in memory under the name NCHW is what torch calls channels_last.
        self._image = shared_tensor(buffers.a, data_type).permute(0, 3, 1, 2)
        filters = shared_tensor(buffers.b, data_type)
        self._filters = filters.view(-1, *convolution.filter, convolution.channels).permute(0, 3, 1, 2)
        self._bias, out = shared_tensor(buffers.bias, data_type), shared_tensor(buffers.out, data_type)
        images, height, width = convolution.images, convolution.out_height, convolution.out_width
        self._out = out.view(images, height, width, -1).permute(0, 3, 1, 2)
        self._conv2d, self._convolution = conv2d, convolution

    def launch(self) -> None:
        c = self._convolution
        result = self._conv2d(self._image, self._filters, self._bias, c.stride, c.padding, c.dilation)
        self._out.copy_(result)


def _convolution(buffers: Buffers) -> Convolution:
    convolution = buffers.problem.convolution
    assert convolution is not None
    return convolution


def _windows(c: Convolution, padded: Any) -> Any:
    """A view of a padded image: what each pixel's filter meets, [images, out_height, out_width, r, s, channels]."""
    n, h, w, channel = padded.stride()
    shape = (c.images, c.out_height, c.out_width, *c.filter, c.channels)
    steps = (n, h * c.stride[0], w * c.stride[1], h * c.dilation[0], w * c.dilation[1], channel)
    return padded.as_strided(shape, steps)
