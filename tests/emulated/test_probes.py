"""Every primitive has a probe; under emulation each is clean, and the same in every order of warps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from immabench import _native

ROOT = Path(__file__).parents[2]
WORDS, THREADS = 16, 64

# Primitives with no result of their own to compare, or that every probe uses; `mma_tile` is what the GEMMs are verified
# with, and an atomic on global memory needs memory that holds data, which the output of a probe is not.
WITHOUT_PROBE = {
    "thread_index", "lane_index", "warp_index", "block_size", "shared_base", "syncthreads", "syncwarp",
    "block_index_x", "block_index_y", "block_index_z", "grid_size_x", "grid_size_y", "grid_size_z",
    "load_global", "store_global", "to_words", "from_words", "mma_tile", "atomic_add_global",
}  # fmt: skip


def words(seed: int) -> np.ndarray:
    """Random bits, aligned as the probes want their input."""
    memory = np.empty(WORDS * THREADS + 4, np.int32)
    start = -(memory.ctypes.data // 4) % 4
    values = memory[start : start + WORDS * THREADS].reshape(WORDS, THREADS)
    values[...] = np.random.default_rng(seed).integers(-(2**31), 2**31, values.shape, np.int32)
    return values


def run(name: str, inputs: np.ndarray, order: str = "forward", seed: int = 0) -> np.ndarray:
    out = np.empty_like(inputs)
    report = _native.emulate_probe(name, inputs, out, order=order, seed=seed)
    assert report["hazards"] == []
    assert report["counts"]["unspecified"] == 0
    return out


@pytest.mark.parametrize("name", _native.probes())
def test_a_probe_is_clean_and_the_same_in_every_order(name: str) -> None:
    inputs = words(7)
    first = run(name, inputs)
    for seed in range(3):
        assert (run(name, inputs, "reverse") == first).all()
        assert (run(name, inputs, "random", seed) == first).all()
    assert (first != inputs).any()


def test_every_primitive_is_probed() -> None:
    sources = (ROOT / "kernels/simt/device").glob("*.cuh")
    declared = {name for path in sources for name in re.findall(r"SIMT_DEVICE [\w<>(), ]*?(\w+)\(", path.read_text())}
    declared.discard("sizeof")  # in the type of a result
    used = set(re.findall(r"simt::(\w+)", (ROOT / "kernels/probe/probes.cuh").read_text()))
    assert len(declared) > 40
    assert declared - used - WITHOUT_PROBE == set()


def test_some_results_known_by_heart() -> None:
    inputs = words(3)
    r = inputs.view(np.uint32)
    assert (run("shuffle_xor", inputs)[0, :32] == inputs[0, np.arange(32) ^ 21]).all()
    assert (run("permute_bytes", words(1))[1:] == words(1)[1:]).all()
    funnel = (r[0].astype(np.uint64) | r[1].astype(np.uint64) << np.uint64(32)) >> (r[2] % 32).astype(np.uint64)
    assert (run("bits", inputs)[0].view(np.uint32) == funnel.astype(np.uint32)).all()
    total = 7 + int(inputs[0].astype(np.int64).sum())
    assert (run("atomic_add_shared", inputs)[0].view(np.uint32) == np.uint32(total % 2**32)).all()


def test_bad_operands_are_named() -> None:
    good = words(0)
    with pytest.raises(KeyError, match="no probe 'mma'"):
        _native.emulate_probe("mma", good, good.copy())
    with pytest.raises(ValueError, match="operand 'in' has shape"):
        _native.emulate_probe("shuffle", good[:8], good.copy())
    with pytest.raises(ValueError, match="operand 'out' holds float32 where int32"):
        _native.emulate_probe("shuffle", good, np.zeros((16, 64), np.float32))
    with pytest.raises(ValueError, match="operand 'in' is on the CPU"):
        _native.launch_probe("shuffle", good, good.copy())
