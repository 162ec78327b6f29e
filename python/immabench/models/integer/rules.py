"""Other ways to compute a product's codes: what runtimes do in the place of docs/numerics.md, one rule at a time.

A layer's codes by the specification and by each other rule, from the same operands: the rule that gives what was seen
is the cause of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from immabench.activations import activate
from immabench.data_types import Array
from immabench.numerics import as_rows, residual_values, weighted_sums
from immabench.operands import Operands
from immabench.problems import Problem
from immabench.quantize.schemes import QuantizationParameters

INT16_LEAST, INT16_GREATEST = -(2**15), 2**15 - 1
FIXED_POINT_BITS = 31


@dataclass(frozen=True)
class Rules:
    """How codes come of operands. The defaults are those of docs/numerics.md.

    `sums`: exact int32; float32 products of what codes stand for; or pairs of products that saturate at int16, as
    VPMADDUBSW adds them. `bias`: float32, or int32 codes of x_scale * w_scale. `scaling`: one scale after the other;
    one multiplier x_scale * w_scale / out_scale in float32; or that in 31 bits, rounded by shifts. `residual`: added in
    float32, or to a sum that was rounded to codes first. `ties`: how a code halfway between two is rounded.
    """

    sums: Literal["int32", "float32", "int16 pairs"] = "int32"
    bias: Literal["float32", "int32"] = "float32"
    scaling: Literal["in steps", "one multiplier", "fixed point"] = "in steps"
    residual: Literal["fused", "after rounding"] = "fused"
    ties: Literal["to even", "away from zero", "upwards"] = "to even"


SPECIFIED = Rules()

CHANGES: dict[str, dict[str, str]] = {
    "tie rounding: halves away from zero": {"ties": "away from zero"},
    "tie rounding: halves upwards": {"ties": "upwards"},
    "requantization: one multiplier for all scales": {"scaling": "one multiplier"},
    "requantization: a multiplier in fixed point": {"scaling": "fixed point"},
    "requantization: the bias as int32": {"bias": "int32"},
    "fused residual: the sum is rounded to codes before": {"residual": "after rounding"},
    "accumulator: sums in float32": {"sums": "float32"},
    "accumulator: pairs saturate at int16": {"sums": "int16 pairs"},
}
"""Causes, and what differs from the specification."""

MOST_CHANGES = 3


def output_codes(
    problem: Problem, operands: Operands, rules: Rules, sum_codes: QuantizationParameters | None = None
) -> Array:
    """int32 [M, N]: the int8 codes of a product that ends in codes, by `rules`.

    `sum_codes` are those that a sum is rounded to before a residual is added, where `rules` say so; without them those
    of the output are taken.
    """
    scale, zero = _of(operands.out_scale, 1.0), _of(operands.out_zero, 0)
    before = None
    if operands.residual is not None and rules.residual == "after rounding":
        before = sum_codes or QuantizationParameters(float(scale[0]), int(zero[0]), -128, 127)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        unit: Any = np.float32(1) if rules.scaling == "in steps" else np.float32(before.scale) if before else scale
        value = _before_residual(problem, operands, rules, unit)
        if before is not None:
            value, unit = _through_codes(value, before, rules, unit) * unit, np.float32(1)
        if operands.residual is not None:
            value = value + residual_values(problem, operands) / unit
        value = _activated(problem, value, unit)
        codes: Array = np.clip(_rounded(value / (scale / unit), rules) + zero, -128, 127).astype(np.int32)
    return codes


def _activated(problem: Problem, value: Array, unit: Any) -> Array:
    if problem.activation == "relu":
        return np.maximum(value, 0)
    if problem.activation == "none":
        return value
    activated: Array = activate(problem.activation, (value * unit).astype(np.float32)) / unit
    return activated


def explanations(problem: Problem, operands: Operands) -> Iterator[tuple[tuple[str, ...], Rules]]:
    """Causes and the rules they make: one change, then two, up to `MOST_CHANGES`, no two of one rule."""
    possible = {name: change for name, change in CHANGES.items() if _applies(change, problem, operands)}
    for count in range(1, MOST_CHANGES + 1):
        for names in combinations(possible, count):
            changed = [possible[name] for name in names]
            if len({rule for change in changed for rule in change}) == count:
                values: dict[str, Any] = {rule: value for change in changed for rule, value in change.items()}
                yield names, replace(SPECIFIED, **values)


def _applies(change: dict[str, str], problem: Problem, operands: Operands) -> bool:
    needs = {"bias": operands.bias, "residual": operands.residual}
    return all(needs.get(rule, True) is not None for rule in change)


def _before_residual(problem: Problem, operands: Operands, rules: Rules, unit: Any) -> Array:
    """The sums with scales and bias, float32, in `unit`s: 1, or of the output's scale where a multiplier has it."""
    x_scale, w_scale = _of(operands.row_scale, 1.0)[..., None], _of(operands.col_scale, 1.0)
    total = _total(problem, operands, rules, x_scale, w_scale)
    bias = _of(operands.bias, -0.0)
    if rules.bias == "int32":
        codes = np.rint(bias / (x_scale * w_scale))
        if rules.sums == "float32":
            rounded: Array = total + (codes * (x_scale * w_scale)).astype(np.float32)
            return rounded
        total, bias = total + codes.astype(np.int64), _of(None, -0.0)
    if rules.sums == "float32":
        scaled: Array = total / unit
    elif rules.scaling == "in steps":
        scaled = (total.astype(np.float32) * x_scale) * w_scale
    else:
        scaled = _multiplied(total, (x_scale * w_scale) / unit, rules)
    biased: Array = scaled + (bias / unit).astype(np.float32)
    return biased


