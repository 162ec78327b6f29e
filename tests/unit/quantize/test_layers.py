"""Layers of known architectures and of small models: what they are, fuse and read, and how much they do."""

from __future__ import annotations

from collections import Counter

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import CIFAR, TEXT, VISION, Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models import tracing  # noqa: E402
from immabench.quantize.layers import Layer  # noqa: E402
from immabench.quantize.traced import TracedModel  # noqa: E402


def by_name(model: TracedModel) -> dict[str, Layer]:
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    return {layer.name: layer for layer in model.layers}


def kinds(model: TracedModel) -> Counter[str]:
    return Counter(layer.kind for layer in model.layers)


def fusions(model: TracedModel) -> Counter[str]:
    return Counter(" ".join(layer.fused) for layer in model.products)


@pytest.mark.parametrize("name", [*VISION, *CIFAR, *TEXT])
def test_multiply_accumulates_are_those_of_the_traced_gemms(name: str) -> None:
    known = architecture(name)
    model = known.model
    gemms = tracing.trace(model, *known.inputs)
    samples = len(known.inputs[0])
    assert sum(gemm.macs for gemm in gemms) == samples * sum(layer.macs for layer in known.traced.layers)
    with_weights = [gemm for gemm in gemms if gemm.kind != "matmul"]
    assert len(with_weights) == len(known.traced.products)
    found = {(layer.name, layer.rows * samples, layer.depth) for layer in known.traced.products}
    assert found == {(gemm.name, gemm.m, gemm.k) for gemm in with_weights}


@pytest.mark.parametrize("name", [*VISION, *CIFAR, *TEXT])
def test_layers_run_after_what_they_read(name: str) -> None:
    done: set[str] = set()
    model = architecture(name).traced
    outputs = {layer.output for layer in model.layers}
    for layer in model.layers:
        assert {operand.stored for operand in layer.operands} & outputs <= done
        done.add(layer.output)


def test_resnet18() -> None:
    model = architecture("resnet18").traced
    assert kinds(model) == {"convolution": 20, "linear": 1, "pooling": 1}
    assert fusions(model) == {"bias relu": 9, "bias add relu": 8, "bias": 4}
    layers = by_name(model)
    assert layers["layer1.0.conv2"].residual.stored == layers["conv1"].output, "through the max pooling"
    assert layers["layer1.0.conv2"].residual.node == "max_pool2d"
    assert layers["layer2.0.downsample.0"].residual.stored == layers["layer2.0.conv2"].output
    assert (layers["conv1"].rows, layers["conv1"].columns, layers["conv1"].depth) == (16 * 16, 64, 3 * 49)
    assert layers["avgpool"].input.stored == layers["layer4.1.conv2"].output
    assert layers["fc"].input.stored == layers["avgpool"].output, "through the flattening"


def test_bottlenecks_of_resnet50() -> None:
    model = architecture("resnet50").traced
    assert kinds(model) == {"convolution": 53, "linear": 1, "pooling": 1}
    # Of 16 blocks the third convolution adds, or the downsampling one in 4 of them; stem and 32 others end with relu.
    assert fusions(model) == {"bias relu": 33, "bias add relu": 16, "bias": 5}


def test_mobilenet_v2() -> None:
    model = architecture("mobilenet_v2").traced
    assert kinds(model) == {"convolution": 35, "depthwise": 17, "linear": 1, "pooling": 1}
    assert fusions(model) == {"bias relu6": 35, "bias add": 10, "bias": 8}
    deep = by_name(model)["features.1.conv.0.0"]
    assert (deep.kind, deep.groups, deep.rows, deep.columns, deep.depth) == ("depthwise", 32, 256, 32, 9)


def test_padded_shortcuts_of_cifar_resnets() -> None:
    model = architecture("resnet20").traced
    assert kinds(model) == {"convolution": 19, "linear": 1, "pooling": 1}
    layers = by_name(model)
    shortcut = layers["layer2.0.conv2"].residual
    assert shortcut.stored == layers["layer1.2.conv2"].output, "slices and zeros are codes of the same scale"
    assert shortcut.node != shortcut.stored


@pytest.mark.parametrize("name", TEXT)
def test_encoders(name: str) -> None:
    model = architecture(name).traced
    assert kinds(model) == {"linear": 14, "attention": 2}
    extra = {"bert": {"bias": 8}, "distilbert": {"bias": 7, "bias relu": 1}}[name]
    assert fusions(model) == {"bias add": 4, "bias gelu": 2, **extra}
    assert not model.in_floats
    first, second = (layer for layer in model.layers if layer.kind == "attention")
    assert [operand.role for operand in first.operands] == ["query", "key", "value"]
    projections = {layer.output for layer in model.layers if layer.kind == "linear"}
    assert {operand.stored for operand in (*first.operands, *second.operands)} <= projections, "behind views"
    assert all(layer.residual.stored.startswith("layer_norm") for layer in model.layers if layer.residual)


