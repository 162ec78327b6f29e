"""The traced and cleaned graph computes what the model does, for every kind of model and input size."""

from __future__ import annotations

import copy
import re

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import CIFAR, TEXT, VISION, Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize.graph import trace  # noqa: E402


def targets(graph: torch.fx.GraphModule) -> set[str]:
    return {str(node.target).removeprefix("aten.") for node in graph.graph.nodes if node.op.startswith("call")}


def same(model: nn.Module, *shapes: tuple[int, ...]) -> torch.fx.GraphModule:
    """The graph of a model without batch normalization, which has to compute the same bits."""
    inputs = [random(*shape, seed=i) for i, shape in enumerate(shapes)]
    graph = trace(model, inputs)
    with torch.no_grad():
        assert torch.equal(graph(*inputs), model.eval()(*inputs))
    return graph


@pytest.mark.parametrize("name", [*VISION, *CIFAR, *TEXT])
def test_graph_computes_what_the_model_does(name: str) -> None:
    """Both round each layer's sum of K products; folded, one rounding of the weight takes the place of the four of the
    normalization. So both are as far from float64, but for the luck of signs: 8 times at most for the largest error."""
    known = architecture(name)
    double, inputs = copy.deepcopy(known.model).double(), known.others
    with torch.no_grad():
        exact = double(*(one.double() if one.is_floating_point() else one for one in inputs))
        own = (known.model(*inputs) - exact).abs().max()
        assert (known.traced.graph(*inputs) - exact).abs().max() <= 8 * own
    assert own <= 1e-5 * exact.abs().max(), "the model itself is near float64, so that a wrong graph is not"


@pytest.mark.parametrize("name", [*VISION, *CIFAR, *TEXT])
def test_what_is_for_training_is_gone(name: str) -> None:
    found = targets(architecture(name).traced.graph)
    assert not {one for one in found if "dropout" in one or "batch_norm" in one or "assert" in one}
    assert not {one for one in found if re.match(r"[a-z0-9]\w*_\.", one)}, "operators in place"


def test_the_model_stays_as_it_is() -> None:
    model = small_resnet().train()
    before = copy.deepcopy(model.state_dict())
    trace(model, [random(2, 3, 8, 8)])
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_batch_and_length_are_free() -> None:
    graph = architecture("bert").traced.graph
    for batch, length in ((2, 5), (5, 2), (1, 30)):
        assert graph(torch.ones(batch, length, dtype=torch.long), torch.ones(batch, length)).shape == (batch, 2)


def test_operators_in_place_become_others() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y += 1
        y = functional.relu(y, inplace=True).mul_(2)
        return functional.hardswish(y, inplace=True)

    graph = same(Lambda(forward, conv=nn.Conv2d(3, 4, 3)), (2, 3, 6, 6))
    assert targets(graph) == {"conv2d.default", "add.Tensor", "relu.default", "mul.Tensor", "hardswish.default"}


def test_dropout_in_place_is_gone_and_one_that_always_drops_is_not() -> None:
    assert "dropout" not in str(targets(same(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5, inplace=True)), (2, 3))))
    always = Lambda(lambda self, x: functional.dropout(self.linear(x), 0.5, training=True), linear=nn.Linear(3, 4))
    assert "dropout.default" in targets(trace(always, [random(2, 3)]))


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 3)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_by_name_becomes_numbers(kernel: tuple[int, int], dilation: int) -> None:
    for padding in ("same", "valid"):
        conv = nn.Conv2d(4, 6, kernel, padding=padding, dilation=dilation, groups=2)
        assert targets(same(conv, (2, 4, 12, 12))) == {"conv2d.default"}


def test_padding_that_differs_by_side_stays() -> None:
    assert targets(same(nn.Conv2d(2, 4, (2, 3), padding="same"), (2, 2, 5, 5))) == {"conv2d.padding"}


def test_outputs_by_name_stay_so() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> dict[str, object]:
        return {"logits": self.linear(x), "rest": (x, [x + 1])}

    x = random(2, 3)
    model = Lambda(forward, linear=nn.Linear(3, 4))
    found = trace(model, [x])(x)
    assert torch.equal(found["logits"], model(x)["logits"])
    assert torch.equal(found["rest"][1][0], x + 1)


def test_parameters_that_nobody_reads_are_not_kept() -> None:
    model = Lambda(lambda self, x: self.norm(self.conv(x)), conv=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4))
    model.unused = nn.Linear(100, 100)
    assert set(trace(model, [random(2, 3, 4, 4)]).state_dict()) == {"conv.weight", "conv.bias"}


def test_a_model_that_cannot_be_traced_gives_a_line() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) if float(x.sum()) > 0 else x

    with pytest.raises(UsageError) as caught:
        trace(Lambda(forward, linear=nn.Linear(3, 3)), [random(2, 3)])
    assert str(caught.value).startswith("Lambda cannot be traced (")
    assert str(caught.value).endswith("); torch.export must take it")
    assert "\n" not in str(caught.value)


def test_inputs_that_do_not_fit_give_a_line() -> None:
    with pytest.raises(UsageError, match=r"^Linear cannot be traced .*torch.export must take it$"):
        trace(nn.Linear(3, 4), [random(2, 5)])


def test_a_model_without_products_is_refused() -> None:
    with pytest.raises(UsageError, match="ReLU has no convolution and no linear layer; there is nothing to quantize"):
        traced(nn.ReLU(), 2, 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bad: float) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    model[0].weight.data[1, 2] = bad
    with pytest.raises(UsageError, match=r"0\.weight has NaN or infinite values; look at the checkpoint"):
        traced(model, 2, 3)


def test_infinity_in_a_mask_is_no_error_and_nan_is() -> None:
    model = Lambda(lambda self, x: self.linear(x) + self.mask, linear=nn.Linear(3, 3))
    model.register_buffer("mask", torch.tensor([0.0, -float("inf"), 0.0]))
    assert torch.equal(traced(model, 2, 3).graph(random(2, 3)), model(random(2, 3)))
    model.mask[0] = float("nan")
    with pytest.raises(UsageError, match="mask has NaN"):
        traced(model, 2, 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_models_of_other_types_are_refused(dtype: torch.dtype) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 4))).to(dtype)
    inputs = (random(2, 3).to(dtype),)
    from immabench.quantize.traced import TracedModel

    with pytest.raises(UsageError, match=rf"0.weight is {dtype}; give a model of float32: model.float\(\)"):
        TracedModel.of(model, inputs)


def test_a_table_in_float64_beside_float32_layers_is_no_error() -> None:
    model = Lambda(lambda self, x: self.linear((x + self.table).float()), linear=nn.Linear(3, 3))
    model.register_buffer("table", torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    assert torch.equal(traced(model, 2, 3).graph(random(2, 3)), model(random(2, 3)))


def test_copies_do_not_share_parameters() -> None:
    model = traced(nn.Sequential(nn.Linear(3, 4)), 2, 3)
    other = model.copied()
    other.set("0.weight", torch.zeros(4, 3))
    assert model.weight(model.layers[0]).abs().min() > 0
    assert not other.weight(other.layers[0]).any()
