"""Everything native once with the code of each set of instructions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from immabench.kernels import native


@pytest.fixture(scope="module", params=["baseline", "avx2", "avx512"])
def instructions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything once with the code of each set of instructions."""
    native().limit_cpu_instructions(request.param)
    if native().cpu_instructions() != request.param:
        native().limit_cpu_instructions("avx512")
        pytest.skip(f"this CPU has no {request.param}")
    yield
    native().limit_cpu_instructions("avx512")
