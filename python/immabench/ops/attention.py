"""Attention of int8 queries, keys and values."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from immabench.attention import CODE_ZERO, MOST_KEYS, check_score_scale
from immabench.errors import OperandError, UsageError
from immabench.kernels import CompanionConfig, any_config, companion_configs, native
from immabench.numerics import check_scale
from immabench.ops.epilogue import dtype_of
from immabench.ops.exact import multiply_codes, natively
from immabench.ops.launching import EMULATED, expect_one_device
from immabench.ops.watching import tell

ROW_BYTES = 16
"""What rows of a head start on, so that the kernels copy them."""

OUTPUTS = ("f32", "f16", "bf16", "s8")


@torch.library.custom_op("immabench::attention_s8", mutates_args=())
def attention_s8(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    v_scale: float,
    lengths: Tensor | None = None,
    output_type: str = "f32",
    out_scale: float = 1.0,
    out_zero: int = 0,
    kernel: str = "",
) -> Tensor:
    """softmax(q k^T * scale) (v * v_scale) head by head, fused: int8 q [batch, queries, heads, depth], k and v [batch,
    keys, heads, depth], out as q, contiguous.

    q, k and v may be slices of what one projection wrote; where rows of a head do not start on 16 bytes they are
    copied. `scale` is q_scale * k_scale / sqrt(depth). The first `lengths` keys count, int32 [batch], all by default.
    `output_type` is f32, f16, bf16, or s8 with `out_scale` and `out_zero`. On the CPU any depth; `kernel="emulated"`,
    or an id, and a GPU run the fused kernel, of depth 32, 64 or 128. docs/numerics.md ("Attention") specifies every
    bit. Raises OperandError and UsageError in one line.
    """
    call = _Call(check_score_scale(scale), v_scale, lengths, output_type, out_scale, out_zero)
    _expect_tokens(q, k, v)
    call.check(q, k)
    if not q.is_cuda and not kernel:
        tell("cpu:attention_s8")
        return _exact(q, k, v, call)
    chosen = _chosen(q, k, kernel)
    tell(chosen)
    out = torch.empty(q.shape, dtype=dtype_of(output_type), device=q.device)
    with torch.cuda.device(q.device) if q.is_cuda else nullcontext():
        _launch(chosen, [_loadable(x) for x in (q, k, v)], out, call, on_gpu=q.is_cuda)
    return out


@attention_s8.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    v_scale: float,
    lengths: Tensor | None = None,
    output_type: str = "f32",
    *_: object,
    **__: object,
) -> Tensor:
    _expect_tokens(q, k, v)
    return torch.empty(q.shape, dtype=dtype_of(output_type), device=q.device)


@dataclass(frozen=True)
class _Call:
    """What a call is given beside its tokens."""

    scale: Any
    v_scale: float
    lengths: Tensor | None
    output_type: str
    out_scale: float
    out_zero: int

    def check(self, q: Tensor, k: Tensor) -> None:
        """Raise OperandError or UsageError for what does not fit the tokens."""
        if self.output_type not in OUTPUTS:
            raise UsageError(
                f"attention has no output_type {self.output_type!r}", f"choose one of {', '.join(OUTPUTS)}"
            )
        for name in ("v_scale", "out_scale"):
            check_scale(name, np.array([getattr(self, name)], np.float32))
        if not -128 <= self.out_zero <= 127:
            raise UsageError(f"out_zero={self.out_zero}", "zero points lie in -128..127")
        if k.shape[1] > MOST_KEYS:
            raise UsageError(f"{k.shape[1]} keys exceed {MOST_KEYS}", "split them")
        if self.lengths is not None and (self.lengths.dtype, tuple(self.lengths.shape)) != (torch.int32, (q.shape[0],)):
            given = f"lengths is {self.lengths.dtype} {list(self.lengths.shape)}"
            raise OperandError(f"{given}, expected torch.int32 [{q.shape[0]}]", "pass one length a batch")
        expect_one_device({"q": q, "k": k, "lengths": self.lengths})

    def ends(self, v: Tensor, row_scale: Tensor) -> dict[str, Tensor]:
        """The last steps as what follows the sums of codes and values [heads, depth, keys]."""
        zero, sums = torch.tensor([CODE_ZERO], dtype=torch.int32), v.sum(dim=-1, dtype=torch.int32)
        steps = {"a_zero": zero, "b_sum": sums, "row_scale": row_scale, "col_scale": _one(self.v_scale)}
        if self.output_type != "s8":
            return steps
        return {
            **steps,
            "out_scale": _one(self.out_scale),
            "out_zero": torch.tensor([self.out_zero], dtype=torch.int32),
        }


def _expect_tokens(q: Tensor, k: Tensor, v: Tensor) -> None:
    for name, tokens in (("q", q), ("k", k), ("v", v)):
        if tokens.dtype != torch.int8:
            raise OperandError(f"{name} is {tokens.dtype}, expected torch.int8", "quantize it")
        if tokens.ndim != 4:
            raise OperandError(f"{name} has shape {list(tokens.shape)}", "pass [batch, tokens, heads, depth]")
    if k.shape != v.shape or q.shape[0] != k.shape[0] or q.shape[2:] != k.shape[2:]:
        shapes = f"q {list(q.shape)}, k {list(k.shape)} and v {list(v.shape)}"
        raise OperandError(f"{shapes} differ", "pass one batch, heads and depth, and as many values as keys")
    expect_one_device({"q": q, "k": k, "v": v})


# ---- by the fused kernel


def _chosen(q: Tensor, k: Tensor, kernel: str) -> str:
    """The kernel that is named; else the smallest tile that holds all keys, which it then reads once, or the first."""
    batch, queries, heads, depth = q.shape
    sizes = (batch, heads, queries, k.shape[1], depth)
    if kernel in ("", EMULATED):
        legal = [(config, tile) for config, tile in _tiles() if tile[2] == depth]
        if not legal:
            depths = sorted({tile[2] for _, tile in _tiles()})
            raise UsageError(f"no kernel has heads of depth {depth}", f"take one of {', '.join(map(str, depths))}")
        whole = [(tile[1], config.id) for config, tile in legal if tile[1] >= k.shape[1]]
        kernel = min(whole, key=lambda pair: pair[0])[1] if whole else legal[0][0].id
    elif any_config(kernel).family != "attention_s8":
        raise UsageError(f"{kernel} does not compute attention", "leave kernel out")
    reason = native().attention_illegal_reason(kernel, *sizes)
    if reason:
        raise UsageError(
            f"{kernel} cannot compute attention of {'x'.join(map(str, sizes))}: {reason}", "leave kernel out"
        )
    return kernel


def _tiles() -> list[tuple[CompanionConfig, tuple[int, int, int]]]:
    """Every fused kernel with its queries, keys and depth."""
    return [(config, config.block_tile) for config in companion_configs() if config.block_tile is not None]


def _loadable(tokens: Tensor) -> Tensor:
    """`tokens` where its rows of heads start on `ROW_BYTES`, else a copy."""
    strides = [stride for stride, extent in zip(tokens.stride()[:-1], tokens.shape, strict=False) if extent > 1]
    aligned = all(value % ROW_BYTES == 0 for value in (tokens.data_ptr(), *strides))
    return tokens if aligned and tokens.stride(-1) == 1 else tokens.clone(memory_format=torch.contiguous_format)


def _launch(kernel: str, tokens: list[Tensor], out: Tensor, call: _Call, *, on_gpu: bool) -> None:
    options: dict[str, Any] = {
        "scale": float(call.scale),
        "v_scale": call.v_scale,
        "lengths": None if call.lengths is None else call.lengths.contiguous(),
        "out_scale": call.out_scale,
        "out_zero": call.out_zero,
    }
    if on_gpu:
        stream = int(torch.cuda.current_stream().cuda_stream)
        native().launch_attention_s8(kernel, *tokens, out, **options, stream=stream)
    else:
        native().emulate_attention_s8(kernel, *tokens, out, **options)


# ---- on the CPU: products of all heads, and a native pass between them


def _exact(q: Tensor, k: Tensor, v: Tensor, call: _Call) -> Tensor:
    # Of values the keys come last, as the rows of weights have K.
    heads = [x.permute(order).flatten(0, 1).contiguous() for x, order in ((q, _BY_HEAD), (k, _BY_HEAD), (v, _BY_DEPTH))]
    shape = (*heads[0].shape[:2], k.shape[1])
    codes, row_scale = _softmax(_multiply(heads[0], heads[1], torch.empty(shape, dtype=torch.int32)), call)
    out = _multiply(
        codes, heads[2], torch.empty(heads[0].shape, dtype=dtype_of(call.output_type)), **call.ends(heads[2], row_scale)
    )
    return out.view(q.shape[0], q.shape[2], q.shape[1], q.shape[3]).transpose(1, 2).contiguous()


_BY_HEAD, _BY_DEPTH = (0, 2, 1, 3), (0, 2, 3, 1)


def _multiply(a: Tensor, b: Tensor, out: Tensor, **epilogue: Tensor) -> Tensor:
    """`out` [heads, M, N] of int8 a [heads, M, K] and b [heads, N, K], and what follows the sums."""
    threads = torch.get_num_threads()
    if natively():
        native().multiply_s8(a, b, out, threads=threads, **epilogue)
        return out
    sums = torch.empty(out.shape, dtype=torch.int32)
    for one, other, there in zip(a, b, sums, strict=True):
        multiply_codes(one, other, there)
    native().finish_sums(sums, out, threads=threads, **epilogue)
    return out


def _softmax(scores: Tensor, call: _Call) -> tuple[Tensor, Tensor]:
    """int8 codes of scores [heads, queries, keys], and float32 scales of rows [heads, queries]."""
    codes, row_scale = torch.empty(scores.shape, dtype=torch.int8), torch.empty(scores.shape[:2])
    matrices = {"x": scores.flatten(0, 1), "codes": codes.flatten(0, 1), "row_scale": row_scale.flatten()}
    lengths = None if call.lengths is None else call.lengths.contiguous()
    threads = torch.get_num_threads()
    native().compute_softmax_quantize(**matrices, scale=float(call.scale), lengths=lengths, threads=threads)
    return codes, row_scale


def _one(value: Any) -> Tensor:
    """A number in float32, rounded once."""
    return torch.tensor([float(value)], dtype=torch.float32)
