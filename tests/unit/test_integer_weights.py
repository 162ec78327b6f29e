"""The oracle of operands of fewer than eight bits, against their definition element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench.numerics import gemm_reference, largest_step
from immabench.operands import Operands, make_operands, typed_operands
from immabench.problems import Problem


class TestWeightsOfFourBits:
    SHAPE = (7, 9, 256)

    def values(self, problem: Problem, typed: Operands) -> np.ndarray:
        """B [N,K] element by element, as docs/numerics.md defines it."""
        values = np.zeros((problem.n, problem.k))
        for n, k in np.ndindex(values.shape):
            code = int(typed.b[n, k // 2]) >> 4 * (k % 2) & 15
            group = k // problem.b_group if problem.b_group else 0
            if problem.b_type == "s4":
                code -= 16 * (code > 7)
            if typed.group_zero is not None:
                code -= int(typed.group_zero[n, group])
            if typed.group_step is not None:
                code *= int(typed.group_step[n, group])
            values[n, k] = code
        return values

    @pytest.mark.parametrize("group", [{}, {"b_group": 32, "b_scale": "step"}])
    def test_signed(self, group: dict[str, Any]) -> None:
        self.check(Problem(*self.SHAPE, b_type="s4", **group))

    @pytest.mark.parametrize("group", [{"b_group": 64, "b_scale": "step"}, {"b_group": 256}, {"b_group": 128}])
    def test_with_zero_points(self, group: dict[str, Any]) -> None:
        self.check(Problem(*self.SHAPE, b_type="u4", **group))

    def check(self, problem: Problem) -> None:
        typed = typed_operands(problem, make_operands(problem))
        want = typed.a.astype(np.int64) @ self.values(problem, typed).astype(np.int64).T
        assert (gemm_reference(problem, typed) == want).all()

    def test_float_scales_are_applied_group_by_group(self) -> None:
        problem = Problem(*self.SHAPE, b_type="u4", b_group=64, b_scale="float", output_type="f32")
        typed = typed_operands(problem, make_operands(problem))
        values, total = self.values(problem, typed), np.zeros((7, 9), np.float32)
        assert typed.group_scale is not None
        for group in range(4):
            part = slice(64 * group, 64 * group + 64)
            sums = (typed.a[:, part] @ values[:, part].T).astype(np.float32)
            total = total + sums * typed.group_scale[:, group]
        assert (gemm_reference(problem, typed) == total).all()

    def test_steps_keep_every_code_within_int8(self) -> None:
        for zero in range(16):
            step = int(largest_step(np.array([zero], np.uint8))[0])
            assert -128 <= -zero * step <= (15 - zero) * step <= 127
            assert not -128 <= -zero * (step + 1) <= (15 - zero) * (step + 1) <= 127

    def test_four_by_four_bits(self) -> None:
        problem = Problem(*self.SHAPE, a_type="s4", b_type="s4")
        operands = make_operands(problem)
        typed = typed_operands(problem, operands)
        want = (operands.a // 16).astype(np.int64) @ (operands.b // 16).astype(np.int64).T
        assert (gemm_reference(problem, typed) == want).all()

    def test_bits_count_common_ones(self) -> None:
        problem = Problem(3, 4, 64, a_type="b1", b_type="b1")
        operands = make_operands(problem)
        typed = typed_operands(problem, operands)
        want = [[int(((x < 0) & (y < 0)).sum()) for y in operands.b] for x in operands.a]
        assert gemm_reference(problem, typed).tolist() == want
        assert typed.a[0, 0] & 1 == (operands.a[0, 0] < 0)  # the low bit first
