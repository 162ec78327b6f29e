"""The project's epilogue in steps of torch, for competitors that stop at the int32 sums: the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from immabench.activations import ERF_END, ROOT_HALF, erf_coefficients
from immabench.providers.buffers import Buffers
from immabench.providers.torch_tensors import shared_tensor

Step = Callable[[], Any]


class TorchEpilogue:
    """Every step of docs/numerics.md as a separate operation, from `total` into the buffers' output.

    `total` is int32 [M,N], or [batch,M,N], for the competitor to fill: the output itself where that is int32. It is
    fp32 where the sums are.
    """

    def __init__(self, buffers: Buffers) -> None:
        import torch

        self._torch, self._buffers, problem = torch, buffers, buffers.problem
        self._out = shared_tensor(buffers.out, problem.output_type)
        shape, device = problem.of_batch(problem.m, problem.n), self._out.device
        bare = problem.output_type == "s32"
        sums = torch.int32 if problem.has_integer_sum else torch.float32
        self.total = self._out if bare else torch.empty(shape, dtype=sums, device=device)
        self._value: Any = None if bare else torch.empty(shape, dtype=torch.float32, device=device)
        self._steps = list(self._made_steps())

    def launch(self) -> None:
        """Queue the steps on the current stream."""
        for step in self._steps:
            step()

    def _made_steps(self) -> list[Step]:
        problem = self._buffers.problem
        steps: list[Step] = [self._take_off_zero_point] if problem.a_zero != "none" else []
        if self._value is None:
            return steps
        steps.append(self._scale_rows)
        if problem.col_scale != "none":
            steps.append(lambda: self._value.mul_(self._of_columns("col_scale")))
        if problem.bias:
            steps.append(lambda: self._value.add_(self._of_columns("bias")))
        if problem.residual != "none":
            steps.append(self._add_residual)
        if problem.activation != "none":
            steps.append({"relu": self._relu, "gelu": self._gelu}[problem.activation])
        steps.append(self._quantize if problem.output_type == "s8" else lambda: self._out.copy_(self._value))
        return steps

    def _operand(self, name: str) -> Any:
        """An operand of the epilogue; bf16 is one where it is the residual's type."""
        values = getattr(self._buffers, name)
        return shared_tensor(values, self._buffers.problem.residual if name == "residual" else "")

    def _of_rows(self, name: str) -> Any:
        """A vector [M], [batch,M] or [1] as it broadcasts against the outputs."""
        return self._operand(name).unsqueeze(-1)

    def _of_columns(self, name: str) -> Any:
        """A vector [N], [batch,N] or [1] as it broadcasts against the outputs."""
        return self._operand(name).unsqueeze(-2)

    def _take_off_zero_point(self) -> None:
        self.total.sub_(self._of_rows("a_zero") * self._of_columns("b_sum"))

    def _scale_rows(self) -> None:
        if self._operand("row_scale") is None:
            self._value.copy_(self.total)
        else:
            self._torch.mul(self.total, self._of_rows("row_scale"), out=self._value)

    def _add_residual(self) -> None:
        residual = self._operand("residual")
        if self._buffers.problem.residual == "s8":
            difference = residual.to(self._torch.int32) - self._operand("residual_zero")
            residual = difference.to(self._torch.float32) * self._operand("residual_scale")
        self._value.add_(residual.to(self._torch.float32))

    def _relu(self) -> None:
        self._value.masked_fill_(self._value < 0, 0.0)

    def _gelu(self) -> None:
        twice = 1.0 + self._erf(self._value * float(ROOT_HALF))
        self._value.mul_(0.5).mul_(twice)

    def _erf(self, z: Any) -> Any:
        """As `activations.erf_rational`: product and sum of Horner's rule apart, so that nothing is fused."""
        square = z * z
        above, below = (self._horner(square, coefficients) for coefficients in erf_coefficients())
        inside = z * above / below
        return self._torch.where(z.abs() >= float(ERF_END), z.sign(), inside)

    def _horner(self, square: Any, coefficients: tuple[float, ...]) -> Any:
        value = self._torch.full_like(square, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value.mul_(square).add_(coefficient)
        return value

    def _quantize(self) -> None:
        codes = (self._value / self._of_columns("out_scale")).round_().nan_to_num_(nan=0.0)
        if self._buffers.problem.out_zero:
            # Beyond 2^24 the sum rounds, where it is out of range anyway.
            codes.add_(self._of_columns("out_zero"))
        self._out.copy_(codes.clamp_(-128, 127))
