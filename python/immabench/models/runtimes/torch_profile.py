"""A module under torch.profiler: what each of its modules took, by which operator or GPU kernel.

Hooks put a range around each module's forward; operators within belong to the innermost range. So what a module does
itself, such as adding a residual, is its own line beside those of the modules in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from immabench.models.runtimes.base import PROFILED_RUNS, WARM_RUNS, LayerTiming, median_of_runs

RANGE = "immabench/"
ROOT = "(model)"
"""The name of what the model does outside of all named modules."""

REFORMATS = ("aten::to", "aten::_to_copy", "aten::copy_", "aten::contiguous", "aten::clone")
"""Operators that change types and layouts, and no values."""


def profiled(module: torch.nn.Module, run: Callable[[], Any], precision: str, by_module: bool) -> list[LayerTiming]:
    """The time of each module in the order they first ran; modules that only call others are left out.

    Microseconds of kernels on a GPU, of operators on a CPU, without Python between them. Not `by_module`, all is
    one line.
    """
    for _ in range(WARM_RUNS):
        run()
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    profile = torch.profiler.profile(activities=activities)
    with _ranges(module if by_module else None):
        with _silent():
            profile.start()
        for _ in range(PROFILED_RUNS):
            with torch.profiler.record_function(RANGE + ROOT):
                run()
        with _silent():
            profile.stop()
    kinds = {name: type(one).__name__ for name, one in module.named_modules()} | {ROOT: type(module).__name__}
    runs = [event for event in profile.events() if event.name == RANGE + ROOT]
    timings = median_of_runs([_layers(run, kinds, precision) for run in runs])
    return [timing for timing in timings if timing.time_us or timing.reformat_us]


def _layers(run: Any, kinds: Mapping[str, str], precision: str) -> list[LayerTiming]:
    """The modules of one run; one that ran several times is one line."""
    own: dict[str, list[Any]] = {}
    for event in sorted(_tree(run), key=lambda one: one.time_range.start):
        if event.name.startswith(RANGE):
            own.setdefault(event.name.removeprefix(RANGE), []).extend(_own(event))
    return [_timing(name, kinds[name], precision, events) for name, events in own.items() if events]


def _timing(name: str, op: str, precision: str, events: list[Any]) -> LayerTiming:
    times: dict[str, float] = {}
    reformat = 0.0
    for event in events:
        if event.name in REFORMATS:
            reformat += _device_us(event) or event.cpu_time_total
            continue
        for kernel, microseconds in _kernels(event):
            times[kernel] = times.get(kernel, 0.0) + microseconds
    longest = max(times, key=lambda kernel: times[kernel], default="")
    return LayerTiming(name, op, precision, longest, sum(times.values()), reformat)


def _own(event: Any) -> list[Any]:
    """The operators that a range calls itself, outside of ranges within it."""
    return [child for child in event.cpu_children if not child.name.startswith(RANGE)]


def _kernels(event: Any) -> Iterator[tuple[str, float]]:
    """(kernel, microseconds) of an operator: those on the GPU where it has any, else operators by their own time."""
    if _device_us(event):
        for one in _tree(event):
            yield from ((kernel.name, kernel.duration) for kernel in one.kernels)
    else:
        yield from ((one.name, one.self_cpu_time_total) for one in _tree(event))


def _tree(event: Any) -> Iterator[Any]:
    yield event
    for child in event.cpu_children:
        yield from _tree(child)


def _device_us(event: Any) -> float:
    return float(sum(kernel.duration for one in _tree(event) for kernel in one.kernels))


@contextmanager
def _silent() -> Iterator[None]:
    """Without standard error: some builds of the profiler announce there that they start and stop."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@contextmanager
def _ranges(module: torch.nn.Module | None) -> Iterator[None]:
    """While inside, every forward of a module within `module` is a range of its name."""
    handles, stack = [], []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            stack.append(torch.profiler.record_function(RANGE + name))
            stack[-1].__enter__()

        return hook

    def leave(*_: Any) -> None:
        stack.pop().__exit__(None, None, None)

    for name, one in module.named_modules() if module is not None else ():
        if name:
            handles += [one.register_forward_pre_hook(enter(name)), one.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
