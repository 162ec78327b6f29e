"""What the blocks of one launch do, in clocks: the arithmetic behind each term of `predict`.

The kernels are kernels/gemm/imma_s8.cuh and wgmma_s8.cuh; what is said of them here is what their source does. Tiles are
multiplied whole, padding included; operands are fetched without it, as copies past the end of an operand read nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from immabench.errors import UsageError
from immabench.kernels import KernelConfig
from immabench.machine import Machine
from immabench.problems import TYPE_BITS, Problem
from immabench.profile.occupancy import occupancy

SUM_BYTES = 4
"""Of an int32 sum on its way through shared memory."""
WGMMA_ROWS = 64
BYTES_PER_CHUNK = 16
"""What one thread has on its way where rows are not aligned, and rows that are not a multiple of it are not."""
WARPGROUP_THREADS = 128
FURTHER_REGISTERS = 50
"""Registers of a thread of the IMMA kernels besides sums and fragments: addresses, loop counters."""
REGISTERS_PER_SM = 65536


@dataclass(frozen=True)
class Cost:
    """Clocks, and the arithmetic that gave them."""

    clocks: float
    formula: str


def is_wgmma(config: KernelConfig) -> bool:
    """Whether `config` multiplies by wgmma, which reads shared memory itself, and not by mma.sync."""
    return config.mma.startswith("m64")


def estimated_registers(config: KernelConfig) -> int:
    """Registers a thread as the tile needs them: sums, two sets of fragments, and what addresses take.

    wgmma kernels are compiled for one block a multiprocessor and may use all that leaves them.
    """
    if is_wgmma(config):
        return min(255, REGISTERS_PER_SM // config.threads // 8 * 8)
    warp_m, warp_n = config.warp_tile
    return warp_m * warp_n // 32 + 2 * (warp_m // 16 * 4 + warp_n // 8 * 2) + FURTHER_REGISTERS


@dataclass(frozen=True)
class TileWork:
    """One launch of `config` on `problem`, as the multiprocessors of `machine` share it."""

    config: KernelConfig
    problem: Problem
    machine: Machine
    registers: int

    @cached_property
    def tiles(self) -> tuple[int, int]:
        """Output tiles along M and N, those that fill up the last cluster included."""
        (tile_m, tile_n, _), (cluster_m, cluster_n) = self.config.block_tile, self.config.cluster
        return (
            ceil(self.problem.m / (tile_m * cluster_m)) * cluster_m,
            ceil(self.problem.n / (tile_n * cluster_n)) * cluster_n,
        )

    @cached_property
    def blocks(self) -> int:
        """Blocks of work: tiles, each with its parts of K. A persistent kernel launches fewer, and each takes several."""
        return self.tiles[0] * self.tiles[1] * self.config.split_k

    @cached_property
    def multiprocessors(self) -> int:
        """Those that whole clusters can occupy, at least one cluster's."""
        cluster = self.config.cluster[0] * self.config.cluster[1] * self.config.split_k
        return max(cluster, self.machine.sm_count // cluster * cluster)

    @cached_property
    def load(self) -> float:
        """Blocks of work a multiprocessor on average."""
        return self.blocks / self.multiprocessors

    @cached_property
    def blocks_each(self) -> int:
        """Blocks of work of the busiest multiprocessor."""
        return ceil(self.load)

    @cached_property
    def occupancy(self) -> int:
        """Blocks that fit a multiprocessor at once. Raises UsageError where not one does."""
        found = occupancy(
            self.machine.architecture,
            registers=self.registers,
            threads=self.config.threads,
            shared_bytes=self.config.shared_bytes,
        )
        if not found.blocks_per_sm:
            raise UsageError(
                f"{self.config.id} does not fit a multiprocessor of {self.machine.name} ({found.limited_by})",
                "choose another kernel or --gpu",
            )
        return found.blocks_per_sm

    @cached_property
    def resident(self) -> int:
        """Blocks the busiest multiprocessor works on at once."""
        return min(self.occupancy, self.blocks_each)

    @cached_property
    def is_persistent(self) -> bool:
        """One block goes from tile to tile: wgmma kernels that gather no sums."""
        return is_wgmma(self.config) and not self.gathers

    @property
    def gathers(self) -> bool:
        """Sums meet in shared memory before they leave."""
        return self.config.swapped or self.config.split_k > 1

    @cached_property
    def is_aligned(self) -> bool:
        """Rows start on 16 bytes: copies are asynchronous. Else each byte is a load of its own."""
        return self.problem.k % BYTES_PER_CHUNK == 0

    @cached_property
    def output_bytes(self) -> int:
        """Of one output."""
        return TYPE_BITS[self.problem.output_type] // 8

    @cached_property
    def leaves_in_boxes(self) -> bool:
        """Results leave by the Tensor Memory Accelerator while the next tile is multiplied."""
        return self.is_persistent and self.problem.n * self.output_bytes % BYTES_PER_CHUNK == 0

    @cached_property
    def steps(self) -> int:
        """Tiles along K of one block, of the longest part where K is split."""
        return ceil(ceil(self.problem.k / self.config.block_tile[2]) / self.config.split_k)

    @cached_property
    def step_bytes(self) -> int:
        """Bytes of both operands that one step of a block fetches, without padding."""
        tile_m, tile_n, tile_k = self.config.block_tile
        return (min(tile_m, self.problem.m) + min(tile_n, self.problem.n)) * min(tile_k, self.problem.k)

    @cached_property
    def stages_ahead(self) -> int:
        """Steps whose operands are on their way while one is multiplied."""
        return min(self.config.stages - 1, self.steps)

    @cached_property
    def in_flight_bytes(self) -> int:
        """Bytes the busiest multiprocessor has on their way."""
        if self.is_aligned:
            return self.resident * self.stages_ahead * self.step_bytes
        loading = WARPGROUP_THREADS if is_wgmma(self.config) else self.config.threads
        return self.resident * min(loading * BYTES_PER_CHUNK, self.step_bytes)

    @cached_property
    def needed_bytes(self) -> float:
        """Bytes every multiprocessor must have on their way for all to draw DRAM's bandwidth (Little's law)."""
        return self.machine.dram_bytes * self.machine.dram_latency / self.machine.sm_count

    @cached_property
    def fetched_bytes(self) -> int:
        """Operand bytes that all blocks ask L2 for; what a cluster shares is asked for once."""
        m, n, k = self.problem.m, self.problem.n, self.problem.k
        cluster_m, cluster_n = self.config.cluster if self.is_aligned else (1, 1)
        return m * k * (self.tiles[1] // cluster_n) + n * k * (self.tiles[0] // cluster_m)

    @cached_property
    def latency(self) -> float:
        """Clocks until a fetch arrives: DRAM's for what is fetched first, L2's for what is fetched again."""
        first = min(1.0, (self.problem.m + self.problem.n) * self.problem.k / self.fetched_bytes)
        return self.machine.l2_latency + first * (self.machine.dram_latency - self.machine.l2_latency)

    @cached_property
    def useful(self) -> float:
        """Share of the multiply-accumulates in padded tiles and whole waves that the problem asked for."""
        tile_m, tile_n, tile_k = self.config.block_tile
        return self.problem.macs / (
            self.blocks_each * self.multiprocessors * tile_m * tile_n * tile_k * self.steps
        )

    # ---- what one block keeps busy on its multiprocessor, all at the same time

    def streams(self) -> dict[str, Cost]:
        """Costs of one block by what it keeps busy; they go on at the same time."""
        return {
            "tensor cores": self._tensor_cores(),
            "shared memory": self._shared_memory(),
            "L2 port": self._l2_port(),
            "bytes in flight": self._bytes_in_flight(),
        }

    def _tensor_cores(self) -> Cost:
        tile_m, tile_n, tile_k = self.config.block_tile
        rate = self.machine.wgmma_macs if is_wgmma(self.config) else self.machine.mma_sync_macs
        return Cost(
            tile_m * tile_n * tile_k * self.steps / rate,
            f"{tile_m} x {tile_n} x {tile_k * self.steps} multiply-accumulates / {rate:g} a clock",
        )

    def _shared_memory(self) -> Cost:
        tile_m, tile_n, tile_k = self.config.block_tile
        read, written = self._operand_reads() * tile_k, (tile_m + tile_n) * tile_k
        return Cost(
            (read + written) * self.steps / self.machine.shared_bytes,
            f"{self.steps} steps x ({read} bytes read + {written} written) / {self.machine.shared_bytes:g} a clock",
        )

    def _operand_reads(self) -> int:
        """Rows of operands read from shared memory a step, each as long as the step: by each warp those of its tile, by
        each wgmma its 64 rows and all of its columns."""
        tile_m, tile_n, _ = self.config.block_tile
        if is_wgmma(self.config):
            rows, columns = (tile_n, tile_m) if self.config.swapped else (tile_m, tile_n)
            return rows // WGMMA_ROWS * (WGMMA_ROWS + columns)
        return self.config.warps[0] * self.config.warps[1] * sum(self.config.warp_tile)

    def _l2_port(self) -> Cost:
        rate = self.machine.port_bytes if self.is_aligned else min(self.machine.port_bytes, self.machine.byte_loads)
        how = "" if self.is_aligned else ", byte by byte: K is no multiple of 16"
        return Cost(
            self.steps * self.step_bytes / rate,
            f"{self.steps} steps x {self.step_bytes} bytes / {rate:g} a clock{how}",
        )

    def _bytes_in_flight(self) -> Cost:
        """Little's law. The first stages arrive with the pipeline fill; what comes after waits a latency each ring."""
        beyond = self.steps - self.stages_ahead if self.is_aligned else self.steps
        return Cost(
            beyond * self.step_bytes * self.latency / self.in_flight_bytes,
            f"{beyond} steps x {self.step_bytes} bytes x {self.latency:.0f} clocks of latency / {self.in_flight_bytes} "
            f"bytes in flight a multiprocessor (DRAM's rate needs {self.needed_bytes:.0f})",
        )

    # ---- what the block waits for besides

    def barriers(self) -> Cost:
        """Waits of one block for its barriers, unless other blocks of its multiprocessor fill them."""
        if is_wgmma(self.config):
            return Cost(0.0, "consumers wait for data alone")
        return Cost(
            self.steps * self.machine.barrier / self.resident,
            f"{self.steps} steps x {self.machine.barrier:g} clocks / {self.resident} resident blocks",
        )

    def between(self) -> Cost:
        """What one block adds to the time of the block after it on the same multiprocessor."""
        if self.occupancy > 1:
            return Cost(0.0, "hidden by other resident blocks")
        if self.leaves_in_boxes:
            staged = self._epilogue_clocks(leaving=False)
            return Cost(staged, f"the epilogue up to shared memory, {staged:.0f} clocks; it leaves during the next tile")
        parts = [self.epilogue(1)] if self.is_persistent else [self.fill(), self.reduction(), self.epilogue(1)]
        clocks = sum(part.clocks for part in parts)
        return Cost(clocks, " + ".join(f"{part.clocks:.0f}" for part in parts) + " clocks: nothing else is resident")

    def fill(self) -> Cost:
        """From the start of a block to its first products."""
        ready = self.machine.barrier if self._cluster == 1 else self.machine.cluster_latency
        return Cost(
            self.machine.dram_latency + ready,
            f"{self.machine.dram_latency:g} clocks to DRAM + {ready:g} for a barrier of the "
            + ("block" if self._cluster == 1 else "cluster"),
        )

    @property
    def _cluster(self) -> int:
        return self.config.cluster[0] * self.config.cluster[1] * self.config.split_k

    def reduction(self) -> Cost:
        """Adding up the parts of K: each block reads its share of the sums from all others of its cluster."""
        tile_m, tile_n, _ = self.config.block_tile
        parts = self.config.split_k
        if parts == 1:
            return Cost(0.0, "K is not split")
        others = tile_m * tile_n * SUM_BYTES * (parts - 1) // parts
        return Cost(
            others / self.machine.cluster_bytes + 2 * self.machine.cluster_latency,
            f"{others} bytes of other blocks' sums / {self.machine.cluster_bytes:g} a clock "
            f"+ 2 x {self.machine.cluster_latency:g} clocks from block to block",
        )

    def epilogue(self, blocks: int) -> Cost:
        """From sums to results in L2, for `blocks` of one multiprocessor together."""
        return Cost(
            blocks * self._epilogue_clocks(leaving=True),
            f"{blocks} x max({self._outputs:g} outputs / {self.machine.outputs:g}, "
            f"{self._staged_bytes:g} bytes through shared memory / {self.machine.shared_bytes:g}, "
            f"{self._outputs * self.output_bytes:g} bytes out / {self.machine.port_bytes:g})",
        )

    def _epilogue_clocks(self, leaving: bool) -> float:
        return max(
            self._outputs / self.machine.outputs,
            self._staged_bytes / self.machine.shared_bytes,
            self._outputs * self.output_bytes / self.machine.port_bytes if leaving else 0.0,
        )

    @property
    def _outputs(self) -> float:
        tile_m, tile_n, _ = self.config.block_tile
        return tile_m * tile_n / self.config.split_k

    @property
    def _staged_bytes(self) -> float:
        """Written to shared memory and read again: sums, all of them where parts of K meet; or results in boxes."""
        if self.leaves_in_boxes:
            return 2 * self._outputs * self.output_bytes
        return (self._outputs * self.config.split_k + self._outputs) * SUM_BYTES

    # ---- what all multiprocessors share

    def device(self) -> dict[str, Cost]:
        """Costs of the whole launch in what all multiprocessors share."""
        results = self.problem.m * self.problem.n * self.output_bytes
        moved = self.problem.bytes_moved
        return {
            "L2": Cost(
                (self.fetched_bytes + results) / self.machine.l2_bytes,
                f"({self.fetched_bytes} bytes fetched + {results} of results) / {self.machine.l2_bytes:g} a clock",
            ),
            "DRAM": Cost(
                moved / self.machine.dram_bytes,
                f"{moved} bytes, each once / {self.machine.dram_bytes:.0f} a clock",
            ),
        }
