"""Everything in this folder needs a GPU; where there is none it is skipped, visibly.

A kernel may hang, and no signal reaches a thread that waits for a GPU: each test has a time limit, after which its
process ends. Run by `pytest -n 1` that costs the one test, as does a fault, after which the process has no GPU.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from immabench import _native
from immabench.hardware import cuda_state
from immabench.measure.worker import is_spent

NEEDED = "needs an NVIDIA GPU of sm_80 or later with its driver, a CUDA build of immabench and of torch"
SECONDS = float(os.environ.get("IMMABENCH_GPU_TEST_SECONDS", "240"))
"""A test may take. The longest, of commands in processes of their own, take a minute or two."""


def missing() -> str:
    """Why tests cannot launch on this machine; empty where they can."""
    if not _native.build_info()["cuda"]:
        return "immabench was built with IMMABENCH_CUDA=OFF"
    state = cuda_state()
    if not state["devices"]:
        return str(state["error"] or "no CUDA device")
    import torch

    return "" if torch.cuda.is_available() else f"torch {torch.__version__} sees no CUDA device"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = missing() if here else ""
    for item in here:
        item.add_marker(pytest.mark.gpu)
        if not reason:
            item.add_marker(pytest.mark.alone)
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"{reason}; {NEEDED}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """The reports of the test are out: a process of xdist that lost its GPU ends, and another takes the next test."""
    if "PYTEST_XDIST_WORKER" in os.environ and is_spent():
        os._exit(1)
