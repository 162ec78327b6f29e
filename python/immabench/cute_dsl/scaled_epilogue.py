"""What follows the sums of a GEMM by wgmma, in the CuTe DSL: scales of rows and columns and a bias, or nothing.

Sums are written from registers; where rows of the output are aligned to that, four lanes fill a sector of 32 bytes.
"""

from typing import Any

import cutlass
from cutlass import Boolean, Float32, Int32, Int64, const_expr, cute, pipeline, range_constexpr

BARRIER = 1
"""The named barrier of the threads that multiply."""


class ScaledEpilogue:
    """The epilogue of a tile `columns` wide, by `threads` that each have two rows of it. s32 sums have no scales."""

    def __init__(self, columns: int, threads: int, output_type: Any) -> None:
        self.columns, self.threads, self.output_type = columns, threads, output_type
        self.scaled = output_type is not Int32

    @cute.jit
    def load_scales(self, places, corner, scales, thread, m: Int32, n: Int32):
        """The scales of this thread's two rows, and its part of the columns' scales and bias: under way while the tile
        is multiplied. Past the edges those of the last row and column."""
        row_scale, col_scale, bias, row_step, col_step, bias_step = scales
        factors = cute.make_rmem_tensor(2, Float32)
        held = cute.make_rmem_tensor(2 * self.columns // self.threads, Float32)
        if const_expr(self.scaled):
            for half in range_constexpr(2):
                row = corner[0] + places[((0, half, 0), 0, 0)][0]
                factors[half] = _element(row_scale, cutlass.min(row, m - 1) * row_step)
            for part in range_constexpr(cute.size(held)):
                place = thread + part * self.threads
                column = cutlass.min(corner[1] + place % self.columns, n - 1)
                if place < self.columns:
                    held[part] = _element(col_scale, column * col_step)
                else:
                    held[part] = _element(bias, column * bias_step)
        return factors, held

    @cute.jit
    def share(self, held, vectors, thread):
        """Put the columns' scales and bias into shared memory, once all have read those of the tile before."""
        if const_expr(self.scaled):
            everyone = pipeline.NamedBarrier(barrier_id=BARRIER, num_threads=self.threads)
            everyone.arrive_and_wait()
            for part in range_constexpr(cute.size(held)):
                vectors[thread + part * self.threads] = held[part]
            everyone.arrive_and_wait()

    @cute.jit
    def write(self, sums, places, corner, out, factors, vectors, m: Int32, n: Int32):
        """Write this thread's sums, as many columns at a time as rows of the output are aligned to."""
        tile = (sums, places, corner, out, factors, vectors)
        widest = const_expr(64 // self.output_type.width)
        if n % widest == 0:
            self._write(tile, m, n, widest)
        else:
            if const_expr(widest == 2):
                self._write(tile, m, n, 1)
            else:
                if n % 2 == 0:
                    self._write(tile, m, n, 2)
                else:
                    self._write(tile, m, n, 1)

    @cute.jit
    def _write(self, tile, m: Int32, n: Int32, at_once: cutlass.Constexpr):
        """Of two rows, of every eight columns two that lie side by side: `at_once` columns a store."""
        sums, places, corner, out, factors, vectors = tile
        below = [corner[0] + places[((0, half, 0), 0, 0)][0] for half in range(2)]
        lines = [out + Int64(row) * n for row in below]
        for eight in range_constexpr(0, self.columns // 8, 2):
            place = places[((0, 0, eight), 0, 0)][1]
            left = corner[1] + place
            for half in range_constexpr(2):
                of_row = (sums, factors[half], vectors, half)
                first, second = (self._rounded_pair(of_row, place + 8 * at, eight + at) for at in range(2))
                in_rows = below[half] < m
                if const_expr(at_once == 4):
                    self._write_four(first, second, lines[half], in_rows, left, n)
                else:
                    self._write_pair(first, lines[half] + left, in_rows, left, n, at_once)
                    self._write_pair(second, lines[half] + left + 8, in_rows, left + 8, n, at_once)

    def _rounded_pair(self, of_row, place, eight):
        """Two outputs side by side, of the columns at `place` of the tile."""
        sums, factor, vectors, half = of_row
        pair = cute.make_rmem_tensor(2, self.output_type)
        for side in range(2):
            total = sums[((side, half, eight), 0, 0)]
            if self.scaled:
                value = _rounded("mul", _rounded("mul", Float32(total), factor), vectors[place + side, 0])
                total = self.output_type(_rounded("add", value, vectors[place + side, 1]))
            pair[side] = total
        return pair

    @cute.jit
    def _write_pair(self, pair, place, in_rows: Boolean, left: Int32, n: Int32, at_once: cutlass.Constexpr):
        """Two outputs side by side, or those of them that lie in the matrix."""
        if const_expr(at_once == 2):
            if in_rows and left < n:
                wide = place.align(2 * self.output_type.width // 8)
                cute.autovec_copy(pair, cute.make_tensor(wide, cute.make_layout(2)))
        else:
            for side in range_constexpr(2):
                if in_rows and left + side < n:
                    cute.make_tensor(place + side, cute.make_layout(1))[0] = pair[side]

    @cute.jit
    def _write_four(self, first, second, line, in_rows: Boolean, left: Int32, n: Int32):
        """Four 16-bit outputs side by side, so that four lanes fill a sector. Of two lanes the even one takes the first
        pairs of both, which begin where its own does, the odd one the second."""
        odd = cute.arch.lane_idx() % 2 == 1
        four = cute.make_rmem_tensor(2, Int32)
        four[0], four[1] = (cute.recast_tensor(pair, Int32)[0] for pair in (first, second))
        given = four[1]
        if odd:
            given = four[0]
        taken = cute.arch.shuffle_sync_bfly(given, offset=1)
        start = left
        if odd:
            four[0] = taken
            start = left + 8 - 2
        else:
            four[1] = taken
        if in_rows and start < n:
            wide = cute.recast_ptr((line + start).align(8), dtype=Int32)
            cute.autovec_copy(four, cute.make_tensor(wide, cute.make_layout(2)))


def _element(vector, index):
    """One fp32 number of a vector in global memory."""
    return cute.make_tensor(vector + index, cute.make_layout(1))[0]


def _rounded(operation: str, left, right):
    """One fp32 operation rounded by itself: what the compiler makes of * and + it may fuse, and round once."""
    code = f"{operation}.rn.f32 {{$w0}}, {{$r0}}, {{$r1}};"
    return cute.arch.inline_ptx(code, write_only_types=[Float32], read_only_args=[left, right])
