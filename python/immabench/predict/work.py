"""How one launch is divided: tiles, blocks, steps, what is resident and what is on its way.

The kernels are kernels/gemm/mma_gemm.cuh and wgmma_s8.cuh; what is said of them here is what their source does. Tiles
are multiplied whole, padding included; operands are fetched without it, as copies past an operand's end read nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from immabench.errors import UsageError
from immabench.kernels import KernelConfig
from immabench.predict.machine import Machine
from immabench.problems import TYPE_BITS, Problem
from immabench.profile.occupancy import occupancy

BYTES_PER_CHUNK = 16
"""What one thread has on its way where rows are not aligned, and rows that are not a multiple of it are not."""
WARPGROUP_THREADS = 128
FURTHER_REGISTERS = 50
"""Registers of a thread of the IMMA kernels besides sums and fragments: addresses, loop counters."""
REGISTERS_PER_SM = 65536
SMALLEST_SHARED_BYTES = 99 * 1024
"""Of a multiprocessor, by which streamed kernels count the blocks they launch for it (kernels/gemm/mma_tile.hpp)."""

UNPACK_INSTRUCTIONS = {
    ("s8", "s4"): 0.375,
    ("s8", "u4"): 0.875,
    ("f16", "u4"): 1.625,
    ("bf16", "u4"): 1.875,
    ("f16", "s8"): 1.25,
    ("bf16", "s8"): 1.75,
}
"""Instructions a weight that the kernels' inner loops spend on widening it, by the operand types of the kernel."""


