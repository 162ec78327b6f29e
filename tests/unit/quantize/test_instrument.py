"""Probes and slots change nothing by themselves, see what is stored, and let quantizers in."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import TEXT, Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.quantize.instrument import Remembering, instrument  # noqa: E402
from immabench.quantize.quantizers import Rounding  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402


class Scaled(nn.Module):
    """A quantizer that anyone would notice, and that counts its work."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor, self.calls = factor, 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return values * self.factor


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "resnet20", *TEXT])
def test_without_quantizers_every_bit_is_the_graphs(name: str) -> None:
    known = architecture(name)
    made = instrument(known.traced.graph, known.traced.layers)
    with torch.no_grad():
        assert torch.equal(made.graph(*known.others), known.traced.graph(*known.others))
    assert set(made.slots) == {operand.name for layer in known.traced.layers for operand in layer.operands}


def test_the_graph_stays_as_it_is() -> None:
    model = traced(small_resnet(), 2, 3, 8, 8)
    before = [node.name for node in model.graph.graph.nodes]
    made = instrument(model.graph, model.layers, Rounding("bf16"))
    made.slots["stem.input"].quantizer = Scaled()
    assert [node.name for node in model.graph.graph.nodes] == before
    assert torch.equal(model.graph(random(2, 3, 8, 8)), traced(small_resnet(), 2, 3, 8, 8).graph(random(2, 3, 8, 8)))


def two_layers() -> tuple[nn.Module, TracedModel]:
    """Convolutions a and b of relu(a), b adding what it reads, then a linear layer."""

    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x).relu()
        return self.head((self.b(y) + y).relu().mean([2, 3]))

    parts = {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 3, padding=1), "head": nn.Linear(4, 2)}
    model = seeded(lambda: Lambda(forward, **parts))
    return model, traced(model, 2, 3, 6, 6)


def test_each_slot_is_at_its_operand() -> None:
    model, found = two_layers()
    x = random(2, 3, 6, 6)
    y = model.a(x).relu()
    want = {
        "a.input": lambda: model.head((model.b(z := model.a(2 * x).relu()) + z).relu().mean([2, 3])),
        "b.input": lambda: model.head((model.b(2 * y) + y).relu().mean([2, 3])),
        "b.residual": lambda: model.head((model.b(y) + 2 * y).relu().mean([2, 3])),
        "head.input": lambda: model.head(2 * (model.b(y) + y).relu().mean([2, 3])),
    }
    with torch.no_grad():
        for name, reference in want.items():
            made = instrument(found.graph, found.layers)
            made.slots[name].quantizer = Scaled()
            assert torch.equal(made.graph(x), reference()), name


def test_layers_whose_names_differ_by_a_dot_alone_have_slots_of_their_own() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Sequential()
            self.a.b = nn.Linear(4, 4)
            self.a_b = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a_b(self.a.b(x))

    model = seeded(Outer)
    found = traced(model, 2, 4)
    made = instrument(found.graph, found.layers)
    made.slots["a.b.input"].quantizer = Scaled(3.0)
    made.slots["a_b.input"].quantizer = Scaled(5.0)
    x = random(2, 4)
    with torch.no_grad():
        assert torch.equal(made.graph(x), model.a_b(5 * model.a.b(3 * x)))


def test_probes_see_the_values_that_are_stored() -> None:
    model, found = two_layers()
    made = instrument(found.graph, found.layers)
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in made.probes}
    for name, probe in made.probes.items():
        probe.watchers.append(seen[name].append)
    x = random(2, 3, 6, 6)
    with torch.no_grad():
        made.graph(x)
        y = model.a(x).relu()
        out = (model.b(y) + y).relu()
    layers = {layer.name: layer for layer in found.layers}
    assert torch.equal(seen[layers["a"].input.stored][0], x)
    assert torch.equal(seen[layers["a"].output][0], y)
    assert torch.equal(seen[layers["b"].output][0], out)
    assert torch.equal(seen[layers["head"].input.stored][0], out.mean([2, 3]))
    assert all(len(values) == 1 for values in seen.values()), "once a run, however many read them"


