"""Weights rearranged into fragment-major blocks by a kernel: once a model, and so a step with a row of its own.

The other launches of these kernels take blocks that `packing.FRAGMENT_LAYOUTS` made on the host, the oracle of this.
"""

from __future__ import annotations

import numpy as np

from immabench.kernels import KernelConfig, native
from immabench.packing.fragments import LANE_BYTES, LANES
from immabench.providers.base import Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.native_call import becomes_unsigned, fragment_layout, placed
from immabench.providers.native_launch import EMULATED_BACKEND, CudaLaunch, EmulatedLaunch, cuda_backend

FAMILY = "reorder_weights"
"""The family of the kernel."""

BLOCK_BYTES = LANES * LANE_BYTES
POISON = 0x5A
"""What the blocks hold until a launch writes them."""


class Reordering:
    """The weights' codes rearranged for `consumer`, by a kernel: where they go, and the product with what lies there.

    What groups of weights have is not part of the step: `multiply` packs that on the host.
    """

    packs_also: tuple[str, ...] = ()

    def __init__(self, config_id: str, consumer: KernelConfig, buffers: Buffers) -> None:
        problem, layout = buffers.problem, fragment_layout(buffers.problem)
        self._config_id, self._consumer, self._buffers = config_id, consumer, buffers
        shape = (*layout.packed_shape(problem.n, problem.k)[:2], BLOCK_BYTES)
        self._packed = placed(np.full(shape, POISON, np.uint8), buffers.device_kind)
        self._options = {"layout": layout.name, "to_unsigned": becomes_unsigned(consumer, problem)}


class EmulatedReordering(Reordering):
    """The step on the emulated machine, whose counts are those of the reordering alone."""

    backend = EMULATED_BACKEND
    timed = False
    emulation: Emulation | None = None

    def launch(self) -> None:
        call = native().emulate_reorder_weights
        self.emulation = Emulation.of(call(self._config_id, self._buffers.b, self._packed, **self._options))

    def multiply(self) -> None:
        EmulatedLaunch(self._consumer.id, self._buffers, packed={"b": self._packed}).launch()


class CudaReordering(Reordering):
    """The step on a GPU, on torch's stream."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, config_id: str, consumer: KernelConfig, buffers: Buffers) -> None:
        import torch

        super().__init__(config_id, consumer, buffers)
        self._current_stream = torch.cuda.current_stream
        self.backend = cuda_backend()

    def launch(self) -> None:
        stream = int(self._current_stream().cuda_stream)
        call = native().launch_reorder_weights
        call(self._config_id, self._buffers.b, self._packed, **self._options, stream=stream)

    def multiply(self) -> None:
        CudaLaunch(self._consumer.id, self._buffers, packed={"b": self._packed}).launch()
