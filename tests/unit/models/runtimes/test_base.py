"""Layers of several profiled runs as one list."""

from __future__ import annotations

from immabench.models.runtimes.base import LayerTiming, median_of_runs


def layer(name: str, time: float, reformat: float = 0.0) -> LayerTiming:
    return LayerTiming(name, "Conv", "fp32", "kernel", time, reformat)


def test_a_burst_of_other_work_does_not_count() -> None:
    runs = [[layer("a", 1.0, 5.0), layer("b", 2.0)], [layer("a", 900.0, 5.0), layer("b", 3.0)], [layer("a", 2.0, 7.0)]]
    assert median_of_runs(runs) == [layer("a", 2.0, 5.0), layer("b", 2.0)], "b took nothing in the third run"


def test_the_order_is_that_of_the_runs() -> None:
    assert [one.name for one in median_of_runs([[layer("b", 1.0)], [layer("a", 1.0), layer("b", 1.0)]])] == ["b", "a"]
