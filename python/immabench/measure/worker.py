"""The worker: a child process that runs jobs one by one, so that a crash costs one row and not the sweep.

It reads one JSON request a line on standard input and answers one line each. Answers go to the descriptor that was
standard output at the start; standard output itself is joined to standard error, so that whatever a library prints
cannot damage an answer. The worker ends when its input ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG = 1


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request: `{"do": "row", "job", "ceilings", "criterion", "timer"}`, `{"do": "ceilings", "device"}`,
    `{"do": "check", "kernel", "what", "index", "device"}`, or `{"do": "ready", "device"}`, which waits for a context.
    """
    if request["do"] == "ready":
        return _ready(request["device"])
    if request["do"] == "check":
        from immabench.measure.verify_apart import answer as checked

        return checked(request)
    if request["do"] == "ceilings":
        from immabench.measure.ceilings import measure_ceilings

        return {"ceilings": measure_ceilings(request["device"])}
    from immabench.measure.case import Job, run_job
    from immabench.measure.timer import Criterion

    job, criterion = Job.from_dict(request["job"]), Criterion(**request["criterion"])
    outcome = run_job(job, request["ceilings"], criterion, request["timer"])
    return {"row": outcome.row.model_dump(mode="json"), "times_us": outcome.times_us}


def _ready(device: str) -> dict[str, Any]:
    if device == "cuda":
        from immabench.providers.torch_tensors import torch_device

        sys.modules["torch"].cuda.synchronize(torch_device(device))
    return {"ready": device}


def is_spent() -> bool:
    """Whether this process lost its GPU: after a fault of a kernel every later call of CUDA fails in it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests until standard input ends; an exception becomes `{"error": why}`. `{"spent": True}` is in the
    answer of a worker that can answer no more."""
    _follow_parent()
    # Ctrl-C reaches the whole terminal group: the sweep decides what becomes of the case in flight, not the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the sweep decides what an error means
            reply = {"error": f"{type(error).__name__}: {error}"}
        if is_spent():
            reply["spent"] = True
        try:
            answers.write(json.dumps(reply) + "\n")
            answers.flush()
        except BrokenPipeError:  # whoever asked is gone, and with it the reader of a traceback
            os._exit(1)


def _follow_parent() -> None:
    """Die with the sweep: without this a `kill -9` of it would leave a long case running. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    serve(answer)
