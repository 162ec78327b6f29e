"""torch's own modules as a runtime."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

import torch
from toy_models import toy_module

from immabench.errors import UsageError
from immabench.models.runtimes.base import Artifacts
from immabench.models.runtimes.pytorch import TorchRuntime, TorchSession
from immabench.models.runtimes.torch_profile import ROOT
from immabench.quantize.recipe_files import BUILT_IN, load_recipe

INPUTS = (torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    pass


def session(floats: str) -> TorchSession:
    artifacts = Artifacts(BUILT_IN[floats], toy_module, lambda: pytest.fail("no codes are needed"))
    return TorchRuntime().prepare(artifacts, "cpu")


def test_fp32_is_the_module() -> None:
    with torch.no_grad():
        want = toy_module()(*INPUTS).numpy()
    np.testing.assert_array_equal(session("fp32").run(INPUTS), want)


@pytest.mark.parametrize(("floats", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_halves_are_the_module_in_that_type(floats: str, dtype: torch.dtype) -> None:
    with torch.no_grad():
        want = toy_module().to(dtype)(INPUTS[0].to(dtype)).float().numpy()
    made = session(floats)
    np.testing.assert_array_equal(made.run(INPUTS), want)
    assert made.run(INPUTS).dtype == np.float32
    assert made.size_bytes * 2 == session("fp32").size_bytes == 4 * sum(p.numel() for p in toy_module().parameters())
    assert f", eager, {floats}, NCHW, " in made.backend
    assert made.backend.endswith(", 1 threads")


def test_other_shapes_are_one_line() -> None:
    with pytest.raises(UsageError, match=r"the model does not take \[1, 5, 8, 8\] \(.*; give inputs of its size"):
        session("fp32").run((torch.zeros(1, 5, 8, 8),))


def test_codes_are_not_run() -> None:
    assert "have no codes" in TorchRuntime().unsupported(load_recipe("resnet18", "w8a8"))
    assert [TorchRuntime().unsupported(recipe) for recipe in BUILT_IN.values()] == ["", "", ""]


def test_inspection_names_every_module_in_order_and_leaves_no_hook() -> None:
    made = session("fp32")
    found = made.inspect(INPUTS)
    assert [one.name for one in found] == [ROOT, "conv1", "conv2", "fc"], "relu, add and mean are the model's own"
    assert [one.op for one in found] == ["Toy", "Conv2d", "Conv2d", "Linear"]
    assert all(one.kernel.startswith("aten::") and one.time_us > 0 for one in found)
    assert found[3].kernel == "aten::addmm"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in made._module.modules())


def test_converting_is_no_computing() -> None:
    root = session("bf16").inspect(INPUTS)[0]
    assert root.name == ROOT
    assert root.reformat_us > 0, "inputs are float32"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of inductor's own imports
def test_compiled_is_right_and_has_one_line() -> None:
    artifacts = Artifacts(BUILT_IN["fp32"], toy_module, lambda: pytest.fail("no codes are needed"))
    made = TorchRuntime("torch-compiled", compiled=True).prepare(artifacts, "cpu")
    # Sums of at most 288 products in another order: each of the three layers is off by less than
    # 288 * 2^-24 of the sum of magnitudes, which is below 10 here.
    np.testing.assert_allclose(made.run(INPUTS), session("fp32").run(INPUTS), rtol=0, atol=3 * 288 * 2.0**-24 * 10)
    assert "inductor" in made.backend
    assert [one.name for one in made.inspect(INPUTS)] == [ROOT]
