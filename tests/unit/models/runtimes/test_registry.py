"""Runtimes by name, and what is said of those that are not here."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.errors import MissingHardwareError, NothingSelectedError, UsageError
from immabench.models.runtimes import registry
from immabench.models.runtimes.registry import RUNTIMES, require_one, runtime
from immabench.providers.base import Availability


def test_every_runtime_is_found_by_its_name() -> None:
    assert [runtime(one.name) for one in RUNTIMES] == list(RUNTIMES)


def test_an_unknown_name_has_the_nearest() -> None:
    with pytest.raises(NothingSelectedError, match="no runtime matches 'onxruntime'; nearest: onnxruntime"):
        runtime("onxruntime")


class Missing:
    """A runtime that is not here."""

    def __init__(self, name: str, hardware: bool) -> None:
        self.name, self._hardware = name, hardware

    def availability(self) -> Availability:
        return Availability(False, "is not here", "get it", self._hardware)


@pytest.mark.parametrize(("hardware", "kind"), [(True, MissingHardwareError), (False, UsageError)])
def test_none_here_ends_by_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, hardware: bool, kind: type[Exception]
) -> None:
    monkeypatch.setattr(registry, "RUNTIMES", (Missing("gone", hardware), *RUNTIMES))
    with pytest.raises(kind, match="gone: is not here; get it"):
        require_one(["gone"])
    require_one(["gone", "torch"])
