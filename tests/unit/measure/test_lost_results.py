"""Results that dask loses: the job is asked again, and every request has one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

pytest.importorskip("distributed", reason="pip install 'immabench[scale]'")

from immabench.measure.scheduler import ask_workers


class Future:
    """A job that is done at once."""

    status = "finished"

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request


class Client:
    """Runs what is submitted, and counts how often each request was."""

    status, loop = "running", None

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def submit(self, function: Any, request: dict[str, Any], timeout_seconds: float, pure: bool) -> Future:
        self.submitted.append(request["job"])
        return Future(request)

    def cancel(self, futures: list[Future]) -> None:
        raise AssertionError("nothing is left to cancel")


class Losing:
    """`as_completed`, losing the result of every request named in `lost` once."""

    lost: ClassVar[set[str]] = set()

    def __init__(self, futures: list[Future], **_: Any) -> None:
        self.waiting = list(futures)

    def add(self, future: Future) -> None:
        self.waiting.append(future)

    def __iter__(self) -> Iterator[tuple[Future, dict[str, str]]]:
        while self.waiting:
            future = self.waiting.pop(0)
            name = future.request["job"]
            if name in self.lost:
                self.lost.remove(name)
            else:
                yield future, {"row": name}


@pytest.mark.parametrize("lost", [set(), {"a"}, {"a", "c"}, {"c"}])
def test_every_request_has_one_answer(monkeypatch: pytest.MonkeyPatch, lost: set[str]) -> None:
    monkeypatch.setattr("distributed.as_completed", Losing)
    monkeypatch.setattr(Losing, "lost", set(lost))
    client: Any = Client()
    requests = [(index, {"job": name}) for index, name in enumerate("abc")]
    answers = dict(ask_workers(client, requests, 1.0))
    assert answers == {0: {"row": "a"}, 1: {"row": "b"}, 2: {"row": "c"}}
    assert sorted(client.submitted) == sorted([*"abc", *lost])


def test_the_fakes_have_the_names_of_dask() -> None:
    import distributed

    assert {"add", "__next__"} <= set(dir(distributed.as_completed))
    assert {"submit", "cancel"} <= set(dir(distributed.Client))
