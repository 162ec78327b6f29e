"""A cuBLASLt that computes nothing and remembers every call as ctypes makes it, for the tests of its provider."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any

import pytest

from immabench.providers import cublaslt
from immabench.providers import cublaslt_library as lt

ATTRIBUTE_NAMES = {number: name for name, (number, _) in lt.CUBLASLT_MATMUL_DESC.items()}


class FakeCublasLt:
    """Stands for the CDLL. `algorithms` is how many it proposes; `status` by function name, 0 for others."""

    def __init__(self, algorithms: int = 3) -> None:
        self.algorithms = algorithms
        self.status: dict[str, int] = {}
        self.operation: tuple[int, int] = (-1, -1)
        self.attributes: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.layouts: dict[int, tuple[int, int, int, int]] = {}
        self.batches: dict[int, dict[int, tuple[int, int]]] = {}
        self.workspace_limit = 0
        self.asked = 0
        self.matmuls: list[dict[str, int]] = []
        self._next = 100
        self.cublasLtGetVersion = _Version()

    def __getattr__(self, function: str) -> Any:
        if not function.startswith("cublasLt"):
            raise AttributeError(function)
        own = re.sub("([A-Z])", r"_\1", function.removeprefix("cublasLt")).lower()

        def call(*arguments: Any) -> int:
            getattr(self, own, _nothing)(*arguments)
            return self.status.get(function, 0)

        return call

    def _new(self, descriptor: Any) -> int:
        self._next += 1
        descriptor._obj.value = self._next
        return self._next

    def _create(self, handle: Any) -> None:
        self._new(handle)

    def _matmul_desc_create(self, descriptor: Any, compute: Any, scale: Any) -> None:
        self._new(descriptor)
        self.operation = (compute.value, scale.value)

    def _matmul_desc_set_attribute(self, descriptor: Any, number: Any, value: Any, size: Any) -> None:
        name = ATTRIBUTE_NAMES[number.value]
        self.attributes[name], self.sizes[name] = value._obj.value, size.value

    def _matrix_layout_create(self, descriptor: Any, kind: Any, rows: Any, columns: Any, leading: Any) -> None:
        self.layouts[self._new(descriptor)] = (kind.value, rows.value, columns.value, leading.value)

    def _matrix_layout_set_attribute(self, descriptor: Any, number: Any, value: Any, size: Any) -> None:
        self.batches.setdefault(descriptor.value, {})[number.value] = (value._obj.value, size.value)

    def _matmul_preference_create(self, descriptor: Any) -> None:
        self._new(descriptor)

    def _matmul_preference_set_attribute(self, descriptor: Any, number: Any, value: Any, size: Any) -> None:
        self.workspace_limit = value._obj.value

    def _matmul_algo_get_heuristic(self, *arguments: Any) -> None:
        *_, most, results, count = arguments
        self.asked = most.value
        count._obj.value = min(self.algorithms, most.value)
        for number in range(count._obj.value):
            results[number].algo.data[0] = number

    def _matmul_algo_config_get_attribute(self, algo: Any, number: Any, value: Any, size: Any, written: Any) -> None:
        if number.value == lt.CUBLASLT_ALGO_CONFIG["id"][0]:
            value._obj.value = algo._obj.data[0]

    def _matmul(self, handle: Any, operation: Any, alpha: Any, *rest: Any) -> None:
        first, first_layout, second, second_layout, beta, c, _, out, out_layout, algo, workspace, size, stream = rest
        self.matmuls.append(
            {
                "alpha": alpha._obj.value,
                "beta": beta._obj.value,
                "first": first.value,
                "second": second.value,
                "c": c.value,
                "out": out.value,
                "layouts": (self.layouts[first_layout.value], self.layouts[second_layout.value]),  # type: ignore[dict-item]
                "out_layout": self.layouts[out_layout.value],  # type: ignore[dict-item]
                "algo": algo._obj.data[0],
                "workspace": workspace.value,
                "size": size.value,
                "stream": stream.value,
            }
        )


class _Version:
    restype: Any = ctypes.c_int

    def __call__(self) -> int:
        return 130101


def _nothing(*arguments: Any) -> None:
    return None


@pytest.fixture
def fake_cublaslt(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCublasLt]:
    """Put a fresh fake in place of the library for one test."""
    fake = FakeCublasLt()
    for module in (cublaslt, lt):
        monkeypatch.setattr(module, "load_library", lambda: fake)
    cublaslt._library.cache_clear()
    yield fake
    cublaslt._library.cache_clear()