def test_names_and_operands_of_a_small_resnet() -> None:
    layers = by_name(traced(small_resnet(), 2, 3, 8, 8))
    assert list(layers) == ["stem", "same.conv1", "same.conv2", "wider.conv1", "wider.conv2", "wider.downsample",
                            "average", "head"]  # fmt: skip
    last = layers["wider.downsample"]
    assert [operand.name for operand in last.operands] == ["wider.downsample.input", "wider.downsample.residual"]
    assert last.fused == ("bias", "add", "relu")
    assert last.residual.stored == layers["wider.conv2"].output
    assert last.input.stored == layers["same.conv2"].output
    assert (layers["stem"].weight, layers["stem"].bias) == ("stem.weight", "stem.bias")


def of(function: object, *shape: int, **parts: nn.Module) -> TracedModel:
    return traced(seeded(lambda: Lambda(function, **parts)), *shape)


def two_readers(self: Lambda, x: torch.Tensor) -> torch.Tensor:
    y = self.conv(x)
    return (y + x).relu() + y.sigmoid()


NOT_FUSED = {
    "another reader": two_readers,
    "alpha": lambda self, x: torch.add(self.conv(x), x, alpha=2),
    "broadcast": lambda self, x: self.conv(x) + x.mean(1, keepdim=True),
    "a number": lambda self, x: self.conv(x) + 1.0,
    "a parameter": lambda self, x: self.conv(x) + self.conv.bias[None, :, None, None],
    "itself": lambda self, x: (lambda y: y + y)(self.conv(x)),
    "a difference": lambda self, x: self.conv(x) - x,
    "after an activation": lambda self, x: self.conv(x).sigmoid() + x,
}


@pytest.mark.parametrize("name", NOT_FUSED)
def test_what_no_epilogue_adds_is_not_fused(name: str) -> None:
    model = of(NOT_FUSED[name], 2, 4, 6, 6, conv=nn.Conv2d(4, 4, 1))
    assert model.layers[0].fused == ("bias",)
    assert model.layers[0].output == model.layers[0].node


FUSED = {
    "add": lambda self, x: self.conv(x) + x,
    "add from the left": lambda self, x: x + self.conv(x),
    "add relu": lambda self, x: (self.conv(x) + x).relu(),
    "add gelu": lambda self, x: functional.gelu(self.conv(x) + x),
    "relu6": lambda self, x: functional.relu6(self.conv(x)),
    "relu6 (clamped)": lambda self, x: functional.hardtanh(self.conv(x), 0.0, 6.0),
    "gelu": lambda self, x: functional.gelu(self.conv(x)),
    "relu (then add)": lambda self, x: self.conv(x).relu() + x,
    "": lambda self, x: functional.gelu(self.conv(x), approximate="tanh"),
    " ": lambda self, x: functional.hardtanh(self.conv(x)),
}


@pytest.mark.parametrize("name", FUSED)
def test_what_an_epilogue_does_is_fused(name: str) -> None:
    model = of(FUSED[name], 2, 4, 6, 6, conv=nn.Conv2d(4, 4, 1, bias=False))
    want = tuple(word for word in name.split(" (")[0].split() if word in ("add", "relu", "gelu", "relu6"))
    assert model.layers[0].fused == want


def test_of_two_products_the_later_adds() -> None:
    for function in (lambda self, x: self.a(x) + self.b(x), lambda self, x: (self.a(x) + self.b(x)).relu()):
        model = of(function, 2, 4, 6, 6, a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 3, padding=1))
        first, second = model.layers
        assert (first.name, first.fused) == ("a", ("bias",))
        assert (second.name, second.fused[:2], second.residual.stored) == ("b", ("bias", "add"), first.output)


def test_a_product_that_adds_a_later_layer_runs_after_it() -> None:
    model = of(lambda self, x: self.a(x) + self.b(x).relu(), 2, 4, 6, 6, a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))
    assert [(layer.name, layer.fused) for layer in model.layers] == [("b", ("bias", "relu")), ("a", ("bias", "add"))]


@pytest.mark.parametrize(
    ("pool", "found"),
    [
        (lambda x: functional.adaptive_avg_pool2d(x, 1), True),
        (lambda x: functional.avg_pool2d(x, 2), True),
        (lambda x: x.mean([2, 3]), True),
        (lambda x: x.mean((-1, -2), keepdim=True), True),
        (lambda x: x.mean(1, keepdim=True), False),
        (lambda x: x.mean(2), False),
        (lambda x: x.mean((1, 2, 3)), False),
        (lambda x: x.flatten(2).mean(2), False),
        (lambda x: functional.max_pool2d(x, 2), False),
    ],
)
def test_poolings_average_images(pool: object, found: bool) -> None:
    model = of(lambda self, x: pool(self.conv(x)), 2, 4, 6, 6, conv=nn.Conv2d(4, 4, 1))
    assert [layer.kind for layer in model.layers] == ["convolution", *["pooling"] * found]
    if found:
        pooling = model.layers[1]
        assert (pooling.input.stored, pooling.macs, pooling.is_product) == (model.layers[0].output, 0, False)


