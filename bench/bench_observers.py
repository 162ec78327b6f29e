"""What observing costs: ResNet-18 over 512 images with all that calibrators ask for, against the same pass without.

Target: at most twice the pass without, so that all six calibrators cost less than one more pass each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.models.torch_compat import import_torchvision  # noqa: E402
from immabench.quantize.calibrators import CALIBRATORS, calibrate  # noqa: E402
from immabench.quantize.observing import observe  # noqa: E402
from immabench.quantize.schemes import TensorScheme  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

IMAGES, BATCH, ROUNDS = 512, 16, 3
TARGET = 2.0
Figure = Callable[[str], None]


def images(count: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches of one random batch: where images come from is not measured."""
    batch = torch.randn(min(BATCH, count), 3, 224, 224)
    yield from ((batch,) for _ in range(count // len(batch)))


def forward(model: TracedModel, count: int) -> None:
    with torch.no_grad():
        for inputs in images(count):
            model.graph(*inputs)


def test_observers(benchmark: BenchmarkFixture, figure: Figure) -> None:
    import_torchvision()
    from torchvision.models import resnet18

    count, rounds = (IMAGES, ROUNDS) if benchmark.enabled else (2, 1)
    model = TracedModel.of(resnet18().eval(), (torch.randn(2, 3, 224, 224),), ({0: "batch"},))
    plain, observing = [], []
    for _ in range(rounds):  # in turn, so that what else the machine does meets both
        for times, run in ((plain, lambda: forward(model, count)), (observing, lambda: observe(model, images(count)))):
            start = perf_counter()
            run()
            times.append(perf_counter() - start)
    seen = benchmark.pedantic(lambda: observe(model, images(count)), rounds=1)
    start = perf_counter()
    for observer in seen.observers.values():
        for name in CALIBRATORS:
            calibrate(observer, TensorScheme(8, symmetric=False), name)
    deciding = perf_counter() - start
    ratio = median(observing) / median(plain)
    figure(
        f"observers, ResNet-18, {count} images: {median(observing):.1f} s, {median(plain):.1f} s without: {ratio:.2f}x "
        f"(at most {TARGET:.0f}x); six calibrators of {len(seen.observers)} values then decide in {deciding:.1f} s"
    )
    assert ratio <= TARGET or not benchmark.enabled
