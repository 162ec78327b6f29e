"""Attention as an operator on the CPU: bit for bit the oracle, traceable, and one line for wrong operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench import ops  # noqa: E402
from immabench.attention import DEPTHS, attention  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.kernels import companion_configs  # noqa: E402
from immabench.ops import attention as module  # noqa: E402
from immabench.providers.torch_tensors import to_numpy  # noqa: E402

OUTPUTS = ("f32", "f16", "bf16", "s8")
by_output = pytest.mark.parametrize("output_type", OUTPUTS)


def tokens(batch: int, queries: int, keys: int, heads: int, depth: int, seed: int = 0) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (queries, keys, keys)
    return [
        torch.randint(-128, 128, (batch, count, heads, depth), generator=generator, dtype=torch.int8) for count in sizes
    ]


def oracle(q: Any, k: Any, v: Any, *, lengths: Any = None, **options: Any) -> np.ndarray:
    counted = None if lengths is None else lengths.numpy()
    return attention(q.numpy(), k.numpy(), v.numpy(), lengths=counted, **options)


def numbers(output_type: str) -> dict[str, Any]:
    return {"scale": 2.0**-12, "v_scale": 0.021, "output_type": output_type, "out_scale": 0.017, "out_zero": -5}


@by_output
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 8), (2, 5, 33, 3, 40), (1, 20, 129, 2, 64)])
def test_the_exact_path_is_the_oracle(output_type: str, shape: tuple[int, ...]) -> None:
    for seed, scale in enumerate((2.0**-24, 2.0**-13, 0.001, 3.0)):
        q, k, v = tokens(*shape, seed=seed)
        options = {**numbers(output_type), "scale": scale}
        assert np.array_equal(to_numpy(ops.attention_s8(q, k, v, **options)), oracle(q, k, v, **options))


@by_output
def test_lengths_are_of_each_batch(output_type: str) -> None:
    q, k, v = tokens(4, 6, 20, 2, 32)
    lengths = torch.tensor([0, 1, 13, 25], dtype=torch.int32)
    options = {**numbers(output_type), "lengths": lengths}
    assert np.array_equal(to_numpy(ops.attention_s8(q, k, v, **options)), oracle(q, k, v, **options))


@by_output
def test_the_kernel_itself_gives_the_same_bits(output_type: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    q, k, v = tokens(2, 70, 130, 2, 64)
    options = {**numbers(output_type), "lengths": torch.tensor([130, 99], dtype=torch.int32)}
    want = ops.attention_s8(q, k, v, **options)
    for kernel in ("emulated", "attention_s8_128x64_d64_s3_sm80"):
        assert torch.equal(ops.attention_s8(q, k, v, **options, kernel=kernel), want)


def test_slices_of_one_projection_are_read_in_place() -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    packed = torch.randint(-128, 128, (2, 33, 3, 4, 32), dtype=torch.int8)
    q, k, v = packed.unbind(2)
    assert all(module._loadable(x) is x for x in (q, k, v))
    want = oracle(q.contiguous(), k.contiguous(), v.contiguous(), **numbers("f16"))
    for kernel in ("", "emulated"):
        assert np.array_equal(to_numpy(ops.attention_s8(q, k, v, **numbers("f16"), kernel=kernel)), want)


def test_what_the_kernel_cannot_read_in_place_is_copied() -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    wide = torch.randint(-128, 128, (1, 9, 2, 33), dtype=torch.int8)
    q, k, v = wide[..., 1:], wide[..., :-1], wide[..., 1:].flip(-1)
    turned = q.transpose(2, 3).contiguous().transpose(2, 3)
    assert not any(module._loadable(x) is x for x in (q, k, turned))
    want = oracle(q.contiguous(), k.contiguous(), v.contiguous(), **numbers("f32"))
    for first in (q, turned):
        assert np.array_equal(ops.attention_s8(first, k, v, **numbers("f32"), kernel="emulated").numpy(), want)


@pytest.mark.parametrize(
    ("keys", "depth", "kernel"),
    [
        (1, 64, "attention_s8_64x64_d64_s2_sm80"),
        (65, 64, "attention_s8_64x128_d64_s2_sm80"),
        (128, 64, "attention_s8_64x128_d64_s2_sm80"),
        (129, 64, "attention_s8_64x64_d64_s2_sm80"),
        (300, 128, "attention_s8_64x64_d128_s2_sm80"),
    ],
)
def test_the_smallest_tile_that_holds_all_keys_is_taken(keys: int, depth: int, kernel: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    q, k, _ = tokens(1, 1, keys, 1, depth)
    assert module._chosen(q, k, "") == kernel


def test_on_a_gpu_the_kernel_is_launched_on_the_current_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is copied to the host on the way, so that a CUDA graph can hold the call."""
    launched: dict[str, Any] = {}

    class Native:
        @staticmethod
        def launch_attention_s8(kernel: str, *operands: Any, **options: Any) -> None:
            launched.update(kernel=kernel, operands=operands, **options)

    class Stream:
        cuda_stream = 77

    monkeypatch.setattr(module, "native", Native)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    q, k, v = tokens(1, 2, 3, 1, 32)
    lengths, out = torch.tensor([2], dtype=torch.int32), torch.empty(q.shape)
    call = module._Call(0.5, 2.0, lengths, "f32", 1.0, 0)
    module._launch("some kernel", [q, k, v], out, call, on_gpu=True)
    assert launched.pop("operands") == (q, k, v, out)
    assert launched.pop("lengths") is lengths
    assert launched == {
        "kernel": "some kernel", "scale": 0.5, "v_scale": 2.0, "out_scale": 1.0, "out_zero": 0, "stream": 77,
    }  # fmt: skip


