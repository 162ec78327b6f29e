"""Every multiply-accumulate of ResNet-18 by the kernels' CUDA source, on the CPU, for one image: how long that takes.

Target: 5 s on two cores, bits as by the exact path.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.models import resnet18  # noqa: E402
from immabench.models.integer import lower  # noqa: E402
from immabench.quantize import ptq  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.recipe_files import load_recipe  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

TARGET_SECONDS = 5.0
Figure = Callable[[str], None]


def test_emulated_resnet18(benchmark: BenchmarkFixture, figure: Figure) -> None:
    size = 224 if benchmark.enabled else 32
    images = torch.randn(2, 3, size, size)
    model = TracedModel.of(resnet18.build(), (images,), ({0: "batch"},))
    recipe = load_recipe("resnet18", "w8a8")
    quantized = ptq.quantize(model, recipe, observe(model, [(images,)]))
    emulated, image = lower(quantized, "emulated"), images[:1]
    times = []

    def run() -> torch.Tensor:
        start = perf_counter()
        logits: torch.Tensor = emulated(image)
        times.append(perf_counter() - start)
        return logits

    logits = benchmark.pedantic(run, rounds=3 if benchmark.enabled else 1)
    assert torch.equal(logits, lower(quantized)(image))
    macs = sum(layer.macs for layer in model.products)
    if benchmark.enabled:
        figure(f"ResNet-18, one image emulated: {min(times):.2f} s, {macs / min(times) / 1e9:.2f} G MAC/s")
        assert min(times) < TARGET_SECONDS
