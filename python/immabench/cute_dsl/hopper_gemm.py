"""INT8 GEMM for Hopper in the CuTe DSL: TMA fills a ring of stages, wgmma empties it, blocks stay for many tiles.

    C[M,N] = round(((float(A[M,K] . B[N,K]^T) * row_scale[M]) * col_scale[N]) + bias[N]), or the s32 sums themselves

One warp of the first warpgroup loads, the others multiply: 64 rows of the tile each. The blocks of a cluster lie along
M and share B: each loads its part of it into all of them. Past the edges of A and B TMA reads zeros.

This module and `scaled_epilogue` alone import `cutlass` at their top. The DSL reads annotations as they are written, so
that they are no strings here.
"""

from typing import Any

import cutlass
import cutlass.utils.hopper_helpers as hopper
from cutlass import Float32, Int8, Int32, Int64, const_expr, cute, pipeline, range_constexpr
from cutlass.cute.nvgpu import OperandMajorMode, cpasync, warpgroup
from cutlass.memory import SmemAllocator
from cutlass.tensor_utils import LayoutEnum

from immabench.cute_dsl.scaled_epilogue import ScaledEpilogue

THREADS_PER_GROUP = 128
WARPS_PER_GROUP = 4
ROWS_PER_GROUP = 64
ROW_BLOCKS_TOGETHER = 16
"""Rows of blocks that are computed before the next column of them, so that their operands are read from L2."""
PRODUCER_REGISTERS, CONSUMER_REGISTERS = 40, 232
"""What warpgroups keep where accumulators take 128 registers a thread: together what a block of 384 threads has."""


