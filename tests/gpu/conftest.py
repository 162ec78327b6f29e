"""Everything in this folder needs a GPU; where there is none it is skipped, visibly."""

from __future__ import annotations

from pathlib import Path

import pytest

from immabench import _native
from immabench.hardware import cuda_state

NEEDED = "needs an NVIDIA GPU of sm_80 or later with its driver, a CUDA build of immabench and of torch"


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
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"{reason}; {NEEDED}"))
