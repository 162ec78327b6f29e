"""Runtimes on a GPU: the logits of the CPU within what the types allow, kernels found by the profiler."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

import torch

from immabench.models.digits_resnet import evaluation, load
from immabench.models.runtimes.base import Artifacts
from immabench.models.runtimes.pytorch import TorchRuntime
from immabench.quantize.recipe_files import BUILT_IN


def _artifacts() -> Artifacts:
    return Artifacts(BUILT_IN["fp32"], load, lambda: pytest.fail("no codes are needed"))


def test_classes_are_those_of_the_cpu() -> None:
    inputs = evaluation().inputs(range(16))
    here, there = (TorchRuntime().prepare(_artifacts(), device).run(inputs) for device in ("cpu", "cuda"))
    assert (here.argmax(1) == there.argmax(1)).all()


def test_kernels_are_the_gpus() -> None:
    inputs = evaluation().inputs(range(4))
    found = {one.name: one for one in TorchRuntime().prepare(_artifacts(), "cuda").inspect(inputs)}
    assert {"conv1", "layer4.1.conv2", "fc"} <= set(found)
    assert not found["conv1"].kernel.startswith("aten::"), "a kernel, and no operator of the host"
    assert torch.cuda.get_device_name() in TorchRuntime().prepare(_artifacts(), "cuda").backend