def _multiplied(total: Array, multiplier: Array, rules: Rules) -> Array:
    if rules.scaling == "one multiplier":
        product: Array = total.astype(np.float32) * multiplier.astype(np.float32)
        return product
    mantissa, exponent = np.frexp(multiplier.astype(np.float64))
    fixed = np.rint(mantissa * 2.0**FIXED_POINT_BITS)
    exact: Array = total.astype(np.float64) * fixed * 2.0 ** (exponent - FIXED_POINT_BITS)
    return exact


def _total(problem: Problem, operands: Operands, rules: Rules, x_scale: Array, w_scale: Array) -> Array:
    zero = 0 if operands.a_zero is None else int(operands.a_zero[0])
    if rules.sums == "int32":
        total = weighted_sums(problem, operands).astype(np.int64)
        return total if operands.b_sum is None else total - zero * operands.b_sum.astype(np.int64)
    rows = as_rows(problem, operands.a, zero).astype(np.int32)
    weights = operands.b.astype(np.int32)
    if rules.sums == "float32":
        # One sum may round otherwise by another order; whole layers show that it is sums of floats.
        values = ((rows - zero) * x_scale).astype(np.float32)
        sums: Array = values @ (weights * w_scale.reshape(-1, 1)).astype(np.float32).T
        return sums
    pairs: Array = _saturating(rows + 128, weights) - (zero + 128) * weights.sum(1, dtype=np.int64)
    return pairs


def _saturating(unsigned: Array, weights: Array) -> Array:
    """Sums of u8 by s8 whose neighbouring products are added within int16."""
    odd = unsigned.shape[1] % 2
    left, right = (np.pad(one, ((0, 0), (0, odd))) for one in (unsigned, weights))
    total = np.zeros((len(left), len(right)), np.int64)
    for k in range(0, left.shape[1], 2):
        pair = left[:, k, None] * right[None, :, k] + left[:, k + 1, None] * right[None, :, k + 1]
        total += np.clip(pair, INT16_LEAST, INT16_GREATEST)
    return total


def _through_codes(value: Array, codes: QuantizationParameters, rules: Rules, unit: Any) -> Array:
    scale = np.float32(codes.scale) / unit
    rounded = np.clip(_rounded(value / scale, rules) + codes.zero_point, codes.qmin, codes.qmax)
    values: Array = ((rounded - codes.zero_point) * scale).astype(np.float32)
    return values


def _rounded(steps: Array, rules: Rules) -> Array:
    if rules.ties == "to even":
        return np.rint(steps)
    if rules.ties == "upwards":
        return np.floor(steps + np.float32(0.5))
    return np.copysign(np.floor(np.abs(steps) + np.float32(0.5)), steps)


def _of(vector: Array | None, absent: float) -> Array:
    return np.array([absent], np.float32) if vector is None else vector
