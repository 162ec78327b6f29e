"""Providers that cheat, one class a cheat, each a small change of the honest one."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from immabench.numerics import gemm_reference
from immabench.operands import Operands
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate
from immabench.providers.buffers import Buffers


class HonestLaunch:
    """Computes from its buffers into their output."""

    backend = "honest"
    timed = True
    emulation = None

    def __init__(self, buffers: Buffers) -> None:
        self.buffers = buffers

    def result(self) -> Any:
        own = self.buffers
        return gemm_reference(own.problem, Operands(own.a, own.b, own.row_scale, own.col_scale, own.bias))

    def launch(self) -> None:
        self.buffers.out[...] = self.result()


class CachedOutput(HonestLaunch):
    """Computes once and hands out the same result ever after."""

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        self.cached: Any = None

    def launch(self) -> None:
        if self.cached is None:
            self.cached = self.result()
        self.buffers.out[...] = self.cached


class DoneOnce(HonestLaunch):
    """Computes once; later launches find the output already there and do nothing."""

    done = False

    def launch(self) -> None:
        if not self.done:
            super().launch()
        self.done = True


class CapturedOperands(HonestLaunch):
    """Keeps its own, warm copy of the activations from when it was prepared."""

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        self.kept = Operands(buffers.a.copy(), buffers.b, buffers.row_scale, buffers.col_scale, buffers.bias)

    def launch(self) -> None:
        self.buffers.out[...] = gemm_reference(self.buffers.problem, self.kept)


class WarmOperands(HonestLaunch):
    """Launches on the first operand set whichever it is given: the cache stays warm."""

    first: Buffers | None = None

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        type(self).first = type(self).first or buffers

    def launch(self) -> None:
        own, first = self.buffers, self.first
        assert first is not None
        operands = Operands(first.a, first.b, first.row_scale, first.col_scale, first.bias)
        own.out[...] = gemm_reference(own.problem, operands)


class LazyOutput(HonestLaunch):
    """Notes what is to be computed and leaves it to whoever asks for the result; nobody asks it."""

    def launch(self) -> None:
        self.pending = self.result


class AnotherThread(HonestLaunch):
    """Starts the work elsewhere and returns at once, as work on another stream does."""

    def launch(self) -> None:
        def later() -> None:
            time.sleep(0.02)
            self.buffers.out[...] = self.result()

        threading.Thread(target=later, daemon=True).start()


class SkippedTile(HonestLaunch):
    """Leaves out one tile of 16x8; what was there before stays."""

    def launch(self) -> None:
        right = self.result()
        kept = self.buffers.out[:16, :8].copy()
        self.buffers.out[...] = right
        self.buffers.out[:16, :8] = kept


class ZeroedTile(HonestLaunch):
    """Writes zeros for one tile: less than a thousandth of the result by any global norm."""

    def launch(self) -> None:
        super().launch()
        self.buffers.out[:16, :8] = 0


class ZeroedOperands(HonestLaunch):
    """Zeroes what it was given and multiplies that, which is faster on a chip that saves power."""

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        buffers.a[...] = 0


class HonestPacking(HonestLaunch):
    """A step that rearranges the weights, here into their transpose, and a product from that."""

    packs_also = ()

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        self.packed = np.zeros(buffers.b.shape[::-1], np.int8)

    def launch(self) -> None:
        self.packed[...] = self.buffers.b.T

    def multiply(self) -> None:
        own = self.buffers
        weights = np.ascontiguousarray(self.packed.T)
        operands = Operands(own.a, weights, own.row_scale, own.col_scale, own.bias)
        own.out[...] = gemm_reference(own.problem, operands)


class PacksNothing(HonestPacking):
    """Does nothing when timed; the product takes the weights as they always were."""

    def launch(self) -> None:
        pass

    def multiply(self) -> None:
        self.packed[...] = self.buffers.b.T
        super().multiply()


class PacksWhenPrepared(HonestPacking):
    """Packs before anybody looks at the clock."""

    def __init__(self, buffers: Buffers) -> None:
        super().__init__(buffers)
        super().launch()

    def launch(self) -> None:
        pass


class PacksOnce(HonestPacking):
    """Packs in the first launch, the one that is not timed, and never again."""

    done = False

    def launch(self) -> None:
        if not self.done:
            super().launch()
        self.done = True


class PacksHalf(HonestPacking):
    """Packs half of the weights; the rest stays as it was."""

    def launch(self) -> None:
        half = self.buffers.b.shape[0] // 2
        self.packed[:, :half] = self.buffers.b[:half].T


class MultipliesLater(HonestPacking):
    """Packs, offered as a configuration that computes: the product would be left to whoever asks for it."""


PACKING_CHEATS = {cheat.__name__: cheat for cheat in (PacksNothing, PacksWhenPrepared, PacksOnce, PacksHalf)}

CHEATS = {
    cheat.__name__: cheat
    for cheat in (
        CachedOutput,
        DoneOnce,
        CapturedOperands,
        WarmOperands,
        LazyOutput,
        AnotherThread,
        SkippedTile,
        ZeroedTile,
        ZeroedOperands,
        MultipliesLater,
    )
}


class CheatingProvider:
    """Offers the honest launch and every cheat as configurations on the CPU."""

    name = "cheating"
    ranked = False

    def availability(self) -> Availability:
        return Availability(True, "for tests")

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def config_ids(self) -> tuple[str, ...]:
        return ("HonestLaunch", "HonestPacking", *CHEATS, *PACKING_CHEATS)

    def configs(self, problem: Problem, device: str) -> list[Candidate]:
        return [Candidate(name) for name in self.config_ids()]

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: Buffers) -> HonestLaunch:
        known = {"HonestPacking": HonestPacking, **CHEATS, **PACKING_CHEATS}
        return known.get(config_id, HonestLaunch)(buffers)


def zeros(problem: Problem, seed: int = 0) -> Operands:
    """Operands of zeros, in place of `make_operands`."""
    return Operands(np.zeros((problem.m, problem.k), np.int8), np.zeros((problem.n, problem.k), np.int8))