def test_quantizers_read_what_probes_see_through_a_max_pooling() -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.Flatten())
    )
    found = traced(model, 2, 3, 6, 6)
    made = instrument(found.graph, found.layers)
    probed: list[torch.Tensor] = []
    made.probes[found.layers[1].input.stored].watchers.append(probed.append)
    read: list[torch.Tensor] = []
    made.slots["3.input"].watchers.append(read.append)
    made.graph(random(2, 3, 6, 6))
    assert torch.equal(functional.max_pool2d(probed[0], 2), read[0])


def test_rounding_is_at_every_tensor_but_within_layers() -> None:
    model, found = two_layers()
    rounded = Rounding("bf16")
    made = instrument(found.graph, found.layers, rounded)
    for slot in made.slots.values():
        slot.quantizer = rounded
    x = random(2, 3, 6, 6)
    with torch.no_grad():
        y = rounded(model.a(rounded(x)).relu())
        pooled = rounded(rounded((model.b(y) + y).relu()).mean([2, 3]))
        assert torch.equal(made.graph(x), rounded(model.head(pooled)))
        within = rounded((rounded(model.b(y)) + y).relu())
    assert not torch.equal(within, rounded((model.b(y) + y).relu())), "rounding within would show"


def test_operators_that_are_no_layers_are_rounded_one_by_one() -> None:
    rounded = Rounding("bf16")
    model = seeded(lambda: Lambda(lambda self, x: self.a(x).sigmoid().exp() * x, a=nn.Linear(4, 4)))
    found = traced(model, 2, 4)
    made = instrument(found.graph, found.layers, rounded)
    made.slots["a.input"].quantizer = rounded
    x = random(2, 4)
    with torch.no_grad():
        want = rounded(rounded(rounded(rounded(model.a(rounded(x))).sigmoid()).exp()) * rounded(x))
        assert torch.equal(made.graph(x), want)


def test_a_quantizer_gets_what_was_not_rounded_yet() -> None:
    """A kernel makes codes of its sums, not of their bf16."""
    _, found = two_layers()
    made = instrument(found.graph, found.layers, Rounding("bf16"))
    read: list[torch.Tensor] = []
    made.slots["b.input"].watchers.append(read.append)
    made.graph(random(2, 3, 6, 6))
    assert not torch.equal(read[0], Rounding("bf16")(read[0]))


def test_a_quantizer_behind_a_pooling_does_so_too() -> None:
    rounded = Rounding("bf16")
    parts = {"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(4, 4, 1)}
    model = seeded(lambda: Lambda(lambda self, x: self.b(p := functional.max_pool2d(self.a(x), 2)).exp() * p, **parts))
    found = traced(model, 2, 3, 6, 6)
    made = instrument(found.graph, found.layers, rounded)
    made.slots["a.input"].quantizer = rounded
    made.slots["b.input"].quantizer = Scaled()
    x = random(2, 3, 6, 6)
    with torch.no_grad():
        pooled = functional.max_pool2d(model.a(rounded(x)), 2)
        want = rounded(rounded(rounded(model.b(2 * pooled)).exp()) * rounded(pooled))
        assert torch.equal(made.graph(x), want)


def test_what_several_read_is_quantized_once() -> None:
    _, found = two_layers()
    made = instrument(found.graph, found.layers)
    counted = Scaled()
    shared = Remembering(counted)
    made.slots["b.input"].quantizer = made.slots["b.residual"].quantizer = shared
    first = made.graph(random(2, 3, 6, 6))
    assert counted.calls == 1
    shared.forget()
    assert torch.equal(made.graph(random(2, 3, 6, 6)), first)
    assert counted.calls == 2
    shared.forget()
    assert shared._last is None


def test_other_values_are_worked_on_again() -> None:
    counted = Scaled()
    shared = Remembering(counted)
    x = random(3)
    assert torch.equal(shared(x), shared(x))
    assert counted.calls == 1
    assert torch.equal(shared(x.clone() + 1), 2 * (x + 1))
    assert counted.calls == 2


def test_outputs_by_name_keep_their_structure() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> dict[str, Any]:
        y = self.a(x)
        return {"first": y, "second": (self.b(y),)}

    model = seeded(lambda: Lambda(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)))
    found = traced(model, 2, 4)
    made = instrument(found.graph, found.layers, Rounding("bf16"))
    output = made.graph(random(2, 4))
    assert set(output) == {"first", "second"}
    assert torch.equal(output["first"], Rounding("bf16")(output["first"]))
