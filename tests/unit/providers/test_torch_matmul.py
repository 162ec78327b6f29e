"""torch on the CPU computes the same problem as the oracle, bit for bit in int8."""

from __future__ import annotations

import pytest

from immabench.errors import MissingHardwareError
from immabench.measure.trial import Trial
from immabench.problems import Problem, float_problem
from immabench.providers.torch_matmul import CONFIG_TYPES, TorchProvider

torch = pytest.importorskip("torch", reason="the torch provider needs torch")

SHAPES = [(1, 1, 1), (1, 1000, 512), (17, 8, 8), (33, 65, 127), (128, 64, 147), (3, 5, 7)]
EPILOGUES = [
    {"output_type": "s32"},
    {"output_type": "f32"},
    {"output_type": "f16", "row_scale": "tensor", "col_scale": "vector", "bias": True},
    {"output_type": "bf16", "row_scale": "vector", "col_scale": "tensor"},
    {"output_type": "f32", "col_scale": "vector", "bias": True},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("epilogue", EPILOGUES, ids=lambda epilogue: Problem(1, 1, 1, **epilogue).key[19:])
def test_int8_is_exact(shape: tuple[int, int, int], epilogue: dict[str, object]) -> None:
    problem = Problem(*shape, **epilogue)  # type: ignore[arg-type]
    trial = Trial(TorchProvider(), problem, "torch_int8", "cpu", seed=0)
    assert "elements differ" in trial.judge()  # poison, before the launch
    for seed in (1, 2):
        trial.launch()
        assert trial.judge() == ""
        trial.renew(seed)
        assert "elements differ" in trial.judge()
    assert trial.launchable.backend == "torch-cpu:_int_mm"


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


def test_cuda_limits_of_int_mm_are_reasons() -> None:
    reasons = {c.config_id: c.reason for c in TorchProvider().configs(Problem(16, 64, 64), "cuda")}
    assert reasons["torch_fp16"] is None
    assert "needs M > 16" in str(reasons["torch_int8"])
    assert all(c.reason is None for c in TorchProvider().configs(Problem(17, 64, 64), "cuda"))


def test_only_problems_stated_in_s8() -> None:
    problem = Problem(2, 3, 4, "f32", "f32", "f32")
    assert {c.reason for c in TorchProvider().configs(problem, "cpu")} == {"computes problems stated in s8 only"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU whose absence is tested")
def test_without_cuda_the_hardware_is_missing() -> None:
    problem = Problem(32, 64, 64)
    with pytest.raises(MissingHardwareError, match="torch has no CUDA device"):
        Trial(TorchProvider(), problem, "torch_int8", "cuda", seed=0)
