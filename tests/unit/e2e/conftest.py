"""A quick trained model, one thread, and cells within the test's process."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from in_process import InProcess, fresh
from toy_models import toy

from immabench.e2e import asking
from immabench.models import trained


@pytest.fixture(autouse=True)
def _toy(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "_MODELS", (toy(),))
    monkeypatch.setattr(trained, "NEEDS_NOTHING", "toy")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> type[InProcess]:
    kind = fresh()
    monkeypatch.setattr(asking, "new_worker", lambda cell: kind())
    return kind
