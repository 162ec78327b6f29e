"""Cases in a worker process: one that hangs or crashes is wrong, its kernel is left, and the next one goes on."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest

from immabench.kernels import KernelConfig, kernel_configs
from immabench.measure.kernel_case import Check, check_case
from immabench.measure.verify import GemmCase
from immabench.measure.verify_apart import What, verify_apart
from immabench.measure.worker import is_spent
from immabench.measure.worker_process import WorkerProcess

SHAPES = [(8, 8, 16), (9, 8, 16), (10, 8, 16), (11, 8, 16)]


class Scripted:
    """A worker whose answers are given; it keeps what it was asked."""

    def __init__(self, replies: list[dict[str, Any]]) -> None:
        self.replies, self.asked = iter(replies), list[dict[str, Any]]()

    def answer(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        self.asked.append(request)
        assert timeout_seconds > 0
        return {"ready": "cuda"} if request["do"] == "ready" else next(self.replies)


@pytest.fixture
def config(fake_native: Any) -> KernelConfig:
    return kernel_configs()[1]


def ran(config: KernelConfig, replies: list[dict[str, Any]], worker: Any = None) -> list[Check]:
    worker = worker or Scripted(replies)
    return list(verify_apart(cast(WorkerProcess, worker), config, What(SHAPES, ["s32"]), "emulated", 20.0))


def right(config: KernelConfig, shape: tuple[int, int, int]) -> dict[str, Any]:
    """As JSON has it."""
    place = {"id": config.id, "shape": list(shape), "output_type": "s32", "types": "s32", "device": "emulated"}
    return {"check": {**place, "status": "ok", "detail": "", "batch": 1}}


@pytest.mark.parametrize("status", ["timeout", "crashed"])
def test_what_loses_its_worker_is_wrong_and_the_rest_of_the_kernel_is_not_tried(
    config: KernelConfig, status: str
) -> None:
    worker = Scripted([right(config, SHAPES[0]), {status: "no answer"}])
    checks = ran(config, [], worker)
    assert [check.status for check in checks] == ["ok", "failed", "skipped", "skipped"]
    assert checks[1].detail == f"{status}: no answer"
    assert checks[3].detail == "not tried, as 9x8x16 s32 ended the worker"
    assert [one["index"] for one in worker.asked if one["do"] == "check"] == [0, 1]


def test_an_error_of_the_worker_is_a_case_that_is_wrong_and_the_next_one_is_tried(config: KernelConfig) -> None:
    checks = ran(config, [{"error": "KeyError: 'x'"}, *(right(config, shape) for shape in SHAPES[1:])])
    assert [check.status for check in checks] == ["failed", "ok", "ok", "ok"]
    assert checks[0].detail == "error: KeyError: 'x'"
    assert checks[1].shape == SHAPES[1]


def test_a_gpu_that_cannot_be_had_is_said_of_each_case(config: KernelConfig) -> None:
    class WithoutGpu(Scripted):
        def answer(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
            return {"error": "no CUDA device"}

    assert {check.detail for check in ran(config, [], WithoutGpu([]))} == {"error: no CUDA device"}


def test_a_real_worker_says_what_is_said_here() -> None:
    native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    assert native.kernels()
    config, what = kernel_configs()[0], What(SHAPES[:2], ["s32", "f16"])
    here = [check_case(case, ("forward", "reverse", "random"), "emulated", 0) for case in what.cases(config)]
    with WorkerProcess() as worker:
        assert list(verify_apart(worker, config, what, "emulated", 20.0)) == here
    assert {check.status for check in here} == {"ok"}


def test_brief_is_a_few_cases_of_every_output_type(config: KernelConfig) -> None:
    cases = list(What(brief=True).cases(config))
    assert {case.output_type for case in cases} == set(config.output_types)
    shapes = [case.shape for case in cases if case.output_type == "s32"]
    m, n, k = config.block_tile
    assert (m, n, k) in shapes
    assert len(shapes) == 3
    assert shapes[-1][2] > config.stages * k


def test_a_worker_that_says_it_is_spent_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerProcess("immabench.measure.worker") as worker:
        assert worker.answer({"do": "ready", "device": "cpu"}, 60) == {"ready": "cpu"}
        first = worker._process
        monkeypatch.setattr("json.loads", lambda line: {"ready": "cpu", "spent": True})
        assert worker.answer({"do": "ready", "device": "cpu"}, 60) == {"ready": "cpu"}
        assert worker._process is None
        monkeypatch.undo()
        assert worker.answer({"do": "ready", "device": "cpu"}, 60) == {"ready": "cpu"}
        assert worker._process is not first


def test_an_answer_of_a_process_whose_context_is_lost_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class LostCuda:
        @staticmethod
        def is_initialized() -> bool:
            return True

        @staticmethod
        def synchronize() -> None:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    class Torch:
        cuda = LostCuda

    monkeypatch.setitem(sys.modules, "torch", cast(Any, Torch))
    assert is_spent()
    monkeypatch.setattr(LostCuda, "synchronize", staticmethod(lambda: None))
    assert not is_spent()


def test_a_fault_on_the_gpu_is_a_case_that_is_wrong(config: KernelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(case: GemmCase) -> None:
        raise RuntimeError("CUDA error:\n an illegal memory access")

    monkeypatch.setattr(GemmCase, "launch_on_gpu", faulty)
    case = next(What(SHAPES, ["s32"]).cases(config))
    check = check_case(case, (), "cuda", 0)
    assert (check.status, check.detail) == ("failed", "RuntimeError: CUDA error: an illegal memory access")
