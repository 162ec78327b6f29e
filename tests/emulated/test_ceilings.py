"""What ceilings are measured with: memory kernels exact and without waste, instructions exact, operations counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench import _native

TILE_WORDS = 256 * 4 * 4
CPU_RATES = [entry for entry in _native.ceilings() if entry["device"] == "cpu"]
GPU_RATES = [entry for entry in _native.ceilings() if entry["device"] == "cuda"]


def aligned(words: int, fill: int | None = None) -> np.ndarray:
    """int32 words that start on 32 bytes, so that sectors are whole; random unless filled."""
    memory = np.empty(words + 8, np.int32)
    start = -(memory.ctypes.data // 4) % 8
    values = memory[start : start + words]
    values[...] = np.random.default_rng(words).integers(-(2**31), 2**31, words) if fill is None else fill
    return values


class TestMemory:
    @pytest.mark.parametrize("order", ["forward", "reverse", "random"])
    @pytest.mark.parametrize(("tiles", "blocks", "repeats"), [(3, 2, 1), (2, 5, 3), (5, 5, 2), (1, 3, 4)])
    def test_a_read_folds_every_word_once_a_repeat(self, tiles: int, blocks: int, repeats: int, order: str) -> None:
        source, sums = aligned(tiles * TILE_WORDS), aligned(blocks * 1024, 0x5A5A5A5A).reshape(blocks, 256, 4)
        report = _native.emulate_read(source, sums, blocks=blocks, repeats=repeats, order=order)
        assert report["hazards"] == []
        want = np.bitwise_xor.reduce(source.reshape(-1, 4)) if repeats % 2 else np.zeros(4, np.int32)
        assert (np.bitwise_xor.reduce(sums.reshape(-1, 4)) == want).all()
        loads, stores = report["counts"]["global_load"], report["counts"]["global_store"]
        assert loads["bytes"] == source.nbytes * repeats
        assert (loads["sectors"], stores["sectors"]) == (loads["ideal"], stores["ideal"])
        assert loads["ideal"] == loads["bytes"] // 32

    @pytest.mark.parametrize("order", ["forward", "reverse", "random"])
    @pytest.mark.parametrize(("tiles", "blocks", "repeats"), [(3, 2, 1), (2, 3, 2)])
    def test_a_copy_is_the_source(self, tiles: int, blocks: int, repeats: int, order: str) -> None:
        source, target = aligned(tiles * TILE_WORDS), aligned(tiles * TILE_WORDS, 0x5A5A5A5A)
        report = _native.emulate_copy(source, target, blocks=blocks, repeats=repeats, order=order)
        assert report["hazards"] == []
        assert (target == source).all()
        for side in (report["counts"]["global_load"], report["counts"]["global_store"]):
            assert side["bytes"] == source.nbytes * repeats
            assert side["sectors"] == side["ideal"] == source.nbytes * repeats // 32

    @pytest.mark.parametrize("threads", [1, 2, 3])
    @pytest.mark.parametrize("words", [0, 1, 31, 32, 1000])
    def test_the_cpu_reads_every_word(self, words: int, threads: int) -> None:
        source = np.random.default_rng(words).integers(-(2**63), 2**63, words, np.int64)
        want = int(np.bitwise_xor.reduce(source.view(np.uint64), initial=np.uint64(0)))
        assert _native.read_memory(source, repeats=3, threads=threads) == want
        assert _native.read_memory(source, repeats=2, threads=threads) == 0

    def test_bad_buffers_are_named(self) -> None:
        source, sums = aligned(TILE_WORDS), aligned(1024).reshape(1, 256, 4)
        with pytest.raises(ValueError, match="operand 'source' holds 4096 bytes; pass whole tiles of 16384"):
            _native.emulate_read(source[:1024], sums, blocks=1)
        with pytest.raises(ValueError, match="operand 'target' has shape"):
            _native.emulate_read(source, sums, blocks=2)
        with pytest.raises(ValueError, match="repeats is 0"):
            _native.emulate_copy(source, source.copy(), blocks=1, repeats=0)
        with pytest.raises((ValueError, RuntimeError), match=r"is on the CPU; move it|no CUDA kernels"):
            _native.launch_read(source, sums, blocks=1)
        with pytest.raises(ValueError, match="operand 'source' holds int32 where int64"):
            _native.read_memory(source)


def small_operands(rate: dict[str, Any]) -> np.ndarray:
    """x[0], x[1], y and the chains' start as bytes: floats are small integers, so that every order of sums is exact."""
    generator, shape = np.random.default_rng(1), (3 + rate["chains"], rate["vector_bytes"])
    if is_widened(rate):
        return generator.integers(-128, 128, (shape[0], shape[1] // 2)).astype(np.int16).view(np.uint8)
    if rate["operand_type"] == "s8":
        bits = 7 if "vpmaddubsw" in rate["name"] else 8  # of which sums of two fit 16 bits
        return generator.integers(0, 2**bits, shape).astype(np.uint8)
    values = generator.integers(-8, 9, (shape[0], shape[1] // 4)).astype(np.float32)
    if rate["operand_type"] == "f32":
        return values.view(np.uint8)
    halves = generator.integers(-8, 9, (3, shape[1] // 2)).astype(np.float32).view(np.uint32) >> 16
    return np.concatenate([halves.astype(np.uint16).view(np.uint8), values[3:].view(np.uint8)])


def as_numbers(rate: dict[str, Any], operand: np.ndarray, signed: bool) -> np.ndarray:
    if is_widened(rate):
        return operand.view(np.int16).astype(np.int64)
    if rate["operand_type"] == "s8":
        return operand.view(np.int8 if signed else np.uint8).astype(np.int64)
    if rate["operand_type"] == "f32":
        return operand.view(np.float32).astype(np.int64)
    return (operand.view(np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.int64)


def products_a_sum(rate: dict[str, Any]) -> int:
    """How many products go to each 32 bits of an accumulator."""
    return 2 if is_widened(rate) else {"f32": 1, "bf16": 2, "s8": 4}[rate["operand_type"]]


def is_widened(rate: dict[str, Any]) -> bool:
    """Whether int8 operands lie as int16 in the registers."""
    return str(rate["name"]).startswith("vpmaddwd")


def increment(rate: dict[str, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What one instruction adds to its accumulator, by the definition of the instruction, in exact integers."""
    pack = products_a_sum(rate)
    if rate["vector_bytes"] < 1024:
        products = as_numbers(rate, x, signed=False) * as_numbers(rate, y, signed=True)
        return products.reshape(-1, pack).sum(axis=1)
    # AMX: 16 x (16 pack) by its transpose, the second operand packed `pack` rows of K to a row.
    a = as_numbers(rate, x, signed=True).reshape(16, 16, pack)
    b = as_numbers(rate, y, signed=True).reshape(16, 16, pack)
    return np.einsum("mkp,knp->mn", a, b).reshape(-1)


def operations_of(rate: dict[str, Any]) -> int:
    """Multiplications and additions of one instruction: two for each product that the model above sums."""
    pack = products_a_sum(rate)
    sums = rate["vector_bytes"] // 4
    return 2 * sums * pack * (16 if rate["vector_bytes"] == 1024 else 1)


@pytest.mark.skipif(not CPU_RATES, reason="this build has no vector instructions: its compiler is not for x86-64")
class TestCpuRates:
    @pytest.mark.parametrize("rate", CPU_RATES, ids=lambda rate: rate["name"])
    def test_operations_are_those_of_the_definition(self, rate: dict[str, Any]) -> None:
        assert rate["operations"] == operations_of(rate)

    @pytest.mark.parametrize("iterations", [1, 3])
    @pytest.mark.parametrize("rate", CPU_RATES, ids=lambda rate: rate["name"])
    def test_every_chain_of_every_thread_is_exact(self, rate: dict[str, Any], iterations: int) -> None:
        if not rate["present"]:
            pytest.skip(f"this CPU has no {rate['feature']}")
        operands = small_operands(rate)
        out = np.full((2, rate["chains"], rate["vector_bytes"]), 0x5A, np.uint8)
        _native.run_cpu_rate(rate["name"], operands, out, iterations=iterations)
        added = iterations * (increment(rate, operands[0], operands[2]) + increment(rate, operands[1], operands[2]))
        if rate["accumulator"] == "s32":
            want = operands[3:].view(np.uint32) + added.astype(np.uint64).astype(np.uint32)
        else:
            want = (operands[3:].view(np.float32) + added).astype(np.float32).view(np.uint32)
        assert (out.view(np.uint32) == want).all()

    def test_an_instruction_this_cpu_lacks_is_refused(self) -> None:
        absent = [rate for rate in CPU_RATES if not rate["present"]]
        if not absent:
            pytest.skip("this CPU has them all")
        shape = (absent[0]["chains"], absent[0]["vector_bytes"])
        with pytest.raises(ValueError, match="this CPU has no"):
            _native.run_cpu_rate(
                absent[0]["name"],
                np.zeros((3 + shape[0], shape[1]), np.uint8),
                np.zeros((1, *shape), np.uint8),
                iterations=1,
            )

    def test_bad_operands_are_named(self) -> None:
        rate = next(rate for rate in CPU_RATES if rate["present"])
        operands, out = small_operands(rate), np.zeros((1, rate["chains"], rate["vector_bytes"]), np.uint8)
        with pytest.raises(KeyError, match="no instruction 'fma'"):
            _native.run_cpu_rate("fma", operands, out, iterations=1)
        with pytest.raises(ValueError, match="operand 'operands' has shape"):
            _native.run_cpu_rate(rate["name"], operands[1:], out, iterations=1)
        with pytest.raises(ValueError, match="operand 'out' has no threads"):
            _native.run_cpu_rate(rate["name"], operands, out[:0], iterations=1)
        with pytest.raises(ValueError, match="iterations is 0"):
            _native.run_cpu_rate(rate["name"], operands, out, iterations=0)


def test_the_chain_of_additions_adds() -> None:
    assert _native.add_chain(5, 3, 1600) == 5 + 3 * 1600
    assert _native.add_chain(2**64 - 1, 2, 16) == 31
    with pytest.raises(ValueError, match="multiple of 16"):
        _native.add_chain(0, 1, 15)


@pytest.mark.skipif(not GPU_RATES, reason="immabench was built with IMMABENCH_CUDA=OFF")
class TestGpuRates:
    def test_operations_follow_from_the_name(self) -> None:
        for rate in GPU_RATES:
            shape = rate["name"].split(".")[1]
            m, _, rest = shape.removeprefix("m").partition("n")
            n, _, k = rest.partition("k")
            assert rate["operations"] == 2 * int(m) * int(n) * int(k), rate["name"]

    def test_an_unknown_instruction_is_named(self) -> None:
        with pytest.raises(KeyError, match="no instruction 'mma'"):
            _native.launch_mma_rate("mma", *(np.zeros(1, np.int32),) * 3, iterations=1)

    def test_operands_on_the_cpu_are_refused(self) -> None:
        words, out, clocks = np.zeros((48, 256), np.int32), np.zeros((1, 256), np.int32), np.zeros((1, 2), np.int64)
        with pytest.raises(ValueError, match="operand 'operands' is on the CPU; move it"):
            _native.launch_mma_rate(GPU_RATES[0]["name"], words, out, clocks, iterations=1)
        with pytest.raises(ValueError, match="operand 'clocks' has shape"):
            _native.launch_mma_rate(GPU_RATES[0]["name"], words, out, clocks[:0], iterations=1)
