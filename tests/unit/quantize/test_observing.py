"""One pass over calibration data: what observers and means are fed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="calibration is torch's: pip install 'immabench[models]'")

from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize import Observer  # noqa: E402
from immabench.quantize.observing import Mean, observe  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402

BATCHES = [(random(4, 3, 8, 8, seed=0),), (random(3, 3, 8, 8, seed=1),)]


def by_hand(model: nn.Module) -> dict[str, list[torch.Tensor]]:
    """What some layers of a small ResNet read, batch by batch."""
    found: dict[str, list[torch.Tensor]] = {"stem": [], "same.conv1": [], "head": []}
    with torch.no_grad():
        for (images,) in BATCHES:
            stem = model.stem(images).relu()
            found["stem"].append(images)
            found["same.conv1"].append(stem)
            found["head"].append(model.average(model.wider(model.same(model.pool(stem)))))
    return found


def test_observers_are_those_fed_by_hand() -> None:
    model = small_resnet()
    found = traced(model, 2, 3, 8, 8)
    seen = observe(found, BATCHES)
    stored = {layer.name: layer.input.stored for layer in found.layers}
    for name, batches in by_hand(model).items():
        if name == "head":
            continue  # behind folded layers values differ in the last bits
        want = Observer()
        for batch in batches:
            want.observe(batch)
        got = seen.observers[stored[name]]
        assert (got.low, got.high, got.average_low, got.average_high) == (
            want.low,
            want.high,
            want.average_low,
            want.average_high,
        )
        assert (got.histogram.counts == want.histogram.counts).all()
        assert got.batches == 2


def test_what_a_pooled_layer_reads_is_observed_where_it_is_stored() -> None:
    """The maxima of 2x2 pixels are not what lies in memory: all pixels are."""
    found = traced(small_resnet(), 2, 3, 8, 8)
    layer = next(layer for layer in found.layers if layer.name == "same.conv1")
    assert observe(found, BATCHES).observers[layer.input.stored].histogram.total == 7 * 8 * 8 * 8


def test_every_operand_has_an_observer_and_every_product_a_mean() -> None:
    known = architecture("bert")
    seen = observe(known.traced, [known.inputs, known.others])
    assert {operand.stored for layer in known.traced.layers for operand in layer.operands} == set(seen.observers)
    assert set(seen.means) == {layer.name for layer in known.traced.products}
    assert seen.samples == 5


def test_means_are_of_all_samples() -> None:
    model = small_resnet()
    seen = observe(traced(model, 2, 3, 8, 8), BATCHES)
    images = torch.cat([images for (images,) in BATCHES]).double()
    # Both are sums of 7 numbers in float64; they round once to float32.
    torch.testing.assert_close(seen.means["stem"].value, images.mean(0).float(), rtol=2**-23, atol=2**-40)
    assert seen.means["head"].value.shape == (16,)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 4), (3, 2, 5, 4)])
def test_means_of_linear_layers_are_over_all_rows(shape: tuple[int, ...]) -> None:
    found = traced(seeded(lambda: nn.Sequential(nn.Linear(4, 2))), *shape)
    x = random(*shape, seed=3)
    mean = observe(found, [(x,)]).means["0"].value
    torch.testing.assert_close(mean, x.double().reshape(-1, 4).mean(0).float(), rtol=2**-23, atol=2**-40)


def test_the_pass_is_one() -> None:
    runs = []

    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)

    found = traced(seeded(lambda: Lambda(forward, linear=nn.Linear(4, 2))), 2, 4)

    def batches() -> Iterator[tuple[torch.Tensor, ...]]:
        for seed in range(3):
            runs.append(seed)
            yield (random(2, 4, seed=seed),)

    heard: list[int] = []
    seen = observe(found, batches(), heard.append)
    assert (runs, heard, seen.samples) == ([0, 1, 2], [2, 4, 6], 6)


def test_the_model_stays_as_it_is() -> None:
    found = traced(small_resnet(), 2, 3, 8, 8)
    before = found.graph(BATCHES[0][0])
    observe(found, BATCHES)
    assert torch.equal(found.graph(BATCHES[0][0]), before)


@pytest.mark.parametrize("batches", [[], [(torch.zeros(0, 3, 8, 8),)]])
def test_no_data_is_refused(batches: list[tuple[torch.Tensor, ...]]) -> None:
    with pytest.raises(UsageError, match="no calibration data; give at least one sample"):
        observe(traced(small_resnet(), 2, 3, 8, 8), batches)


def any_size() -> TracedModel:
    """Convolutions of images of any size."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)))
    return TracedModel.of(model, (random(2, 3, 8, 9),), ({0: "batch", 2: "height", 3: "width"},))


def test_images_of_several_sizes_have_ranges_but_no_mean() -> None:
    seen = observe(any_size(), [(random(2, 3, 8, 8),), (random(2, 3, 6, 8),)])
    assert seen.samples == 4
    assert all(one.batches == 2 for one in seen.observers.values())
    message = r"calibration images of \[3, 6, 8\] and of \[3, 8, 8\] have no mean; calibrate with images of one size"
    with pytest.raises(UsageError, match=message):
        _ = seen.means["0"].value


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_name_the_layer(bad: float) -> None:
    model = Lambda(lambda self, x: self.b(self.a(x).log()), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    model.a.weight.data.zero_()
    model.a.bias.data.copy_(torch.tensor([1.0, 2.0, -1.0 if bad != bad else 0.0, 3.0]))
    with pytest.raises(UsageError, match=r"^b reads 2 values that are NaN or infinite; look at weights and data$"):
        observe(traced(model, 2, 4), [(random(2, 4),)])


def test_a_mean_of_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="something was added"):
        _ = Mean().value