def test_torch_finds_no_fault_in_the_operator() -> None:
    q, k, v = tokens(2, 5, 9, 2, 32)
    lengths = torch.tensor([9, 4], dtype=torch.int32)
    torch.library.opcheck(torch.ops.immabench.attention_s8.default, (q, k, v), {**numbers("s8"), "lengths": lengths})


def test_depths_of_heads_are_those_of_the_tiles() -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    assert {config.block_tile[2] for config in companion_configs() if config.block_tile} == set(DEPTHS)


class Layer(torch.nn.Module):
    """Attention of slices of one projection."""

    def forward(self, packed: Any, lengths: Any) -> Any:
        q, k, v = packed.unbind(2)
        return ops.attention_s8(q, k, v, 2.0**-12, 0.02, lengths, "bf16").flatten(-2) + 1


def test_models_with_it_compile_and_export() -> None:
    packed = torch.randint(-128, 128, (2, 9, 3, 2, 32), dtype=torch.int8)
    lengths = torch.tensor([9, 4], dtype=torch.int32)
    layer = Layer()
    want = layer(packed, lengths)
    assert torch.equal(torch.compile(layer, backend="aot_eager", fullgraph=True)(packed, lengths), want)
    exported = torch.export.export(layer, (packed, lengths))
    assert torch.ops.immabench.attention_s8.default in {node.target for node in exported.graph.nodes}
    assert torch.equal(exported.module()(packed, lengths), want)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": torch.zeros(1, 2, 1, 32)}, "q is torch.float32, expected torch.int8; quantize it"),
        (
            {"k": torch.zeros(2, 1, 32, dtype=torch.int8)},
            r"k has shape \[2, 1, 32\]; pass \[batch, tokens, heads, depth",
        ),
        ({"v": torch.zeros(1, 3, 1, 32, dtype=torch.int8)}, r"q .* and v \[1, 3, 1, 32\] differ; pass one batch"),
        ({"scale": 0.0}, "scale=0.0 is no scale of scores"),
        ({"v_scale": -1.0}, "v_scale"),
        ({"out_scale": float("inf")}, "out_scale"),
        ({"out_zero": 200}, "out_zero=200; zero points lie in -128..127"),
        ({"output_type": "s32"}, "attention has no output_type 's32'; choose one of f32, f16, bf16, s8"),
        ({"lengths": torch.ones(1, dtype=torch.int64)}, r"lengths is torch.int64 \[1\], expected torch.int32 \[1\]"),
        ({"lengths": torch.ones(2, dtype=torch.int32)}, r"lengths is torch.int32 \[2\], expected torch.int32 \[1\]"),
    ],
)
def test_wrong_operands_are_one_line(changes: dict[str, Any], message: str) -> None:
    one = torch.zeros(1, 2, 1, 32, dtype=torch.int8)
    given = {"q": one, "k": one, "v": one, "scale": 1.0, "v_scale": 1.0}
    with pytest.raises(ImmabenchError, match=message) as error:
        ops.attention_s8(**{**given, **changes})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("depth", "kernel", "message"),
    [
        (80, "emulated", "no kernel has heads of depth 80; take one of 32, 64, 128"),
        (64, "attention_s8_64x64_d128_s2_sm80", "cannot compute attention of 1x1x2x2x64: computes heads of depth 128"),
        (64, "quantize_t256_sm80", "quantize_t256_sm80 does not compute attention; leave kernel out"),
        (64, "attention_s9", "no kernel matches 'attention_s9'"),
    ],
)
def test_kernels_that_do_not_fit_are_one_line(depth: int, kernel: str, message: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    one = torch.zeros(1, 2, 1, depth, dtype=torch.int8)
    with pytest.raises(ImmabenchError, match=message):
        ops.attention_s8(one, one, one, 1.0, 1.0, kernel=kernel)