def estimated_registers(config: KernelConfig) -> int:
    """Registers a thread as the tile needs them: sums, two sets of fragments, and what addresses take.

    wgmma kernels are compiled for one block a multiprocessor and may use all that leaves them.
    """
    if config.by_wgmma:
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
        """Output tiles of one product along M and N, those that fill up the last cluster included."""
        (tile_m, tile_n, _), (cluster_m, cluster_n) = self.config.block_tile, self.config.cluster
        return (
            ceil(self.problem.m / (tile_m * cluster_m)) * cluster_m,
            ceil(self.problem.n / (tile_n * cluster_n)) * cluster_n,
        )

    @cached_property
    def all_tiles(self) -> int:
        """Output tiles of every product of the batch."""
        return self.problem.batch * self.tiles[0] * self.tiles[1]

    @cached_property
    def run(self) -> int:
        """Elements of K that tiles divide: all; by wgmma the channels of an image, anew for each tap of the filter, but
        beside packed weights, whose stages end one tap and begin the next."""
        convolution = self.problem.convolution
        tap_by_tap = self.config.by_wgmma and self.config.weight_layout == "row_major"
        return convolution.channels if convolution and tap_by_tap else self.problem.k

    @cached_property
    def k_tiles(self) -> int:
        """Tiles along K."""
        return self.problem.k // self.run * ceil(self.run / self.config.block_tile[2])

    @cached_property
    def shares_tiles(self) -> bool:
        """Blocks of no cluster share tiles, and add up their parts in global memory (kernels/parts/tile_shares.cuh)."""
        return not self.config.by_wgmma and (self.config.streamed or self.config.split_k > 1)

    @cached_property
    def blocks(self) -> int:
        """Blocks of work: tiles, each with its parts of K; a persistent kernel launches fewer, which take several. Of
        streamed kernels those that are launched."""
        if self.config.streamed:
            resident = max(1, SMALLEST_SHARED_BYTES // self.config.shared_bytes)
            return min(self.all_tiles * self.k_tiles, self.machine.sm_count * resident)
        return self.all_tiles * (min(self.config.split_k, self.k_tiles) if self.shares_tiles else self.config.split_k)

    @cached_property
    def parts(self) -> float:
        """Blocks a tile; a fraction where a block takes several tiles."""
        return self.blocks / self.all_tiles

    @cached_property
    def cluster(self) -> int:
        """Blocks of a cluster."""
        return 1 if self.shares_tiles else self.config.cluster[0] * self.config.cluster[1] * self.config.split_k

    @cached_property
    def multiprocessors(self) -> int:
        """Those that whole clusters can occupy, at least one cluster's."""
        return max(self.cluster, self.machine.sm_count // self.cluster * self.cluster)

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
        return self.config.by_wgmma and not self.config.swapped and self.config.split_k == 1

    @cached_property
    def a_bytes(self) -> float:
        """Of one element of A, a fraction where several are in a byte."""
        return TYPE_BITS[self.problem.a_type] / 8

    @cached_property
    def b_bytes(self) -> float:
        """Of one element of B, without what its groups have."""
        return TYPE_BITS[self.problem.b_type] / 8

    @cached_property
    def rate_to_s8(self) -> float:
        """Multiply-accumulates of the tensor cores to those of s8: half the bits twice the rate; bits eight times
        (NVIDIA A100 Tensor Core GPU Architecture whitepaper, table of peak rates). Of floats what the machine has:
        GeForce halves the rate of fp32 sums."""
        if not self.problem.is_integer:
            return self.machine.float16_share
        return 8 / TYPE_BITS[self.problem.a_type]

    @cached_property
    def is_unpacked(self) -> bool:
        """Weights have fewer bits than they are multiplied with."""
        return self.b_bytes < self.a_bytes

    @cached_property
    def unpack_instructions(self) -> float:
        """Instructions that unpack one weight, in registers."""
        return UNPACK_INSTRUCTIONS[self.config.operand_types["a"], self.config.operand_types["b"]]

    @cached_property
    def is_aligned(self) -> bool:
        """Rows start on 16 bytes: copies are asynchronous. Else each byte is a load of its own."""
        return self.problem.k * self.a_bytes % BYTES_PER_CHUNK == 0

    @cached_property
    def output_bytes(self) -> int:
        """Of one output."""
        return TYPE_BITS[self.problem.output_type] // 8

    @cached_property
    def outputs(self) -> float:
        """Outputs that one block finishes, padding included."""
        return self.config.block_tile[0] * self.config.block_tile[1] / self.parts

    @cached_property
    def leaves_in_boxes(self) -> bool:
        """Results leave by the Tensor Memory Accelerator while the next tile is multiplied."""
        return self.is_persistent and self.problem.n * self.output_bytes % BYTES_PER_CHUNK == 0

    @cached_property
    def steps(self) -> int:
        """Tiles along K of one block, of the longest part where K is split."""
        return ceil(self.k_tiles / self.parts)

    @cached_property
    def step_bytes(self) -> int:
        """Bytes of both operands that one step of a block fetches, without padding."""
        tile_m, tile_n, tile_k = self.config.block_tile
        a, b = min(tile_m, self.problem.m) * self.a_bytes, min(tile_n, self.problem.n) * self.b_bytes
        return round((a + b) * min(tile_k, self.run))

    @cached_property
    def stages_ahead(self) -> int:
        """Steps whose operands are on their way while one is multiplied."""
        return min(self.config.stages - 1, self.steps)

    @cached_property
    def in_flight_bytes(self) -> int:
        """Bytes the busiest multiprocessor has on their way."""
        if self.is_aligned:
            return self.resident * self.stages_ahead * self.step_bytes
        loading = WARPGROUP_THREADS if self.config.by_wgmma else self.config.threads
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
        a, b = m * k * self.a_bytes * (self.tiles[1] // cluster_n), n * k * self.b_bytes * (self.tiles[0] // cluster_m)
        return round(self.problem.batch * (a + b))

    @cached_property
    def useful(self) -> float:
        """Share of the multiply-accumulates in padded tiles and whole waves that the problem asked for."""
        tile_m, tile_n, tile_k = self.config.block_tile
        room = self.blocks_each * self.multiprocessors
        return self.problem.macs / (room * tile_m * tile_n * tile_k * self.steps)
