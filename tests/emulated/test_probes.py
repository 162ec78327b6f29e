"""Every primitive has a probe; under emulation each is clean, and the same in every order of warps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from immabench import _native

ROOT = Path(__file__).parents[2]
WORDS = 16
PROBES = {probe["name"]: probe for probe in _native.probes()}

# Primitives with no result of their own to compare, or that every probe uses; `mma_tile` is what the GEMMs are verified
# with.
WITHOUT_PROBE = {
    "thread_index", "lane_index", "warp_index", "block_size", "shared_base", "syncthreads", "syncwarp",
    "block_index_x", "block_index_y", "block_index_z", "grid_size_x", "grid_size_y", "grid_size_z",
    "load_global", "store_global", "to_words", "from_words", "mma_tile",
    "address_of", "keep_here", "opaque",
}  # fmt: skip


def aligned_zeros(threads: int) -> np.ndarray:
    """Words by threads, on 16 bytes as the probes want them."""
    memory = np.zeros(WORDS * threads + 4, np.int32)
    start = -(memory.ctypes.data // 4) % 4
    return memory[start : start + WORDS * threads].reshape(WORDS, threads)


def words(seed: int, name: str = "shuffle") -> np.ndarray:
    """Random bits for a probe."""
    values = aligned_zeros(PROBES[name]["threads"])
    values[...] = np.random.default_rng(seed).integers(-(2**31), 2**31, values.shape, np.int32)
    return values


def run(name: str, inputs: np.ndarray, order: str = "forward", seed: int = 0) -> np.ndarray:
    out = aligned_zeros(inputs.shape[1])
    report = _native.emulate_probe(name, inputs, out, order=order, seed=seed)
    assert report["hazards"] == []
    assert report["counts"]["unspecified"] == 0
    return out


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_is_clean_and_the_same_in_every_order(name: str) -> None:
    inputs = words(7, name)
    first = run(name, inputs)
    for seed in range(3):
        assert (run(name, inputs, "reverse") == first).all()
        assert (run(name, inputs, "random", seed) == first).all()
    assert (first != inputs).any()


def test_every_primitive_is_probed() -> None:
    sources = (ROOT / "kernels/simt/device").glob("*.cuh")
    declared = {name for path in sources for name in re.findall(r"SIMT_DEVICE [\w<>(), ]*?(\w+)\(", path.read_text())}
    declared.discard("sizeof")  # in the type of a result
    probes = (ROOT / "kernels/probe").glob("*.cuh")
    used = {name for path in probes for name in re.findall(r"simt::(\w+)", path.read_text())}
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


@pytest.mark.parametrize("name", ["atomic_add_global", "atomic_add_global_acq_rel"])
def test_atomics_return_the_value_before_and_add_up(name: str) -> None:
    inputs = words(5, name)
    out, r = run(name, inputs).view(np.uint32), inputs.view(np.uint32)
    thread = np.arange(64)
    assert (out[1] == r[0, thread ^ 21]).all()
    counters = r[0] + r[1, thread ^ 21]
    np.add.at(counters, r[2] % 64, r[3])
    assert (out[0] == counters[thread ^ 9]).all()
    counts = _native.emulate_probe(name, inputs, aligned_zeros(64))["counts"]["global_atomic"]
    assert (counts["requests"], counts["bytes"]) == (4, 4 * 2 * 64)
    # A warp's own 32 words lie in 4 sectors, or 5 where the output starts within one; its random ones in 1 to 9 of all.
    assert 2 * (4 + 1) <= counts["sectors"] <= 2 * (5 + 9)


@pytest.mark.parametrize("name", ["tensor_store_2d_swizzle_128", "bulk_store"])
def test_a_store_leaves_the_rest_of_the_output_alone(name: str) -> None:
    """Boxes at random places, of words that are hardly ever zero: what is zero was not written, and that changes."""
    written = {run(name, words(seed, name)).astype(bool).tobytes() for seed in range(20)}
    assert len(written) > 10


def test_a_multicast_brings_both_blocks_the_same() -> None:
    out = run("tensor_load_multicast_2d", words(2, "tensor_load_multicast_2d"))
    box = 61 * 64 // 512  # whole rows of 128 words that the box of each block fills
    for half in (0, 8):
        assert (out[half : half + box, :128] == out[half : half + box, 128:]).all()


def test_wgmma_is_the_product_of_its_operands() -> None:
    """Four layouts of n8, every other one on top of what the accumulators held, by numpy from the operands' bytes."""
    name = "wgmma_n8_S8_S8"
    inputs = words(4, name)
    chunks = inputs.view(np.uint32).T.reshape(128, 4, 4)  # thread, chunk of 16 bytes, word
    rows = np.ascontiguousarray(chunks[:, 0]).view(np.int8).reshape(64, 32)  # A: thread t stores chunk t
    columns = rows[:8]  # B is laid out alike
    product = rows.astype(np.int64) @ columns.T.astype(np.int64)
    result = inputs[0].view(np.uint32).astype(np.uint64)
    thread = np.arange(128)
    for mode in range(4):
        start = result
        for i in range(4):
            row = thread // 32 * 16 + thread % 32 // 4 + i // 2 * 8
            column = thread % 4 * 2 + i % 2
            held = start ^ np.uint64(i << 24) if mode % 2 else 0
            result = (result * np.uint64(31) + held + product[row, column].astype(np.uint64)) % np.uint64(2**32)
    assert (run(name, inputs)[0].view(np.uint32) == result.astype(np.uint32)).all()


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
