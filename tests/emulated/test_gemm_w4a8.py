"""int8 activations and 4-bit weights by mma.sync on the emulated machine: exact in every form of scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import running
from low_precision import ORDERS, Case, alone, edges, expect_exact, expect_ideal, run

from immabench import _native
from immabench.kernels import KernelConfig, illegal_reason, kernel_configs
from immabench.problems import Problem

CONFIGS = [config for config in kernel_configs() if config.family == "gemm_w4a8" and config.id.startswith("imma")]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
BY_FORM = {config.id.split("_")[1]: config for config in reversed(CONFIGS)}  # the smallest tile of each
by_form = pytest.mark.parametrize("config", BY_FORM.values(), ids=BY_FORM.keys())


def groups_of(config: KernelConfig, k: int) -> list[int]:
    """The groups that fit K: none, or 32, 64, 128 and, with steps, all of K."""
    if config.group_scale == "none":
        return [0]
    whole = [k] if config.group_scale == "step" else []
    return [group for group in (32, 64, 128) if k % group == 0] + whole


def make_case(config: KernelConfig, m: int, n: int, k: int, group: int, seed: int = 0) -> Case:
    """Random operands over the full range, with both ends; zero points and the largest steps that they allow."""
    generator = np.random.default_rng([seed, m, n, k, group])
    signed = config.operand_types["b"] == "s4"
    a = generator.integers(-128, 128, (m, k)).astype(np.int8)
    codes = generator.integers(-8, 8, (n, k)) if signed else generator.integers(0, 16, (n, k))
    a[0, 0], a[-1, -1], codes[0, 0], codes[-1, -1] = -128, 127, codes.min(), codes.max()
    if not group:
        return Case(a, codes)
    shape = (n, k // group)
    scale = None
    if config.group_scale == "float":
        scale = (10.0 ** generator.uniform(-4, -2, shape)).astype(np.float32)
    if signed:
        return Case(a, codes, group, scale=scale)
    zero = generator.integers(0, 16, shape)
    largest = np.minimum(128 // np.maximum(zero, 1), 127 // np.maximum(15 - zero, 1))
    step = np.where(generator.random(shape) < 0.5, largest, generator.integers(1, largest + 1))
    return Case(a, codes, group, step, zero, scale)


def test_every_form_has_tiles_from_few_to_many_rows() -> None:
    forms = {(config.operand_types["b"], config.operand_types["accumulator"]) for config in CONFIGS}
    assert forms == {("s4", "s32"), ("u4", "s32"), ("s4", "f32"), ("u4", "f32")}
    for config in BY_FORM.values():
        same = [other for other in CONFIGS if other.operand_types == config.operand_types]
        assert {other.block_tile[0] for other in same} >= {16, 32, 64, 128}
    assert all("sm_80" in config.architectures and "sm_90a" in config.architectures for config in CONFIGS)


@by_config
def test_exact_on_the_edges_of_the_tile_in_every_order(config: KernelConfig) -> None:
    for m, n, k in edges(config, 16 if config.group_scale in ("none", "step") else 32):
        for index, group in enumerate(groups_of(config, k)):
            case = make_case(config, m, n, k, group)
            for order in ORDERS if index == 0 else ("random",):
                expect_exact(config, case, order=order)


@by_form
def test_one_hot_activations_show_what_each_code_stands_for(config: KernelConfig) -> None:
    """Each column of the weights is looked at alone: row i of A is 1 at k = i. All codes, zero points and steps."""
    k = 128
    for group in groups_of(config, k):
        case = make_case(config, k, 64, k, group)
        codes = (np.arange(64)[:, None] + np.arange(k)) % 16 - (8 if config.operand_types["b"] == "s4" else 0)
        expect_exact(config, Case(np.eye(k, dtype=np.int8), codes, group, case.step, case.zero, case.scale))


@by_form
def test_the_largest_products_do_not_overflow(config: KernelConfig) -> None:
    k = 256
    group = 0 if config.group_scale == "none" else 128
    signed = config.operand_types["b"] == "s4"
    for a_value, code, zero, step in (
        ((-128, -8, 0, 1), (127, 7, 0, 1))
        if signed
        else ((-128, 0, 8, 16), (-128, 0, 15, 8), (127, 15, 0, 8), (127, 15, 15, 8), (-128, 15, 0, 8))
    ):
        shape = (16, k // 128)
        affine = {} if signed else {"step": np.full(shape, step), "zero": np.full(shape, zero)}
        scale = np.full(shape, 0.37, np.float32) if config.group_scale == "float" else None
        case = Case(np.full((3, k), a_value, np.int8), np.full((16, k), code), group, scale=scale, **affine)
        expect_exact(config, case)


@pytest.mark.parametrize("config", alone(CONFIGS), ids=lambda config: config.id)
def test_operands_move_at_the_ideal(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    for group in groups_of(config, 4 * k):
        report = expect_exact(config, make_case(config, 2 * m, 2 * n, 4 * k, group))
        counts = report["counts"]
        assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 32)
        expect_ideal(counts, "ldmatrix", "shared_load", "shared_store", "async_copy", "global_store")
        affine, scale = config.operand_types["b"] == "u4", config.group_scale == "float"
        rows = 4 if group == 4 * k else 4 * k // group if group else 0  # one a K tile where the group is all of K
        parameters = rows * n * (2 * affine + 4 * scale)
        assert counts["async_copy"]["bytes"] == 4 * (4 * k * (m + n // 2) + parameters)


EPILOGUES: dict[str, dict[str, Any]] = {
    "f16": {"row_scale": True, "col_scale": True, "bias": True},
    "bf16": {"col_scale": True},
    "f32": {"row_scale": True, "bias": True},
}


@by_form
@pytest.mark.parametrize("output_type", EPILOGUES)
def test_sums_go_through_the_epilogue_of_every_family(config: KernelConfig, output_type: str) -> None:
    m, n, k = 20, 44, 256
    given, generator = EPILOGUES[output_type], np.random.default_rng(1)
    lengths = {"row_scale": m, "col_scale": n, "bias": n}
    vectors = {name: generator.uniform(1e-4, 1e-2, lengths[name]).astype(np.float32) for name in given}
    case = make_case(config, m, n, k, groups_of(config, k)[0])
    case.epilogue.update(vectors)
    out, report = run(config, case, output_type)
    x = case.sums().astype(np.float32)
    x = x * vectors["row_scale"][:, None] if "row_scale" in vectors else x
    x = x * vectors["col_scale"] if "col_scale" in vectors else x
    x = x + vectors["bias"] if "bias" in vectors else x
    assert report["hazards"] == []
    if output_type == "bf16":
        bits = x.view(np.uint32)
        want = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    else:
        want = x.astype(out.dtype)
    assert (out == want).all()


def test_a_zero_point_of_activations_corrects_integer_sums() -> None:
    for form in ("s8s4s32", "s8u4s32"):
        config = BY_FORM[form]
        case = make_case(config, 9, 20, 96, groups_of(config, 96)[0])
        zero = np.arange(-4, 5, dtype=np.int32)
        case.epilogue.update(a_zero=zero, b_sum=case.integers().sum(axis=1).astype(np.int32))
        out, _ = run(config, case, "s32")
        assert (out == (case.a.astype(np.int64) - zero[:, None]) @ case.integers().T).all()


PROBLEMS = {
    "channel": {"b_type": "s4"},
    "signed steps": {"b_type": "s4", "b_group": 64, "b_scale": "step"},
    "steps with zero points": {"b_type": "u4", "b_group": 32, "b_scale": "step"},
    "zero points of channels": {"b_type": "u4", "b_group": 256},
    "signed scales": {"b_type": "s4", "b_group": 128, "b_scale": "float"},
    "scales with zero points": {"b_type": "u4", "b_group": 64, "b_scale": "float"},
}


@pytest.mark.parametrize("stated", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_every_stated_problem_has_kernels_that_are_exact(stated: dict[str, Any]) -> None:
    problem = Problem(33, 52, 256, a_type="s8", output_type="f16", row_scale="vector", col_scale="vector", **stated)
    legal = [config for config in CONFIGS if illegal_reason(config, problem) is None]
    assert {config.block_tile[0] for config in legal} >= {16, 32, 64, 128}
    for config in legal:
        running.expect_exact(config, problem)


@pytest.mark.parametrize(
    ("form", "k", "group", "reason"),
    [
        ("s8s4s32", 24, 0, "K=24 is no multiple of 16, rows of A have no whole 16 bytes; pad K with zeros"),
        ("s8s4s32", 64, 32, "has no scales a group of K"),
        ("s8u4s32", 64, 0, "has groups of 32, 64 or 128 elements of K, or one of all of K, not 0"),
        ("s8u4s32", 96, 64, "K=96 is no whole number of groups of 64; pad K"),
        ("s8u4s32", 96, 48, "not 48"),
        ("s8u4s32", 96, 96, ""),
        ("s8s4f32", 256, 256, "has groups of 32, 64 or 128 elements of K, not 256"),
        ("s8s4s32", 131072, 0, "K=131072 exceeds 131071"),
        ("s8s4f32", 131072, 128, ""),
    ],
)
def test_what_cannot_be_computed_says_why(form: str, k: int, group: int, reason: str) -> None:
    found = _native.illegal_reason(BY_FORM[form].id, 4, 4, k, "f32", group=group)
    assert reason in found if reason else found is None


def test_bad_parameters_of_groups_are_named_in_one_line() -> None:
    config = BY_FORM["s8u4f32"]
    good = make_case(config, 4, 20, 128, 64)
    assert good.scale is not None
    for case, message in (
        (Case(good.a, good.codes, 64, good.step, good.zero), "needs 'group_scale'"),
        (Case(good.a, good.codes, 64, scale=good.scale), "needs 'group_affine'"),
        (Case(good.a, good.codes, 64, good.step, good.zero, good.scale[:, :1]), "'group_scale' has shape"),
        (Case(good.a, good.codes, 64, np.full((20, 2), 20), good.zero, good.scale), "'group_affine' holds"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            run(config, case, "f32")
        assert "\n" not in str(error.value)
    case = Case(good.a, good.codes, 64, good.step, good.zero, good.scale, {"a_zero": np.ones(1, np.int32)})
    with pytest.raises(ValueError, match="a zero point of A needs integer sums"):
        run(config, case, "f32")
