"""cuBLASLt where there is none: found or not with its reason, what it takes, and what it is called with."""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from immabench.errors import ImmabenchError
from immabench.operands import make_operands
from immabench.problems import Problem
from immabench.providers import cublaslt, cublaslt_library
from immabench.providers.buffers import HostBuffers
from immabench.providers.cublaslt import CublasLtProvider


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cublaslt, "load_library", lambda: None)
    monkeypatch.setattr(cublaslt_library, "load_library", lambda: None)
    state = CublasLtProvider().availability()
    assert (state.ok, state.remedy) == (False, "install a CUDA build of torch")
    with pytest.raises(ImmabenchError, match="libcublasLt is not here; install a CUDA build of torch"):
        cublaslt_library.CublasLt()


def test_it_looks_where_packages_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("cu13", "cublas"):
        library = tmp_path / "nvidia" / folder / "lib" / "libcublasLt.so.13"
        library.parent.mkdir(parents=True)
        library.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    found = [path.relative_to(tmp_path / "nvidia").parts[0] for path in cublaslt_library.library_paths()]
    assert {"cu13", "cublas"} <= set(found)


def test_what_its_int8_kernels_do_not_take_has_a_reason() -> None:
    def reason(problem: Problem) -> str | None:
        return CublasLtProvider().configs(problem, "cuda")[0].reason

    assert reason(Problem(7, 4, 64)) is None
    assert reason(Problem(7, 4, 147)) == "cuBLASLt's INT8 needs N and K in multiples of 4"
    assert reason(Problem(7, 5, 64)) == "cuBLASLt's INT8 needs N and K in multiples of 4"
    assert reason(Problem(1, 1, 1, "f32", "f32", "f32")) == "computes problems stated in s8 only"
    assert CublasLtProvider().devices() == ("cuda",)


VECTORS = {"output_type": "f16", "row_scale": "vector", "col_scale": "vector"}
TENSORS = {"output_type": "f16", "row_scale": "tensor", "col_scale": "tensor"}


