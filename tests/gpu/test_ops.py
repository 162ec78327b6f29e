"""The operators on a GPU: the bits of the CPU, on the current stream, and within CUDA graphs."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from operator_calls import EPILOGUES, arguments, convolution_arguments, packed_arguments  # noqa: E402

from immabench import ops  # noqa: E402
from immabench.problems import Problem, conv_problem  # noqa: E402

INT8 = EPILOGUES["int8"]
STEPS: dict[str, Any] = {"a_type": "s8", "b_type": "u4", "b_group": 32, "b_scale": "step"}

CALLS: dict[str, Any] = {
    "gemm_s8": lambda: arguments(Problem(300, 256, 512, **INT8))[0],
    "gemm_w4a4": lambda: arguments(Problem(300, 256, 512, "s4", "s4", **INT8))[0],
    "conv2d_s8": lambda: convolution_arguments(conv_problem("2x14x14x64_f3_p1", 64, **INT8))[0],
    "gemm_w4a8": lambda: packed_arguments(Problem(300, 256, 512, **STEPS, **INT8))[0],
    # Few rows, so that blocks share tiles: a workspace has to be there.
    "gemm_w4a8 of few rows": lambda: packed_arguments(Problem(4, 256, 4096, **STEPS, **INT8))[0],
}
by_call = pytest.mark.parametrize("name", CALLS)


def on_gpu(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value.cuda() if torch.is_tensor(value) else value for name, value in named.items()} | (
        {"weights": named["weights"].to("cuda")} if "weights" in named else {}
    )


def operator(name: str) -> Any:
    return getattr(ops, name.split()[0])


@by_call
def test_both_devices_give_the_same_bits(name: str) -> None:
    named = CALLS[name]()
    assert torch.equal(operator(name)(**on_gpu(named)).cpu(), operator(name)(**named))


@by_call
def test_a_cuda_graph_replays_them(name: str) -> None:
    """What was captured computes from what lies in its operands later, again and again."""
    named, call = CALLS[name](), operator(name)
    held, free = on_gpu(named), "a" if "a" in named else "image"
    call(**held)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = call(**held)
    for shift in (1, 7):
        fresh = {**named, free: named[free].roll(shift, dims=0)}
        held[free].copy_(fresh[free])
        graph.replay()
        assert torch.equal(out.cpu(), call(**fresh))


@pytest.mark.parametrize("a_type", ["f16", "bf16"])
@pytest.mark.parametrize("weights", [{"b_type": "s4", "b_group": 32, "b_scale": "float"}, {"b_type": "s8"}])
def test_float_activations_are_within_the_bound(a_type: str, weights: dict[str, Any]) -> None:
    from immabench.float_oracle import compare_with_oracle
    from immabench.providers.torch_tensors import to_numpy

    problem = Problem(300, 256, 512, a_type, output_type=a_type, **weights)
    named, stated = packed_arguments(problem)
    comparison = compare_with_oracle(problem, to_numpy(operator(problem.family)(**on_gpu(named))), stated)
    assert comparison.exact, comparison.describe()


def test_launches_follow_the_current_stream() -> None:
    """The operand is written on a stream that is busy: a launch elsewhere would read what was there before."""
    named = CALLS["gemm_s8"]()
    held, stream = on_gpu(named), torch.cuda.Stream()
    want = ops.gemm_s8(**held)
    held["a"].zero_()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(10_000_000)
        held["a"].copy_(named["a"])
        out = ops.gemm_s8(**held)
    stream.synchronize()
    assert torch.equal(out, want)
