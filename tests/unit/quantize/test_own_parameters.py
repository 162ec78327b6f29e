"""Every product has parameters of its own, whatever the model shares and however it names them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.quantize.traced import TracedModel  # noqa: E402


def equal(model: nn.Module, found: TracedModel, *inputs: torch.Tensor) -> bool:
    with torch.no_grad():
        return torch.equal(found.graph(*inputs), model(*inputs))


def names(model: TracedModel) -> list[str]:
    return [layer.name for layer in model.products]


def own(model: TracedModel) -> None:
    """Each product reads the parameters of its layer, and nobody else reads them."""
    nodes = {node.name: node for node in model.graph.graph.nodes}
    for layer in model.products:
        weight = nodes[layer.node].args[1]
        assert weight.target == layer.weight
        assert [reader for node in nodes.values() if node.target == layer.weight for reader in node.users] == [
            nodes[layer.node]
        ]
        if "bias" in layer.fused:
            assert nodes[layer.node].args[2].target == layer.bias
        assert model.weight(layer).shape[0] == layer.columns


def test_one_convolution_with_two_normalizations_is_two_layers() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.bn2(self.conv(self.bn1(self.conv(x)).relu()))

    model = seeded(lambda: Lambda(forward, conv=nn.Conv2d(4, 4, 3), bn1=nn.BatchNorm2d(4), bn2=nn.BatchNorm2d(4)))
    found = traced(model, 2, 4, 8, 8)
    own(found)
    assert names(found) == ["conv", "conv_2"]
    # Two layers of 36 products each on normalized values of magnitude below 16: 80 roundings of 2^-24 of it.
    torch.testing.assert_close(found.graph(random(2, 4, 8, 8)), model(random(2, 4, 8, 8)), rtol=0, atol=80 * 2**-20)


def test_a_layer_called_like_a_copy_keeps_its_weight() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.conv_2(self.conv(self.conv(x)))

    model = seeded(lambda: Lambda(forward, conv=nn.Conv2d(4, 4, 3), conv_2=nn.Conv2d(4, 4, 1)))
    found = traced(model, 2, 4, 8, 8)
    own(found)
    assert sorted(names(found)) == ["conv", "conv_2", "conv_3"]
    assert equal(model, found, random(2, 4, 8, 8))


def test_a_bias_that_one_call_alone_has_is_no_others() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.linear(functional.linear(x, self.linear.weight))

    model = seeded(lambda: Lambda(forward, linear=nn.Linear(4, 4)))
    found = traced(model, 2, 4)
    assert [layer.fused for layer in found.layers] == [(), ("bias",)]
    assert found.bias(found.layers[0]) is None
    own(found)
    assert equal(model, found, random(2, 4))


def test_a_weight_that_is_an_embedding_too_is_copied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.decoder = nn.Linear(4, 7)
            self.decoder.weight = self.embedding.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.decoder(self.embedding(tokens))

    model, tokens = seeded(Tied), torch.arange(6).reshape(2, 3)
    found = TracedModel.of(model, (tokens,))
    own(found)
    assert names(found) == ["decoder"]
    assert equal(model, found, tokens)
    found.set(found.layers[0].weight, torch.zeros(7, 4))
    assert torch.equal(found.graph(tokens)[0, 0], model.decoder.bias), "the embedding is what it was, the weight is 0"
    assert found.graph(tokens).shape == (2, 3, 7)


def test_two_modules_with_one_weight_are_two_layers() -> None:
    def build() -> nn.Module:
        model = Lambda(lambda self, x: self.b(self.a(x)), a=nn.Linear(4, 4), b=nn.Linear(4, 4, bias=False))
        model.b.weight = model.a.weight
        return model

    model = seeded(build)
    found = traced(model, 2, 4)
    own(found)
    assert names(found) == ["a", "b"]
    assert equal(model, found, random(2, 4))


def test_attention_of_torch_has_layers() -> None:
    model = seeded(lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"))
    x = random(2, 5, 8)
    found = TracedModel.of(model, (x,), ({0: "batch", 1: "length"},))
    own(found)
    assert names(found) == ["self_attn.in_proj", "self_attn.out_proj", "linear1", "linear2"]
    assert [layer.rows for layer in found.products] == [5, 5, 5, 5]
    with torch.no_grad():
        # torch's fast path and the composed one add in other orders: 16 products, twice, and two normalizations.
        torch.testing.assert_close(found.graph(x), model(x), rtol=0, atol=64 * 2**-22)


def test_parameters_by_any_name() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(functional.linear(x, self.w, self.b), self.weight)

    def parameter(*shape: int) -> nn.Parameter:
        return nn.Parameter(random(*shape, seed=len(shape)))

    model = Lambda(forward, w=parameter(4, 3), b=parameter(4), weight=parameter(5, 4))
    found = traced(model, 2, 3)
    own(found)
    assert names(found) == ["model", "model_2"]
    assert set(found.graph.state_dict()) == {"model.weight", "model.bias", "model_2.weight"}
    assert equal(model, found, random(2, 3))


def test_a_norm_with_a_weight_beside_keeps_it() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.w = nn.Parameter(random(4)), nn.Parameter(random(4, 4))
            self.bias = nn.Parameter(random(4, seed=1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.layer_norm(functional.linear(x, self.w), (4,), self.weight, self.bias)

    model = nn.Sequential(Odd())
    found = traced(model, 2, 4)
    own(found)
    assert equal(model, found, random(2, 4))


def test_a_lone_layer_is_called_model() -> None:
    model = nn.Linear(3, 4)
    found = traced(model, 2, 3)
    assert names(found) == ["model"]
    assert equal(model, found, random(2, 3))
