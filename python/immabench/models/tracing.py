"""Trace a model into the GEMMs it runs.

The model runs once on `meta` tensors, which have shapes and no data, so that a trace costs no memory and no arithmetic.
Every operator that multiplies matrices is seen where torch dispatches it, after all composition, and becomes:

- convolution: its implicit GEMM, M = batch * output positions, N = output channels, K = input channels * kernel taps,
  with its geometry where it has one of `immabench.convolution`; a convolution in G groups is G products of N/G columns
  and K/G deep;
- linear layer or other product of two matrices: M = rows of the input, N = output features, K = input features;
- batched product: one product per batch entry;
- scaled dot-product attention: Q K^T and P V, one product each per batch entry and head, masked positions included.

The products of one call are counted in `batch`: nothing is folded into M. An operator that multiplies matrices and is
none of these is an error, so that a total is never silently short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from immabench.convolution import Convolution
from immabench.errors import ImmabenchError

if TYPE_CHECKING:
    import torch

Kind = Literal["convolution", "linear", "matmul"]


@dataclass(frozen=True)
class TracedGemm:
    """One call of a matrix product: `batch` independent products C[m,n] = A[m,k] B[n,k]^T.

    `kind` is "matmul" where both operands are activations; elsewhere B is a weight. `bias`: the operator adds one.
    """

    name: str
    kind: Kind
    m: int
    n: int
    k: int
    batch: int = 1
    bias: bool = False
    conv: str = ""
    """The geometry of a convolution of images, as `Problem.conv`."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the call."""
        return self.batch * self.m * self.n * self.k


def trace(module: torch.nn.Module, *inputs: torch.Tensor) -> list[TracedGemm]:
    """The matrix products of `module(*inputs)` in the order they run; names are module paths.

    Put module and inputs on the `meta` device to make the trace free. Raises ImmabenchError, with the module's path,
    for a product that has no GEMM form here (a transposed convolution, say).
    """
    import torch

    recorder = _Recorder()
    with torch.no_grad(), recorder.following(module), _attention_mode(recorder), _dispatch_mode(recorder):
        module(*inputs)
    return recorder.found


class _Recorder:
    """Collects products under the path of the innermost module that is running."""

    def __init__(self) -> None:
        self.found: list[TracedGemm] = []
        self._running: list[tuple[str, Counter[str]]] = [("model", Counter())]
        self._muted = False

    def add(
        self,
        kind: Kind,
        m: int,
        n: int,
        k: int,
        batch: int = 1,
        bias: bool = False,
        part: str = "",
        conv: str = "",
    ) -> None:
        """Record one call. `part` tells the products of one module apart; repeats are numbered."""
        if self._muted:
            return
        path, seen = self._running[-1]
        seen[part] += 1
        name = f"{path}:{part}" if part else path
        name = name if seen[part] == 1 else f"{name}#{seen[part]}"
        self.found.append(TracedGemm(name, kind, m, n, k, batch, bias, conv))

    def refuse(self, operator: str) -> None:
        """Stop at a product that cannot be represented."""
        if self._muted:
            return
        raise ImmabenchError(
            f"{self._running[-1][0]}: {operator} has no GEMM form here",
            "trace a part of the model without it",
        )

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Ignore the products inside, which the caller has recorded as a whole."""
        self._muted = True
        try:
            yield
        finally:
            self._muted = False

    @contextmanager
    def following(self, model: torch.nn.Module) -> Iterator[None]:
        """Track which module of `model` is running, by hooks that are removed again."""
        hooks = []
        for path, module in model.named_modules():
            hooks.append(module.register_forward_pre_hook(self._entering(path or "model")))
            hooks.append(module.register_forward_hook(lambda *_: self._leave()))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _entering(self, path: str) -> Callable[..., None]:
        return lambda *_: self._running.append((path, Counter()))

    def _leave(self) -> None:
        self._running.pop()


def _attention_mode(recorder: _Recorder) -> Any:
    """Sees attention as one call, before torch picks one of its many implementations."""
    from torch.nn.functional import scaled_dot_product_attention
    from torch.overrides import TorchFunctionMode

    class AttentionMode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func is not scaled_dot_product_attention:
                return func(*args, **kwargs)
            query, key, value = (*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :]))[:3]
            _record_attention(recorder, query.shape, key.shape, value.shape)
            with recorder.muted():
                return func(*args, **kwargs)

    return AttentionMode()


def _dispatch_mode(recorder: _Recorder) -> Any:
    """Sees every other product as the operator that torch dispatches."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class DispatchMode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            operator = func.overloadpacket.__name__
            if operator in _RECORDERS:
                _RECORDERS[operator](recorder, args, result)
            elif func.overloadpacket in flop_registry or operator in _MORE_PRODUCTS:
                recorder.refuse(operator)
            return result

    return DispatchMode()


def _record_attention(recorder: _Recorder, query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> None:
    """Shapes [..., L, E], [..., S, E], [..., S, V]; with grouped queries, one product per query head."""
    *heads, length, depth = query
    recorder.add("matmul", length, key[-2], depth, batch=prod(heads), part="qk")
    recorder.add("matmul", length, value[-1], key[-2], batch=prod(heads), part="pv")


def _record_convolution(recorder: _Recorder, args: Any, result: Any) -> None:
    image, weight, bias, stride, padding, dilation, transposed, _output_padding, groups = args
    if transposed:
        recorder.refuse("transposed convolution")
    batch, channels, *positions = result.shape
    taps = prod(weight.shape[1:])
    conv = ""
    if len(positions) == 2 and groups == 1:
        images, depth, height, width = image.shape
        pairs = [(int(first), int(second)) for first, second in (weight.shape[2:], stride, padding, dilation)]
        conv = str(Convolution(images, height, width, depth, *pairs))
    m, n = batch * prod(positions), channels // groups
    recorder.add("convolution", m, n, taps, batch=groups, bias=bias is not None, conv=conv)


def _record_product(recorder: _Recorder, a: Sequence[int], b: Sequence[int], bias: bool = False) -> None:
    """a [M, K] times b [K, N]; a vector on the right is a batch of one: b [K] has its features in a."""
    m, n = (1, a[0]) if len(b) == 1 else (a[0], b[1])
    recorder.add("linear", m, n, a[1], bias=bias)


def _record_batched(recorder: _Recorder, a: Sequence[int], b: Sequence[int]) -> None:
    recorder.add("matmul", a[1], b[2], a[2], batch=a[0], part="matmul")


_RECORDERS: dict[str, Callable[[_Recorder, Any, Any], None]] = {
    "convolution": _record_convolution,
    "mm": lambda recorder, args, _: _record_product(recorder, args[0].shape, args[1].shape),
    "mv": lambda recorder, args, _: _record_product(recorder, args[0].shape, args[1].shape),
    "addmm": lambda recorder, args, _: _record_product(recorder, args[1].shape, args[2].shape, bias=True),
    "addmv": lambda recorder, args, _: _record_product(recorder, args[1].shape, args[2].shape, bias=True),
    "bmm": lambda recorder, args, _: _record_batched(recorder, args[0].shape, args[1].shape),
    "baddbmm": lambda recorder, args, _: _record_batched(recorder, args[1].shape, args[2].shape),
}

_MORE_PRODUCTS = {
    "_addmm_activation",
    "_int_mm",
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
    "linear",
}
"""Products without a recorder that torch's own table of operators with arithmetic leaves out."""
