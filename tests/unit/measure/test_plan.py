"""The plan: what runs where, what is skipped and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from immabench.errors import ImmabenchError, MissingHardwareError, NothingSelectedError, UsageError
from immabench.kernels import kernel_configs
from immabench.measure.plan import Selection, kernel_problem, make_plan, one_problem, selected_cases, shape_problem
from immabench.problems import Problem

EMULATED = Selection(shapes=("64x64x64",), devices=("emulated",))


@pytest.fixture(autouse=True)
def _fake(fake_native: Any) -> None:
    """Every test here runs on the fake module."""


def test_selection_survives_json() -> None:
    selection = Selection(suites=("quick",), kernels=("*",), top=3)
    assert Selection.from_dict(selection.as_dict()) == selection
    assert Selection.from_dict({"suites": ["quick"], "future": 1}).suites == ("quick",)


def test_the_plan_knows_which_configurations_pack(torch_installed: None) -> None:
    plan = make_plan(Selection(shapes=("64x64x64",), providers=("torch",), devices=("cpu",)))
    assert {p.job.kernel_id for p in plan if p.job.step == "pack"} == {"torch_int4_pack"}
    skipped = make_plan(Selection(shapes=("64x64x33",), providers=("torch",), devices=("cpu",)))
    assert {p.job.row("skipped", p.skip).step for p in skipped if p.job.kernel_id == "torch_int4_pack"} == {"pack"}


def test_one_step_alone(torch_installed: None) -> None:
    asked = {"shapes": ("64x64x64",), "providers": ("torch",), "devices": ("cpu",)}
    for step in ("compute", "pack"):
        plan = make_plan(Selection(**asked, steps=(step,)))  # type: ignore[arg-type]
        assert {planned.job.step for planned in plan} == {step}


def test_without_a_gpu_kernels_are_emulated_and_torch_is_timed(torch_installed: None) -> None:
    plan = make_plan(Selection(shapes=("64x64x64",)))
    kinds = [(planned.job.provider, planned.job.device_kind) for planned in plan]
    assert kinds == [("handwritten", "emulated")] * 2 + [("torch", "cpu")] * 6
    assert not any(planned.skip for planned in plan)


def test_only_the_best_few_unless_kernels_are_named() -> None:
    assert [planned.job.kernel_id[13:21] for planned in make_plan(EMULATED)] == ["16x64x12", "64x64x64"]
    named = Selection(shapes=EMULATED.shapes, devices=EMULATED.devices, kernels=("imma_*",))
    assert len(make_plan(named)) == 3


def test_large_cases_are_skipped_with_the_remedy() -> None:
    plan = make_plan(Selection(shapes=("1024x1024x1024",), devices=("emulated",)))
    assert {planned.skip for planned in plan} == {"1.07 GMAC is above --emulate-budget 0.5; raise it to emulate it"}
    more = Selection(shapes=("1024x1024x1024",), devices=("emulated",), emulate_budget_gmac=2)
    assert not any(planned.skip for planned in make_plan(more))


def test_illegal_configurations_are_rows_when_named_or_when_nothing_is_legal(fake_native: Any) -> None:
    small = "imma_s8s8s32_16x64x128_w1x4_s2_sm80"
    fake_native.illegal[small] = "K is odd"
    assert small not in [planned.job.kernel_id for planned in make_plan(EMULATED)]
    named = Selection(shapes=EMULATED.shapes, devices=EMULATED.devices, kernels=("*16x64*",))
    assert [planned.skip for planned in make_plan(named)] == ["K is odd"]
    fake_native.illegal = {entry["id"]: "no" for entry in fake_native.kernels()}
    assert [planned.skip for planned in make_plan(EMULATED)] == ["no"]


def test_an_unavailable_provider_is_skipped_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("immabench.providers.torch_matmul.metadata.version", missing)
    plan = make_plan(Selection(shapes=("64x64x64",), providers=("torch",)))
    assert {planned.skip for planned in plan} == {"torch is not installed; pip install 'immabench[models]'"}


def test_the_oracle_takes_part_only_when_asked() -> None:
    plan = make_plan(Selection(shapes=("64x64x64",), providers=("reference",)))
    assert [planned.job.kernel_id for planned in plan] == ["reference_numpy"]


def test_suites_and_case_globs() -> None:
    cases = selected_cases(Selection(suites=("quick",), shapes=("1x2x3",), cases=("rag*", "1x2x3")))
    assert [(named.suite, named.case.name) for named in cases] == [("quick", "ragged"), ("shapes", "1x2x3")]


@pytest.mark.parametrize(
    ("selection", "error", "message"),
    [
        (Selection(suites=("quik",)), NothingSelectedError, "nearest: quick"),
        (Selection(suites=("quick",), cases=("raged",)), NothingSelectedError, "nearest: ragged"),
        (Selection(shapes=("1x1x1",), kernels=("imma_16x*",)), NothingSelectedError, "no kernel matches"),
        (Selection(shapes=("1x1x1",), providers=("troch",)), NothingSelectedError, "nearest: torch"),
        (Selection(shapes=("1x1x1",), providers=("torch",), devices=("emulated",)), NothingSelectedError, "nothing to"),
        (Selection(shapes=("1x1x1",), devices=("cuda",)), MissingHardwareError, "no CUDA device"),
        (Selection(shapes=("1x1x1",), devices=("gpu",)), UsageError, "unknown device"),
        (Selection(shapes=("1x1",)), UsageError, "is not MxNxK"),
        (Selection(shapes=("1x1x131072",)), UsageError, "can overflow"),
    ],
)
def test_bad_selections(selection: Selection, error: type[ImmabenchError], message: str) -> None:
    with pytest.raises(error, match=message):
        make_plan(selection)


def test_a_provider_that_cannot_be_loaded_stops_only_those_who_ask_for_it(
    install_provider: Any, tmp_path: Path
) -> None:
    install_provider("broken", "import nothing_of_that_name")
    assert make_plan(EMULATED)
    with pytest.raises(ImmabenchError, match="provider broken cannot be loaded: ModuleNotFoundError"):
        make_plan(Selection(shapes=("1x1x1",), providers=("broken",)))


def test_a_plugin_takes_part_by_default(misbehaving: str) -> None:
    plan = make_plan(Selection(shapes=("8x8x8",), devices=("cpu",), kernels=("good", "wrong")))
    assert [planned.job.provider for planned in plan] == ["misbehaving"] * 2


def test_shapes_of_the_command_line_have_a_full_epilogue() -> None:
    assert shape_problem((1, 2, 3), "s32") == Problem(1, 2, 3)
    assert shape_problem((1, 2, 3), "f16").key.endswith("f16_rv_cv_b")


def test_a_batch_of_the_command_line_names_its_case() -> None:
    (named,) = selected_cases(Selection(shapes=("8x16x32",), options=("batch=12",), output_type="s32"))
    assert (named.case.name, named.case.problem) == ("8x16x32 batch=12", Problem(8, 16, 32, batch=12))


def test_a_convolution_of_the_command_line_has_one_scale_for_all_pixels() -> None:
    problem = one_problem("1x56x56x64_f3_p1_n32", "f16", {"activation": "relu"})
    assert problem.key == "conv2d_s8_1x56x56x64_f3_p1_n32_f16_rt_cv_b_relu"


def test_a_kernel_is_asked_in_its_own_form_and_with_groups_that_divide_k(fake_native: Any) -> None:
    gemm = replace(kernel_configs()[0], operand_types={"a": "s8", "b": "u4"}, group_scale="step")
    conv = replace(gemm, family="conv2d_w4a8")
    assert kernel_problem(gemm, "8x16x256", "s32").b_group == 128
    assert kernel_problem(conv, "1x6x6x32_f3_n16", "s32").b_group == 32
    assert kernel_problem(conv, "1x6x6x32_f3_n16", "s32", {"b_group": 288}).b_group == 288
    for config, shape in ((gemm, "1x6x6x32_f3_n16"), (conv, "8x16x256")):
        with pytest.raises(UsageError, match="is not"):
            kernel_problem(config, shape, "s32")
