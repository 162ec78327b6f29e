"""An integer model on a GPU as one CUDA graph: all its kernels are launched at once, for inputs of one shape."""

from __future__ import annotations

import torch

from immabench.errors import UsageError
from immabench.models.integer.model import IntegerModel

WARM_RUNS = 3
"""Before capture, on a stream of its own, as torch.cuda.graphs has it: kernels are chosen and memory is found."""


class CapturedModel:
    """`model` captured for inputs of the shapes and types of `inputs`, on its GPU.

    Runs before the capture look at values, as the lengths that masks leave; replays cannot.
    """

    def __init__(self, model: IntegerModel, *inputs: torch.Tensor) -> None:
        self._inputs = tuple(one.clone() for one in inputs)
        self._graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_RUNS):
                model(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(self._graph):
            self._output = model(*self._inputs)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The model's output, valid until the next call. Raises UsageError for inputs of another shape or type."""
        for given, held in zip(inputs, self._inputs, strict=True):
            if (given.shape, given.dtype) != (held.shape, held.dtype):
                shapes = f"{list(given.shape)} {given.dtype}, captured were {list(held.shape)} {held.dtype}"
                raise UsageError(f"an input is {shapes}", "capture the model for it")
            held.copy_(given)
        self._graph.replay()
        return self._output
