"""What each part of a launch takes by itself, in clocks: the arithmetic behind the terms of `predict`."""

from __future__ import annotations

from dataclasses import dataclass

from immabench.predict.work import TileWork

SUM_BYTES = 4
"""Of an int32 sum on its way through shared memory."""
LANES_A_CLOCK = 128
"""Of a multiprocessor: four schedulers, each an instruction of a warp a clock (CUDA C++ Programming Guide, compute
capabilities 8.0 and 9.0)."""
WGMMA_ROWS = 64
"""Of A, or of B where the tile is swapped, that one wgmma multiplies."""


@dataclass(frozen=True)
class Cost:
    """Clocks, and the arithmetic that gave them."""

    clocks: float
    formula: str


def streams(work: TileWork) -> dict[str, Cost]:
    """What one block keeps busy on its multiprocessor, all at the same time, from its first products to its last."""
    return {
        "tensor cores": _tensor_cores(work),
        **({"unpacking": _unpacking(work)} if work.is_unpacked else {}),
        "shared memory": _shared_memory(work),
        "L2 port": _l2_port(work),
        "bytes in flight": _bytes_in_flight(work),
    }


def _tensor_cores(work: TileWork) -> Cost:
    tile_m, tile_n, tile_k = work.config.block_tile
    of_s8 = work.machine.wgmma_macs if work.config.by_wgmma else work.machine.mma_sync_macs
    rate = of_s8 * work.rate_to_s8
    return Cost(
        tile_m * tile_n * tile_k * work.steps / rate,
        f"{tile_m} x {tile_n} x {tile_k * work.steps} multiply-accumulates / {rate:g} a clock",
    )


def _unpacking(work: TileWork) -> Cost:
    """Weights of fewer bits than are multiplied, made wider in registers by every warp that multiplies them."""
    _, tile_n, tile_k = work.config.block_tile
    warps = 1 if work.config.by_wgmma else work.config.warps[0]
    elements, each = warps * tile_n * tile_k * work.steps, work.unpack_instructions
    return Cost(
        elements * each / LANES_A_CLOCK,
        f"{elements} weights x {each:g} instructions / {LANES_A_CLOCK} lanes a clock",
    )


def _shared_memory(work: TileWork) -> Cost:
    tile_m, tile_n, tile_k = work.config.block_tile
    read = round(_bytes_read(work) * tile_k)
    written = round((tile_m * work.a_bytes + tile_n * work.b_bytes) * tile_k)
    return Cost(
        (read + written) * work.steps / work.machine.shared_bytes,
        f"{work.steps} steps x ({read} bytes read + {written} written) / {work.machine.shared_bytes:g} a clock",
    )


def _bytes_read(work: TileWork) -> float:
    """Bytes of operands read from shared memory for one element of K: by mma.sync those of each warp's tile; by each
    wgmma its 64 rows and all of its columns, where unpacked rows come from registers and were read once."""
    tile_m, tile_n, _ = work.config.block_tile
    if not work.config.by_wgmma:
        warp_m, warp_n = work.config.warp_tile
        return work.config.warps[0] * work.config.warps[1] * (warp_m * work.a_bytes + warp_n * work.b_bytes)
    rows, columns = (tile_m * work.a_bytes, tile_n * work.b_bytes)
    groups = tile_m // WGMMA_ROWS
    if work.config.swapped:
        rows, columns, groups = columns, rows, tile_n // WGMMA_ROWS
    return rows + groups * columns


def _l2_port(work: TileWork) -> Cost:
    machine = work.machine
    rate = machine.port_bytes if work.is_aligned else min(machine.port_bytes, machine.byte_loads)
    how = "" if work.is_aligned else ", byte by byte: K is no multiple of 16"
    return Cost(
        work.steps * work.step_bytes / rate, f"{work.steps} steps x {work.step_bytes} bytes / {rate:g} a clock{how}"
    )


def _bytes_in_flight(work: TileWork) -> Cost:
    """Little's law. The first stages arrive with the pipeline fill; what comes after waits a latency each ring.

    DRAM's, also for what other blocks fetch too: those that run together wait for the same bytes.
    """
    beyond = work.steps - work.stages_ahead if work.is_aligned else work.steps
    latency = work.machine.dram_latency
    return Cost(
        beyond * work.step_bytes * latency / work.in_flight_bytes,
        f"{beyond} steps x {work.step_bytes} bytes x {latency:g} clocks of latency / {work.in_flight_bytes} bytes in "
        f"flight a multiprocessor (DRAM's rate needs {work.needed_bytes:.0f})",
    )


