"""torch on the CPU computes the same problem as the oracle, bit for bit in int8."""

from __future__ import annotations

import numpy as np
import pytest

from immabench.data_types import unpack_s4
from immabench.errors import ImmabenchError, MissingHardwareError
from immabench.measure.trial import Trial
from immabench.operands import make_operands
from immabench.problems import Problem, conv_problem, float_problem
from immabench.providers import torch_int4
from immabench.providers.base import Step
from immabench.providers.buffers import HostBuffers
from immabench.providers.torch_int4 import Int4Product
from immabench.providers.torch_matmul import CONFIG_TYPES, INT4_STEPS, TorchProvider

torch = pytest.importorskip("torch", reason="the torch provider needs torch")

SHAPES = [(1, 1, 1), (1, 1000, 512), (17, 8, 8), (33, 65, 127), (128, 64, 147), (3, 5, 7)]
EPILOGUES = [
    {"output_type": "s32"},
    {"output_type": "f32"},
    {"output_type": "f16", "row_scale": "tensor", "col_scale": "vector", "bias": True},
    {"output_type": "bf16", "row_scale": "vector", "col_scale": "tensor"},
    {"output_type": "f32", "col_scale": "vector", "bias": True},
    {"output_type": "s32", "a_zero": "vector"},
    {"output_type": "f32", "row_scale": "tensor", "a_zero": "tensor", "residual": "f32", "activation": "gelu"},
    {"output_type": "f16", "row_scale": "tensor", "residual": "f16", "activation": "relu"},
    {"output_type": "bf16", "row_scale": "tensor", "col_scale": "vector", "residual": "bf16", "activation": "gelu"},
    {"output_type": "s8", "row_scale": "vector", "residual": "s8", "out_scale": "vector", "out_zero": True},
    {"output_type": "s8", "bias": True, "col_scale": "vector", "activation": "gelu", "out_scale": "tensor"},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("epilogue", EPILOGUES, ids=lambda epilogue: Problem(1, 1, 1, **epilogue).key[19:])
def test_int8_is_exact(shape: tuple[int, int, int], epilogue: dict[str, object]) -> None:
    problem = Problem(*shape, **epilogue)  # type: ignore[arg-type]
    trial = Trial(TorchProvider(), problem, "torch_int8", "cpu", seed=0)
    # A single int8 may be the poison by chance.
    unlaunched = "" if shape == (1, 1, 1) and problem.output_type == "s8" else "elements differ"
    assert unlaunched in trial.judge()
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
        assert unlaunched in trial.judge()
    assert trial.launchable.backend == "torch-cpu:_int_mm"


CONVOLUTIONS = ["1x9x8x3_f7_s2_p3", "2x6x5x8_f3_p1", "1x9x9x4_f3x2_s1x2_p2x0_d2x1", "3x4x4x16_f1"]


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("epilogue", EPILOGUES[:3] + EPILOGUES[6:], ids=lambda epilogue: epilogue["output_type"])
def test_int8_convolution_is_exact(name: str, epilogue: dict[str, object]) -> None:
    trial = Trial(TorchProvider(), conv_problem(name, 24, **epilogue), "torch_int8", "cpu", seed=0)
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
        assert "elements differ" in trial.judge()
    assert trial.launchable.backend == "torch-cpu:im2col, _int_mm"


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("config", ["torch_fp32", "torch_fp16", "torch_bf16"])
def test_float_convolution_is_within_its_bound(name: str, config: str) -> None:
    problem = conv_problem(name, 24, output_type="f16", row_scale="vector", col_scale="vector", bias=True)
    trial = Trial(TorchProvider(), problem, config, "cpu", seed=0)
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
        assert "elements differ" in trial.judge()
    assert trial.launchable.backend == "torch-cpu:conv2d, copy"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("config", ["torch_fp32", "torch_fp16", "torch_bf16"])
def test_float_is_within_its_bound(shape: tuple[int, int, int], bias: bool, config: str) -> None:
    problem = Problem(*shape, output_type="f16", row_scale="vector", col_scale="vector", bias=bias)
    trial = Trial(TorchProvider(), problem, config, "cpu", seed=0)
    assert "elements differ" in trial.judge()
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
    assert trial.problem.a_type == CONFIG_TYPES[config]


@pytest.mark.parametrize("config", ["torch_fp32", "torch_fp16", "torch_bf16"])
def test_a_float_result_that_misses_one_product_is_caught(config: str) -> None:
    problem = Problem(64, 64, 4608, output_type="f32")
    trial = Trial(TorchProvider(), problem, config, "cpu", seed=0)
    trial.launch()
    assert trial.judge() == ""
    trial.launchable._out[3, 4] *= -1.0  # type: ignore[attr-defined]
    assert "first C[3,4]" in trial.judge()


def test_the_float_problem_has_no_scales_and_keeps_its_bias() -> None:
    problem = Problem(2, 3, 4, output_type="f16", row_scale="vector", col_scale="vector", bias=True)
    assert float_problem(problem, "bf16").key == "gemm_bf16_m2_n3_k4_bf16_b"
    assert float_problem(Problem(2, 3, 4), "f32").output_type == "f32"


INT4_SHAPES = [(1, 16, 32), (4, 64, 128), (17, 80, 96), (33, 48, 64), (128, 256, 1152), (5, 1008, 4096)]


@pytest.mark.parametrize("shape", INT4_SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(("config", "step"), INT4_STEPS.items())
def test_int4_is_within_its_bound(config: str, step: Step, bias: bool, shape: tuple[int, int, int]) -> None:
    problem = Problem(*shape, output_type="f16", row_scale="vector", col_scale="vector", bias=bias)
    trial = Trial(TorchProvider(), problem, config, "cpu", 0, step)
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
    operation = {"compute": "_weight_int4pack_mm_for_cpu", "pack": "_convert_weight_to_int4pack_for_cpu"}[step]
    assert trial.launchable.backend == f"torch-cpu:{operation}"
    assert (trial.problem.a_type, trial.problem.b_type, trial.problem.output_type) == ("bf16", "s4", "bf16")


@pytest.mark.parametrize(("k", "group"), [(32, 32), (64, 64), (96, 32), (128, 128), (192, 64), (256, 128)])
def test_the_int4_problem_has_the_largest_group_that_divides_k(k: int, group: int) -> None:
    problem = Problem(2, 16, k, output_type="f16", row_scale="vector", col_scale="vector", bias=True)
    stated = TorchProvider().stated(problem, "torch_int4")
    assert stated.key == f"gemm_bf16_s4_m2_n16_k{k}_bf16_b_g{group}"


@pytest.mark.parametrize(
    ("shape", "device", "reason"),
    [
        ((3, 8, 64), "cpu", "torch packs int4 weights on cpu with N in multiples of 16"),
        ((3, 8, 64), "cuda", None),
        ((3, 12, 64), "cuda", "torch packs int4 weights on cuda with N in multiples of 8"),
        ((3, 16, 48), "cpu", "torch's int4 groups are 128, 64, 32 or 256 elements of K, and none divides K"),
    ],
)
def test_what_the_int4_kernels_do_not_take_has_a_reason(
    shape: tuple[int, int, int], device: str, reason: str | None
) -> None:
    reasons = {c.config_id: c.reason for c in TorchProvider().configs(Problem(*shape), device)}
    assert reasons["torch_int4"] == reasons["torch_int4_pack"] == reason


def test_torch_itself_refuses_on_the_cpu_what_has_a_reason() -> None:
    codes = torch.zeros((8, 64), dtype=torch.int32)
    with pytest.raises(RuntimeError, match="expect N to be dividable by 16"):
        torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 2)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(torch.zeros((16, 48), dtype=torch.int32), 2)
    activations, scales = torch.zeros((3, 48), dtype=torch.bfloat16), torch.ones((3, 16, 2), dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="expect qGroupSize to be 32, 64, 128 or 256, got 16"):
        torch.ops.aten._weight_int4pack_mm_for_cpu(activations, packed, 16, scales)


def test_codes_for_cuda_are_eight_above_and_high_nibble_first() -> None:
    problem = Problem(2, 16, 64, "bf16", "s4", "bf16", b_group=64, b_scale="float")
    buffers = HostBuffers(problem, make_operands(Problem(2, 16, 64)))
    product = Int4Product(buffers)
    codes = unpack_s4(buffers.b)
    assert (product._torch_codes().numpy() == codes + 8).all()
    product._on_cuda = True
    bytes_ = product._torch_codes().numpy()
    assert bytes_.dtype == np.uint8
    assert (bytes_ >> 4 == codes[:, 0::2] + 8).all()
    assert (bytes_ & 0xF == codes[:, 1::2] + 8).all()


def test_a_torch_without_the_operation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(torch_int4.OPERATIONS, "cpu", ("_convert_weight_to_int3pack", "_weight_int3pack_mm"))
    with pytest.raises(ImmabenchError, match=r"^torch \S+ has no _convert_weight_to_int3pack; pip install"):
        Trial(TorchProvider(), Problem(4, 64, 64), "torch_int4", "cpu", seed=0)


def test_packing_is_a_step_and_the_rest_computes() -> None:
    steps = {c.config_id: c.step for c in TorchProvider().configs(Problem(17, 64, 64), "cpu")}
    assert {config for config, step in steps.items() if step == "pack"} == {"torch_int4_pack"}


def test_cuda_limits_of_int_mm_are_reasons() -> None:
    reasons = {c.config_id: c.reason for c in TorchProvider().configs(Problem(16, 64, 64), "cuda")}
    assert reasons["torch_fp16"] is None
    assert "needs M > 16" in str(reasons["torch_int8"])
    assert all(c.reason is None for c in TorchProvider().configs(Problem(17, 64, 64), "cuda"))


def test_float_baselines_apply_scales_and_a_bias_alone() -> None:
    problem = Problem(64, 64, 64, output_type="f16", residual="f16", activation="gelu", a_zero="tensor")
    reasons = {entry.config_id: entry.reason for entry in TorchProvider().configs(problem, "cpu")}
    assert reasons.pop("torch_int8") is None
    assert set(reasons.values()) == {"computes no zero point of A, no residual, no gelu"}


def test_only_problems_stated_in_s8() -> None:
    problem = Problem(2, 3, 4, "f32", "f32", "f32")
    assert {c.reason for c in TorchProvider().configs(problem, "cpu")} == {"computes problems stated in s8 only"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU whose absence is tested")
def test_without_cuda_the_hardware_is_missing() -> None:
    problem = Problem(32, 64, 64)
    with pytest.raises(MissingHardwareError, match="torch has no CUDA device"):
        Trial(TorchProvider(), problem, "torch_int8", "cuda", seed=0)


@pytest.mark.parametrize("epilogue", EPILOGUES, ids=lambda epilogue: Problem(1, 1, 1, **epilogue).key[19:])
def test_a_batch_of_int8_is_exact_and_says_how_often_it_multiplies(epilogue: dict[str, object]) -> None:
    problem = Problem(33, 65, 127, batch=3, **epilogue)  # type: ignore[arg-type]
    trial = Trial(TorchProvider(), problem, "torch_int8", "cpu", seed=0)
    trial.launch()
    assert trial.judge() == ""
    assert trial.launchable.backend == "torch-cpu:_int_mm (3 calls)"


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("config", ["torch_fp32", "torch_fp16", "torch_bf16"])
def test_a_batch_of_floats_is_within_its_bound(config: str, bias: bool) -> None:
    problem = Problem(17, 24, 96, output_type="f16", row_scale="vector", col_scale="vector", bias=bias, batch=3)
    trial = Trial(TorchProvider(), problem, config, "cpu", seed=0)
    trial.launch()
    assert trial.judge() == ""
    trial.launchable._out[1, 3, 4] *= -1.0  # type: ignore[attr-defined]
    assert "first C[1,3,4]" in trial.judge()


def test_int4_weights_are_of_one_product() -> None:
    reasons = {c.config_id: c.reason for c in TorchProvider().configs(Problem(17, 64, 64, batch=2), "cpu")}
    assert (
        reasons["torch_int4"] == reasons["torch_int4_pack"] == "torch multiplies by int4 weights one product at a time"
    )
