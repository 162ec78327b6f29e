"""Verification in a worker process: a kernel that hangs, crashes or breaks its GPU's context costs itself alone.

Every case is a request with a time limit. The rest of a configuration that lost its worker is not tried: what hung once
would hang again, and a GPU's minutes are few.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from immabench.hardware import cuda_state
from immabench.kernels import AnyConfig, absent_reason, all_configs
from immabench.measure.kernel_case import ORDERS, Check, KernelCase, check_case, check_of
from immabench.measure.verify import brief_cases, verification_cases
from immabench.measure.worker_process import WorkerProcess

START_SECONDS = 120.0
"""For a fresh worker: imports, and a context on the GPU."""

LOST = ("timeout", "crashed")
"""Answers of a worker that is gone."""


@dataclass(frozen=True)
class What:
    """What configurations are verified with, as `verification_cases` takes it; `brief`: with a few cases only."""

    shapes: Sequence[tuple[Any, ...]] = ()
    output_types: Sequence[str] = ()
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    brief: bool = False

    def cases(self, config: AnyConfig) -> Iterator[KernelCase]:
        """The cases of a configuration, in an order that is always the same."""
        if self.brief:
            return brief_cases(config, self.output_types, self.seed)
        return verification_cases(config, self.shapes, self.output_types, self.seed, self.options)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> What:
        """What `asdict` made, also where it has been JSON since."""
        return cls(**{**values, "shapes": [tuple(shape) for shape in values["shapes"]]})


def verify_apart(
    worker: WorkerProcess, config: AnyConfig, what: What, device: str, case_seconds: float
) -> Iterator[Check]:
    """Check one configuration on `device`, each case by a request to `worker`; what is illegal is asked of nobody.

    A case, which is its operands, a launch and the oracle, may take `case_seconds`; the largest takes a second or two.
    """
    absent = absent_reason(config, cuda_state()["devices"][0]) if device == "cuda" else None
    request = {"do": "check", "kernel": config.id, "what": asdict(what), "device": device}
    lost = ""
    for index, case in enumerate(what.cases(config)):
        reason = absent or case.illegal_reason() or lost
        if reason:
            yield check_of(case, device, "skipped", reason)
            continue
        check = _asked(worker, case, {**request, "index": index}, case_seconds)
        if check.detail.startswith(LOST):
            lost = f"not tried, as {check.name} ended the worker"
        yield check


def _asked(worker: WorkerProcess, case: KernelCase, request: dict[str, Any], case_seconds: float) -> Check:
    reply = worker.answer({"do": "ready", "device": request["device"]}, START_SECONDS)
    if "ready" in reply:
        reply = worker.answer(request, case_seconds)
    if "check" in reply:
        return Check(**{**reply["check"], "shape": tuple(reply["check"]["shape"])})
    why = next(f"{status}: {reply[status]}" for status in (*LOST, "error") if status in reply)
    return check_of(case, request["device"], "failed", why)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The worker's side of a "check"."""
    case = _cases(request["kernel"], json.dumps(request["what"]))[request["index"]]
    return {"check": asdict(check_case(case, ORDERS, request["device"], request["what"]["seed"]))}


@functools.lru_cache(1)
def _cases(kernel_id: str, what: str) -> list[KernelCase]:
    """Of the configuration asked for last: its cases come one by one."""
    (config,) = (config for config in all_configs() if config.id == kernel_id)
    return list(What.from_dict(json.loads(what)).cases(config))