class HopperGemm:
    """The kernel of one tile, cluster and type of the output; `__call__` launches it, `kernel` is what is compiled.

    `tile` is (M, N, K) of a block with K in bytes of one swizzled line, 128; `cluster` blocks lie along M.
    """

    def __init__(self, tile: tuple[int, int, int], cluster: int, stages: int, output_type: Any) -> None:
        self.tile, self.cluster, self.stages = tile, cluster, stages
        self.groups = tile[0] // ROWS_PER_GROUP
        self.threads = THREADS_PER_GROUP * (1 + self.groups)
        self.epilogue = ScaledEpilogue(tile[1], self.groups * THREADS_PER_GROUP, output_type)
        self.moves_registers = tile[1] > 128
        self.resident_blocks = 2 if self.groups == 1 else 1

    @cute.jit
    def __call__(
        self,
        a: cute.Pointer,
        b: cute.Pointer,
        out: cute.Pointer,
        row_scale: cute.Pointer,
        col_scale: cute.Pointer,
        bias: cute.Pointer,
        row_step: Int32,
        col_step: Int32,
        bias_step: Int32,
        m: Int32,
        n: Int32,
        k: Int32,
        blocks: Int32,
    ):
        line = cute.assume(k, divby=16)  # what TMA asks of a stride
        a_stages, b_stages = self._stage_layouts()
        a_copy, a_coordinates = cpasync.make_tiled_tma_atom(
            cpasync.CopyBulkTensorTileG2SOp(),
            cute.make_tensor(a, cute.make_layout((m, line), stride=(line, 1))),
            cute.slice_(a_stages, (None, None, 0)),
            (self.tile[0], self.tile[2]),
        )
        shares_b = const_expr(self.cluster > 1)
        b_copy, b_coordinates = cpasync.make_tiled_tma_atom(
            cpasync.CopyBulkTensorTileG2SMulticastOp() if shares_b else cpasync.CopyBulkTensorTileG2SOp(),
            cute.make_tensor(b, cute.make_layout((n, line), stride=(line, 1))),
            cute.slice_(b_stages, (None, None, 0)),
            (self.tile[1], self.tile[2]),
            num_multicast=self.cluster,
        )
        operands = (a_copy, a_coordinates, b_copy, b_coordinates, out, row_scale, col_scale, bias)
        self.kernel(*operands, row_step, col_step, bias_step, m, n, line).launch(
            grid=[blocks, 1, 1],
            block=[self.threads, 1, 1],
            cluster=[self.cluster, 1, 1],
            min_blocks_per_mp=self.resident_blocks,
            preferred_smem_carveout=100,
        )

    @cute.kernel
    def kernel(
        self,
        a_copy: cute.CopyAtom,
        a_coordinates: cute.Tensor,
        b_copy: cute.CopyAtom,
        b_coordinates: cute.Tensor,
        out: cute.Pointer,
        row_scale: cute.Pointer,
        col_scale: cute.Pointer,
        bias: cute.Pointer,
        row_step: Int32,
        col_step: Int32,
        bias_step: Int32,
        m: Int32,
        n: Int32,
        k: Int32,
    ):
        warp = cute.arch.make_warp_uniform(cute.arch.warp_idx())
        rank = cute.arch.make_warp_uniform(cute.arch.block_idx_in_cluster())
        if warp == 0:
            cpasync.prefetch_descriptor(a_copy)
            cpasync.prefetch_descriptor(b_copy)
        memory = SmemAllocator()
        ring = self._make_ring(memory.allocate_array(Int64, 2 * self.stages))
        a_stages, b_stages = self._stage_layouts()
        a_shared = memory.allocate_tensor(Int8, a_stages.outer, byte_alignment=1024, swizzle=a_stages.inner)
        b_shared = memory.allocate_tensor(Int8, b_stages.outer, byte_alignment=1024, swizzle=b_stages.inner)
        vectors = memory.allocate_tensor(Float32, cute.make_layout((self.tile[1], 2)), byte_alignment=16)
        k_tiles = cute.ceil_div(k, self.tile[2])
        rows, columns = cute.ceil_div(m, self.tile[0] * self.cluster), cute.ceil_div(n, self.tile[1])
        pipeline.pipeline_init_wait(cluster_shape_mn=cute.make_layout(self.cluster))
        if warp < WARPS_PER_GROUP:
            if const_expr(self.moves_registers):
                cute.arch.setmaxregister_decrease(PRODUCER_REGISTERS)
            if warp == 0:
                a_parts = self._boxes(a_copy, 0, 1, a_shared, a_coordinates, self.tile[0])
                b_parts = self._boxes(b_copy, rank, self.cluster, b_shared, b_coordinates, self.tile[1])
                self._produce(ring, a_copy, a_parts, b_copy, b_parts, rank, rows, columns, k_tiles)
        else:
            if const_expr(self.moves_registers):
                cute.arch.setmaxregister_increase(CONSUMER_REGISTERS)
            scales = (row_scale, col_scale, bias, row_step, col_step, bias_step)
            self._consume(ring, a_shared, b_shared, vectors, rank, rows, columns, k_tiles, out, scales, m, n)

    def _stage_layouts(self):
        """Shared memory of A and B, all stages: lines of 128 bytes, swizzled as TMA writes and wgmma reads them."""
        make_layouts = (hopper.make_smem_layout_a, hopper.make_smem_layout_b)
        return tuple(make(LayoutEnum.ROW_MAJOR, self.tile, Int8, self.stages) for make in make_layouts)

    def _make_ring(self, barriers):
        """The stages' barriers. A stage is free when the consumers of all blocks that its B was sent to let go."""
        consumers = self.cluster * self.groups * WARPS_PER_GROUP
        ring = pipeline.PipelineTmaAsync.create(
            barrier_storage=barriers,
            num_stages=self.stages,
            producer_group=pipeline.CooperativeGroup(pipeline.Agent.Thread),
            consumer_group=pipeline.CooperativeGroup(pipeline.Agent.Thread, consumers),
            tx_count=(self.tile[0] + self.tile[1]) * self.tile[2],
            cta_layout_vmnk=cute.make_layout((1, self.cluster, 1, 1)),
            defer_sync=True,
        )
        pipeline.pipeline_init_arrive(cluster_shape_mn=cute.make_layout(self.cluster), is_relaxed=True)
        return ring

    def _boxes(self, copy, rank, sharing, shared, coordinates, extent):
        """What block `rank` of those `sharing` an operand copies: (from, to), by tile and by stage."""
        tiles = cute.local_tile(coordinates, (extent, self.tile[2]), (None, None))
        to, source = cpasync.tma_partition(
            copy, rank, cute.make_layout(sharing), cute.group_modes(shared, 0, 2), cute.group_modes(tiles, 0, 2)
        )
        return source, to

    @cute.jit
    def _tile_place(self, index: Int32, rows: Int32, columns: Int32):
        """Row and column of tile `index`: down a group of rows, then to the next column of it."""
        together = const_expr(ROW_BLOCKS_TOGETHER // self.cluster)
        group = index // (together * columns)
        within = index - group * together * columns
        height = cutlass.min(rows - group * together, together)
        column = within // height
        return group * together + within - column * height, column

    def _tiles_of_block(self, rows, columns):
        """First tile of this block's cluster, the end, and the step to its next: the arguments of a range."""
        block, blocks = cute.arch.block_idx()[0], cute.arch.grid_dim()[0]
        return block // self.cluster, rows * columns, blocks // self.cluster

    @cute.jit
    def _produce(self, ring, a_copy, a_parts, b_copy, b_parts, rank, rows, columns, k_tiles):
        """Fill stage after stage with the operands of all tiles of this block."""
        (a_from, a_to), (b_from, b_to) = a_parts, b_parts
        state = pipeline.make_pipeline_state(pipeline.PipelineUserType.Producer, self.stages)
        first, end, step = self._tiles_of_block(rows, columns)
        for index in cutlass.range(first, end, step, unroll=1):
            row, column = self._tile_place(index, rows, columns)
            row = row * self.cluster + rank
            for k_tile in cutlass.range(k_tiles, unroll=1):
                ring.producer_acquire(state)
                full, stage = ring.producer_get_barrier(state), (None, state.index)
                cute.copy(a_copy, a_from[(None, row, k_tile)], a_to[stage], tma_bar_ptr=full)
                source = b_from[(None, column, k_tile)]
                if const_expr(self.cluster > 1):
                    everyone = Int32(2**self.cluster - 1).to(cutlass.Int16)
                    cute.copy(b_copy, source, b_to[stage], tma_bar_ptr=full, mcast_mask=everyone)
                else:
                    cute.copy(b_copy, source, b_to[stage], tma_bar_ptr=full)
                state.advance()
        ring.producer_tail(state)  # no block may leave while others still send to it, or let go of what it sent

    @cute.jit
    def _consume(self, ring, a_shared, b_shared, vectors, rank, rows, columns, k_tiles, out, scales, m, n):
        """Multiply stage after stage, and write each tile when its K has ended."""
        multiply = hopper.make_trivial_tiled_mma(
            Int8, Int8, OperandMajorMode.K, OperandMajorMode.K, Int32, (self.groups, 1, 1), (64, self.tile[1])
        )
        thread = cute.arch.thread_idx()[0] - THREADS_PER_GROUP
        group = cute.arch.make_warp_uniform(thread // THREADS_PER_GROUP)
        of_group = multiply.get_slice(cute.make_layout(self.groups, stride=THREADS_PER_GROUP)(group))
        a_operand = multiply.make_fragment_A(of_group.partition_A(a_shared))
        b_operand = multiply.make_fragment_B(of_group.partition_B(b_shared))
        places = multiply.get_slice(thread).partition_C(cute.make_identity_tensor(self.tile[:2]))
        sums = cute.make_rmem_tensor(places.shape, Int32)
        reading = pipeline.make_pipeline_state(pipeline.PipelineUserType.Consumer, self.stages)
        done = pipeline.make_pipeline_state(pipeline.PipelineUserType.Consumer, self.stages)
        first, end, step = self._tiles_of_block(rows, columns)
        for index in cutlass.range(first, end, step, unroll=1):
            row, column = self._tile_place(index, rows, columns)
            corner = ((row * self.cluster + rank) * self.tile[0], column * self.tile[1])
            factors, held = self.epilogue.load_scales(places, corner, scales, thread, m, n)
            multiply.set(warpgroup.Field.ACCUMULATE, False)
            for k_tile in cutlass.range(k_tiles, unroll=1):
                ring.consumer_wait(reading)
                warpgroup.fence()
                for k_step in range_constexpr(cute.size(a_operand, mode=[2])):
                    place = (None, None, k_step, reading.index)
                    cute.gemm(multiply, sums, a_operand[place], b_operand[place], sums)
                    multiply.set(warpgroup.Field.ACCUMULATE, True)
                warpgroup.commit_group()
                reading.advance()
                if k_tile > 0:  # the stage before is read when one group alone is in flight
                    warpgroup.wait_group(1)
                    ring.consumer_release(done)
                    done.advance()
            warpgroup.wait_group(0)
            ring.consumer_release(done)
            done.advance()
            self.epilogue.share(held, vectors, thread)
            self.epilogue.write(sums, places, corner, out, factors, vectors, m, n)