def test_poolings_have_names_of_their_own() -> None:
    class Odd(nn.Module):
        """A linear layer whose module pools too."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(random(3, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.linear(x.mean([2, 3]) + functional.adaptive_avg_pool2d(x, 1).flatten(1), self.weight)

    assert sorted(by_name(of(lambda self, x: self.head(x), 2, 4, 6, 6, head=Odd()))) == ["head", "head_2", "head_3"]


@pytest.mark.parametrize(("fill", "stored"), [(None, "relu"), (0.0, "relu"), (1.0, "pad")])
def test_padding_with_zeros_is_of_the_same_codes_and_with_others_is_not(fill: float | None, stored: str) -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.b(functional.pad(self.a(x).relu(), (1, 1, 1, 1), value=fill))

    model = of(forward, 2, 4, 6, 6, a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))
    assert model.layers[1].input.stored.startswith(stored)


def test_padding_that_repeats_the_border_is_of_the_same_codes() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
    model = of(lambda self, x: self.b(self.a(x).relu()), 2, 4, 6, 6, a=nn.Conv2d(4, 4, 1), b=conv)
    assert model.layers[1].input.stored == "relu"


def test_values_of_no_layer_are_stored_where_they_are_read() -> None:
    model = of(lambda self, x: self.a(x.sigmoid().flatten(1)), 2, 4, 1, 1, a=nn.Linear(4, 4))
    assert model.layers[0].input.stored == model.layers[0].input.node != "sigmoid"


UNKNOWN = {
    "conv2d.default": lambda self, x: functional.conv2d(x, self.a.weight * 2),
    "linear.default": lambda self, x: functional.linear(x, self.b.weight.t()),
    "matmul.default": lambda self, x: x @ self.b.weight,
    "conv2d.padding": lambda self, x: self.even(x),
    "conv_transpose2d.input": lambda self, x: self.up(x),
    "einsum.default": lambda self, x: torch.einsum("bchw,wk->bchk", x, self.b.weight),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_products_that_are_no_layers_are_listed(name: str) -> None:
    parts = {"a": nn.Conv2d(4, 4, 1), "b": nn.Linear(6, 6), "even": nn.Conv2d(4, 4, 2, padding="same"),
             "up": nn.ConvTranspose2d(4, 4, 2), "last": nn.Conv2d(4, 4, 1)}  # fmt: skip
    model = of(lambda self, x: self.last(UNKNOWN[name](self, x)), 2, 4, 6, 6, **parts)
    assert [layer.name for layer in model.layers] == ["last"]
    assert [one.rpartition(" ")[2] for one in model.in_floats] == [name]
    assert torch.isfinite(model.graph(random(2, 4, 6, 6))).all()


def test_recurrent_layers_are_listed() -> None:
    parts = {"lstm": nn.LSTM(4, 3), "head": nn.Linear(3, 2)}
    model = traced(Lambda(lambda self, x: self.head(self.lstm(x)[0]), **parts), 2, 5, 4, dynamic=False)
    assert model.in_floats == ("lstm: lstm.input",)


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 4), (2, 3, 5, 4)])
def test_rows_of_linear_layers_are_those_of_a_sample(shape: tuple[int, ...]) -> None:
    layer = of(lambda self, x: self.a(x), *shape, a=nn.Linear(4, 6)).layers[0]
    assert (layer.rows, layer.columns, layer.depth) == (torch.Size(shape[1:-1]).numel(), 6, 4)


def test_rows_of_tokens_that_were_flattened_are_those_of_a_sample() -> None:
    layer = of(lambda self, x: self.a(x.reshape(-1, 4)), 2, 5, 4, a=nn.Linear(4, 6)).layers[0]
    assert layer.rows == 5


def test_a_convolution_of_one_channel_is_no_depthwise_one() -> None:
    layer = of(lambda self, x: self.a(x), 2, 1, 6, 6, a=nn.Conv2d(1, 1, 3)).layers[0]
    assert (layer.kind, layer.rows, layer.columns, layer.depth, layer.macs) == ("convolution", 16, 1, 9, 144)


def test_an_image_without_a_batch_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(UsageError, match=r"0 convolves an image without a batch; give images \[n, c, h, w\]"):
        TracedModel.of(model, (random(3, 6, 6),))