@pytest.mark.parametrize(
    ("shape", "epilogue", "capability", "version", "reason"),
    [
        ((7, 8, 16), VECTORS, (9, 0), 130101, None),
        ((7, 8, 24), VECTORS, (9, 0), 130101, "K in multiples of 16, N of 8"),
        ((7, 12, 16), VECTORS, (9, 0), 130101, "K in multiples of 16, N of 8"),
        ((7, 12, 16), {}, (9, 0), 130101, None),
        ((7, 8, 16), {}, (8, 0), 130101, "FP8 needs compute capability 8.9, and this GPU has 8.0"),
        (
            (7, 8, 16),
            VECTORS,
            (8, 9),
            130101,
            "scaled by vectors needs compute capability 9.0, and this GPU has 8.9",
        ),
        ((7, 8, 16), TENSORS, (8, 9), 120100, None),
        ((7, 8, 16), VECTORS, (9, 0), 120804, "by vectors from version 120900, and this is 120804"),
        ((7, 8, 16), VECTORS, None, None, None),
        ((7, 8, 16), VECTORS | {"batch": 3}, (9, 0), 130101, "batches of FP8 are scaled by one value here"),
        ((7, 8, 16), TENSORS | {"batch": 3}, (9, 0), 130101, None),
    ],
)
def test_what_its_fp8_kernels_do_not_take_has_a_reason(
    shape: tuple[int, int, int],
    epilogue: dict[str, Any],
    capability: tuple[int, int] | None,
    version: int | None,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = [{"compute_capability": list(capability)}] if capability else []
    monkeypatch.setattr(cublaslt, "cuda_state", lambda: {"devices": devices})
    monkeypatch.setattr(cublaslt, "library_version", lambda: version)
    reasons = {c.config_id: c.reason for c in CublasLtProvider().configs(Problem(*shape, **epilogue), "cuda")}
    found = reasons["cublaslt_fp8"]
    assert found is None if reason is None else reason in str(found)
    assert [reasons[f"cublaslt_{name}"] for name in ("fp16", "bf16", "fp32")] == [None] * 3


def test_what_each_configuration_states() -> None:
    asked = Problem(16, 32, 64, bias=True, **VECTORS)
    stated = {config: CublasLtProvider().stated(asked, config).key for config in CublasLtProvider().config_ids()}
    assert stated == {
        "cublaslt_int8": "gemm_s8_m16_n32_k64_f16_rv_cv_b",
        "cublaslt_fp8": "gemm_e4m3_m16_n32_k64_f16_rv_cv_b",
        "cublaslt_fp16": "gemm_f16_m16_n32_k64_f16_b",
        "cublaslt_bf16": "gemm_bf16_m16_n32_k64_bf16_b",
        "cublaslt_fp32": "gemm_f32_m16_n32_k64_f32_b",
    }
    assert CublasLtProvider().stated(Problem(16, 32, 64), "cublaslt_fp8").output_type == "f32"


class TensorBuffers(HostBuffers):
    """Buffers of torch tensors, as on a GPU, on the host."""

    device_kind = "cuda"

    def __init__(self, problem: Problem) -> None:
        from immabench.providers.torch_tensors import to_tensor

        super().__init__(problem, make_operands(replace(problem, a_type="s8", b_type="s8")), "cuda")
        types = {"a": problem.a_type, "b": problem.b_type, "bias": problem.bias_type, "out": problem.output_type}
        for name in ("a", "b", "row_scale", "col_scale", "bias", "out"):
            setattr(self, name, to_tensor(getattr(self, name), "cpu", types.get(name, "f32")))


@pytest.fixture
def on_gpu(fake_cublaslt: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The fake library, on a stream and a clock that say which algorithm is fastest: the second."""
    torch = pytest.importorskip("torch")

    class Ballast:
        sizes: ClassVar[list[int]] = []

        def __init__(self, size: int) -> None:
            self.sizes.append(size)

    def times(launches: list[Any], ballast: Ballast) -> list[float]:
        for launch in launches:
            launch()
        return [{0: 9.0, 1: 2.0, 2: 5.0}[fake_cublaslt.matmuls[-1]["algo"]]] * len(launches)

    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=77))
    monkeypatch.setattr("immabench.measure.cuda_timer.times_by_events", times)
    monkeypatch.setattr("immabench.measure.cuda_timer.CudaBallast", Ballast)
    monkeypatch.setattr(cublaslt, "cache_bytes", lambda kind: 1 << 20)
    fake_cublaslt.ballasts = Ballast.sizes
    return fake_cublaslt


FP8 = Problem(16, 32, 64, "e4m3", "e4m3", "f16", "vector", "vector", True)


def test_the_fastest_of_its_algorithms_is_launched_and_named(on_gpu: Any) -> None:
    buffers = TensorBuffers(FP8)
    launch = CublasLtProvider().prepare("cublaslt_fp8", buffers)
    assert on_gpu.asked == 16
    assert on_gpu.workspace_limit == 32 << 20
    assert launch.backend == "cublasLt-130101:id=1,tile=0,splitk=0,stages=0,inner=0,cluster=0 (best of 3)"
    assert set(on_gpu.ballasts) == {(3 << 20) - FP8.bytes_moved}
    on_gpu.matmuls.clear()
    launch.launch()
    (call,) = on_gpu.matmuls
    assert (call["algo"], call["stream"], call["size"], call["alpha"], call["beta"]) == (1, 77, 32 << 20, 1, 0)
    assert (call["first"], call["second"]) == (buffers.b.data_ptr(), buffers.a.data_ptr())
    assert call["c"] == call["out"] == buffers.out.data_ptr()


def test_one_algorithm_serves_every_operand_set_of_a_problem(on_gpu: Any) -> None:
    provider = CublasLtProvider()
    provider.prepare("cublaslt_fp8", TensorBuffers(FP8))
    tried = len(on_gpu.matmuls)
    assert tried == 3 * (1 + 5)
    second = provider.prepare("cublaslt_fp8", TensorBuffers(FP8))
    assert len(on_gpu.matmuls) == tried
    assert second.backend.endswith("(best of 3)")
    provider.prepare("cublaslt_fp8", TensorBuffers(replace(FP8, m=48)))
    assert len(on_gpu.matmuls) == 2 * tried


def test_without_an_algorithm_there_is_one_clear_line(on_gpu: Any) -> None:
    on_gpu.algorithms = 0
    with pytest.raises(ImmabenchError, match=r"^cuBLASLt 130101 has no algorithm for gemm_e4m3_\w+ on this GPU; M, N"):
        CublasLtProvider().prepare("cublaslt_fp8", TensorBuffers(FP8))


def test_int8_goes_through_sums_and_the_steps_of_torch(on_gpu: Any) -> None:
    problem = Problem(16, 32, 64, output_type="f16", row_scale="vector", col_scale="vector", bias=True)
    buffers = TensorBuffers(problem)
    launch = CublasLtProvider().prepare("cublaslt_int8", buffers)
    launch.launch()
    assert on_gpu.matmuls[-1]["out"] != buffers.out.data_ptr()
    assert "BIAS_POINTER" not in on_gpu.attributes
    bare = TensorBuffers(Problem(16, 32, 64))
    CublasLtProvider().prepare("cublaslt_int8", bare)
    assert on_gpu.matmuls[-1]["out"] == bare.out.data_ptr()


def test_scales_of_one_number_are_pointed_to(on_gpu: Any) -> None:
    buffers = TensorBuffers(replace(FP8, row_scale="tensor", col_scale="tensor"))
    CublasLtProvider().prepare("cublaslt_fp8", buffers)
    assert on_gpu.attributes["A_SCALE_POINTER"] == buffers.col_scale.data_ptr()
    assert on_gpu.attributes["B_SCALE_POINTER"] == buffers.row_scale.data_ptr()
    assert (on_gpu.attributes["A_SCALE_MODE"], on_gpu.attributes["B_SCALE_MODE"]) == (0, 0)


def test_vectors_are_pointed_to_as_they_are(on_gpu: Any) -> None:
    buffers = TensorBuffers(FP8)
    CublasLtProvider().prepare("cublaslt_fp8", buffers)
    assert on_gpu.attributes["A_SCALE_POINTER"] == buffers.col_scale.data_ptr()
    assert on_gpu.attributes["B_SCALE_POINTER"] == buffers.row_scale.data_ptr()
    assert (on_gpu.attributes["A_SCALE_MODE"], on_gpu.attributes["B_SCALE_MODE"]) == (3, 3)


def floats_at(address: int, count: int) -> list[float]:
    return list((ctypes.c_float * count).from_address(address))


def test_beside_a_vector_a_scale_of_one_number_is_spread_at_each_launch(on_gpu: Any) -> None:
    buffers = TensorBuffers(replace(FP8, row_scale="tensor"))
    launch = CublasLtProvider().prepare("cublaslt_fp8", buffers)
    rows = on_gpu.attributes["B_SCALE_POINTER"]
    assert rows != buffers.row_scale.data_ptr()
    for value in (0.25, 0.5):
        buffers.row_scale.fill_(value)
        launch.launch()
        assert floats_at(rows, 16) == [value] * 16


def test_beside_a_vector_an_absent_scale_is_ones_that_stay_alive(on_gpu: Any) -> None:
    buffers = TensorBuffers(replace(FP8, row_scale="none"))
    launch = CublasLtProvider().prepare("cublaslt_fp8", buffers)
    gc.collect()
    launch.launch()
    assert floats_at(on_gpu.attributes["B_SCALE_POINTER"], 16) == [1.0] * 16


def test_without_scales_and_bias_none_is_set(on_gpu: Any) -> None:
    CublasLtProvider().prepare("cublaslt_fp8", TensorBuffers(Problem(16, 32, 64, "e4m3", "e4m3", "f32")))
    assert set(on_gpu.attributes) == {"TRANSA", "FAST_ACCUM"}
