"""Operators in place: what they change may not be read again, by whatever name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")

from small_models import Lambda, random  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.quantize.graph import trace  # noqa: E402

Forward = Callable[[torch.Tensor], torch.Tensor]


def part_assigned(y: torch.Tensor) -> torch.Tensor:
    y[:, 0] = 0
    return y


def view_changed(y: torch.Tensor) -> torch.Tensor:
    y.view(-1).mul_(2)
    return y


def view_read(y: torch.Tensor) -> torch.Tensor:
    part = y[:, 1:]
    z = y.mul_(2)
    return z[:, 1:] + part


def half_of_a_split(y: torch.Tensor) -> torch.Tensor:
    first, second = y.split(2, 1)
    first.add_(second)
    return y


@pytest.mark.parametrize("forward", [part_assigned, view_changed, view_read, half_of_a_split])
def test_a_value_that_is_read_again_is_refused_in_a_line(forward: Forward) -> None:
    model = Lambda(lambda self, x: forward(self.linear(x)), linear=nn.Linear(3, 4))
    message = r"^aten\.\w+\.\w+ changes a value that is read again; write the model without it$"
    with pytest.raises(UsageError, match=message):
        trace(model, [random(2, 3)])


def changed_twice(y: torch.Tensor) -> torch.Tensor:
    return y.relu_() + y.add_(1)


def result_ignored(y: torch.Tensor) -> torch.Tensor:
    y.relu_()
    return y


def through_a_view(y: torch.Tensor) -> torch.Tensor:
    return y.view(2, 2, 2).relu_().flatten(1)


def read_before(y: torch.Tensor) -> torch.Tensor:
    doubled = y * 2
    return y.relu_() + doubled


def added_to(y: torch.Tensor) -> torch.Tensor:
    z = y + 1
    z += y
    return z


def copied_into(y: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(y).copy_(y)


@pytest.mark.parametrize("forward", [changed_twice, result_ignored, through_a_view, read_before, added_to, copied_into])
def test_other_values_come_out_as_the_model_has_them(forward: Forward) -> None:
    model = Lambda(lambda self, x: forward(self.linear(x)), linear=nn.Linear(3, 4))
    x = random(2, 3)
    graph = trace(model, [x])
    assert not [node for node in graph.graph.nodes if "_." in str(node.target)], "all of them give new values"
    with torch.no_grad():
        assert torch.equal(graph(x), model(x))


def test_an_input_stays_as_it_is() -> None:
    x = random(2, 3)
    before = x.clone()
    graph = trace(Lambda(lambda self, x: self.linear(x.relu_()), linear=nn.Linear(3, 4)), [x.clone()])
    graph(x)
    assert torch.equal(x, before)


def test_state_that_changes_is_refused() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return self.linear(x)

    model = Lambda(forward, linear=nn.Linear(3, 4))
    model.register_buffer("calls", torch.zeros(1))
    with pytest.raises(UsageError, match="changes calls, a part of the model; write the model without it"):
        trace(model, [random(2, 3)])