def barriers(work: TileWork) -> Cost:
    """Waits of one block for its barriers, unless other blocks of its multiprocessor fill them."""
    if work.config.by_wgmma:
        return Cost(0.0, "0: consumers wait for data alone")
    barrier = work.machine.barrier
    return Cost(
        work.steps * barrier / work.resident,
        f"{work.steps} steps x {barrier:g} clocks / {work.resident} resident blocks",
    )


def between(work: TileWork) -> Cost:
    """What one block adds to the time of the block after it on the same multiprocessor."""
    if work.occupancy > 1:
        return Cost(0.0, "0: other resident blocks go on")
    if work.leaves_in_boxes:
        clocks = _epilogue_clocks(work, leaving=False)
        return Cost(clocks, f"{clocks:.0f} clocks of epilogue up to shared memory: it leaves during the next tile")
    serial = [epilogue(work, 1)] if work.is_persistent else [fill(work), reduction(work), epilogue(work, 1)]
    added = " + ".join(f"{part.clocks:.0f}" for part in serial)
    return Cost(
        sum(part.clocks for part in serial), f"({added}) clocks from last products to first: one block at a time"
    )


def fill(work: TileWork) -> Cost:
    """From the start of a block to its first products."""
    machine, alone = work.machine, work.cluster == 1
    ready = machine.barrier if alone else machine.cluster_latency
    whose = "block" if alone else "cluster"
    return Cost(
        machine.dram_latency + ready,
        f"{machine.dram_latency:g} clocks to DRAM + {ready:g} for a barrier of the {whose}",
    )


def reduction(work: TileWork) -> Cost:
    """Adding up the parts of K: each block reads its share of the sums from all others of its cluster."""
    if work.shares_tiles:
        return _shared_reduction(work)
    tile_m, tile_n, _ = work.config.block_tile
    parts, machine = work.config.split_k, work.machine
    if parts == 1:
        return Cost(0.0, "0: K is not split")
    others = tile_m * tile_n * SUM_BYTES * (parts - 1) / parts
    return Cost(
        others / machine.cluster_bytes + 2 * machine.cluster_latency,
        f"{others:g} bytes of other blocks' sums / {machine.cluster_bytes:g} a clock + 2 x "
        f"{machine.cluster_latency:g} clocks from block to block",
    )


def _shared_reduction(work: TileWork) -> Cost:
    """Through global memory: a block writes its part, and the last one at a tile reads them all."""
    tile_m, tile_n, _ = work.config.block_tile
    machine, whole = work.machine, work.parts.is_integer()
    if work.parts == 1:
        return Cost(0.0, "0: every block has whole tiles")
    # Shares that are no whole number a tile begin and end within tiles.
    parts = int(work.parts) if whole else int(work.parts) + 2
    moved = (1 + parts) * tile_m * tile_n * SUM_BYTES
    return Cost(
        moved / machine.port_bytes + 2 * machine.dram_latency,
        f"{moved} bytes: a part written, {parts} read / {machine.port_bytes:g} a clock + 2 x {machine.dram_latency:g} "
        "clocks to the counter and back",
    )


def epilogue(work: TileWork, blocks: int) -> Cost:
    """From sums to results in L2, for `blocks` of one multiprocessor together."""
    machine, outputs = work.machine, work.outputs
    return Cost(
        blocks * _epilogue_clocks(work, leaving=True),
        f"{blocks} blocks x max({outputs:g} outputs / {machine.outputs:g}, {_staged_bytes(work):g} bytes through "
        f"shared memory / {machine.shared_bytes:g}, {outputs * work.output_bytes:g} out / {machine.port_bytes:g})",
    )


def _epilogue_clocks(work: TileWork, leaving: bool) -> float:
    return max(
        work.outputs / work.machine.outputs,
        _staged_bytes(work) / work.machine.shared_bytes,
        work.outputs * work.output_bytes / work.machine.port_bytes if leaving else 0.0,
    )


def _staged_bytes(work: TileWork) -> float:
    """Written to shared memory and read again: results in boxes; else sums, every one of each part of K written."""
    if work.leaves_in_boxes:
        return 2 * work.outputs * work.output_bytes
    parts = 1 if work.shares_tiles else work.config.split_k
    return (parts + 1) * work.outputs * SUM_BYTES


def device(work: TileWork) -> dict[str, Cost]:
    """Costs of the whole launch in what all multiprocessors share, all at the same time."""
    machine, moved = work.machine, work.problem.bytes_moved
    results = work.problem.batch * work.problem.m * work.problem.n * work.output_bytes
    return {
        "L2": Cost(
            (work.fetched_bytes + results) / machine.l2_bytes,
            f"({work.fetched_bytes} bytes fetched + {results} of results) / {machine.l2_bytes:g} a clock",
        ),
        "DRAM": Cost(moved / machine.dram_bytes, f"{moved} bytes, each once / {machine.dram_bytes:.0f} a clock"),
    }
