"""From tensors to a launch: by the kernel predicted to be fastest, by one that is named, or by torch's exact path."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch

from immabench.errors import UsageError
from immabench.hardware import GPUS, cuda_state
from immabench.kernels import illegal_reason, is_emulated, kernel_config
from immabench.operands import OPERAND_NAMES
from immabench.ops.epilogue import Epilogue, TensorKind, dtype_of
from immabench.ops.exact import compute_exactly
from immabench.ops.watching import tell
from immabench.predict import machine_of, machine_of_device
from immabench.predict.selection import select
from immabench.problems import Problem
from immabench.providers.native_launch import EMULATED_GPU, CudaLaunch, EmulatedLaunch
from immabench.providers.torch_tensors import to_numpy

EMULATED = "emulated"


class Product(NamedTuple):
    """The operands of a call that are multiplied. `packed` is what kernels take in the place of some, by name."""

    a: torch.Tensor
    b: torch.Tensor
    packed: dict[str, torch.Tensor]


class TensorBuffers:
    """The memory of one call as launches read it (`providers.buffers.Buffers`): somebody's tensors and a new output."""

    def __init__(self, problem: Problem, tensors: dict[str, torch.Tensor | None], out: torch.Tensor) -> None:
        self.problem = problem
        self.device_kind = "cuda" if out.is_cuda else "cpu"
        self.a: Any
        self.b: Any
        for name in OPERAND_NAMES:
            setattr(self, name, tensors.get(name))
        self.out: Any = out

    def on_host(self) -> TensorBuffers:
        """The same memory as numpy arrays, for the emulated machine."""
        for name in (*OPERAND_NAMES, "out"):
            tensor = getattr(self, name)
            setattr(self, name, None if tensor is None else to_numpy(tensor))
        return self


def launch(problem: Problem, product: Product, epilogue: Epilogue, out_shape: list[int]) -> torch.Tensor:
    """The output of a product whose operands are known to fit. Raises UsageError for a kernel that cannot compute
    it."""
    b = product.b.contiguous()
    if problem.conv and not product.packed:
        b = b.view(problem.n, -1)
    tensors = {"a": product.a.contiguous(), "b": b, **epilogue.operands(problem, b)}
    packed = {name: tensor.contiguous() for name, tensor in product.packed.items()}
    device = product.a.device
    out = torch.empty(problem.of_batch(problem.m, problem.n), dtype=dtype_of(problem.output_type), device=device)
    if device.type == "cpu" and not epilogue.kernel:
        compute_exactly(problem, tensors, packed, out, epilogue.panels)
    else:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            _launch(TensorBuffers(problem, tensors, out), packed, epilogue.kernel)
    return out.view(out_shape)


def expect_one_device(tensors: Mapping[str, torch.Tensor | TensorKind | None]) -> None:
    """Raise UsageError unless all are on one CPU or GPU."""
    devices = {str(tensor.device): name for name, tensor in tensors.items() if tensor is not None}
    if len(devices) > 1:
        places = ", ".join(f"{name} on {device}" for device, name in devices.items())
        raise UsageError(f"operands are on several devices: {places}", "put them on one")


def _launch(buffers: TensorBuffers, packed: dict[str, torch.Tensor], kernel: str) -> None:
    problem: Problem = buffers.problem
    on_gpu = buffers.device_kind == "cuda"
    config_id = _chosen(problem, kernel, on_gpu=on_gpu)
    tell(config_id)
    if on_gpu:
        CudaLaunch(config_id, buffers, packed=packed).launch()  # type: ignore[arg-type]
    else:
        on_host = {name: to_numpy(tensor) for name, tensor in packed.items()}
        EmulatedLaunch(config_id, buffers.on_host(), packed=on_host).launch()  # type: ignore[arg-type]


def _chosen(problem: Problem, kernel: str, *, on_gpu: bool) -> str:
    """The id of the kernel that is named, or predicted to be fastest: on this GPU, or on the one emulation assumes."""
    if kernel in ("", EMULATED):
        return _fastest(problem) if on_gpu else _emulated(problem)
    config = kernel_config(kernel)
    alone = not on_gpu and not is_emulated(config)
    reason = "it runs on a GPU alone" if alone else illegal_reason(config, problem)
    if reason:
        raise UsageError(f"{kernel} cannot compute {problem.key}: {reason}", "leave kernel out")
    return kernel


def _fastest(problem: Problem) -> str:
    """Predicted, on the current GPU."""
    machine = machine_of_device(cuda_state()["devices"][torch.cuda.current_device()])
    return select(problem, machine).config.id


def _emulated(problem: Problem) -> str:
    """Predicted to be fastest on the GPU that emulation assumes, or on the first that has such kernels at all."""
    refused: list[UsageError] = []
    for gpu in (EMULATED_GPU, *GPUS):
        try:
            return select(problem, machine_of(gpu)).config.id
        except UsageError as error:
            refused.append(error)
    raise refused[0]
