// Asynchronous copies and warp matrix instructions, emulated. See device/sm80.cuh for the meanings.
#pragma once
#include <cstring>

#include <simt/fragments.hpp>
#include <simt/host/block.hpp>
#include <simt/host/mma.hpp>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// ---- cp.async. The destination is poisoned at once and filled as late as is legal: when this thread's wait covers the group.
template <int kBytes, class T>
void copy_async(u32 destination, Global<T> source, int valid_bytes, SIMT_SITE) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async moves 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  block.copies().start(block, destination, source.address, kBytes, u32(valid_bytes), site);
}
template <class T>
void copy_async_or_zeros(u32 destination, Global<T> source, bool exists, SIMT_SITE) {
  copy_async<16>(destination, source, exists ? 16 : 0, site);
}
inline void copy_async_commit() { host::current_block->copies().commit(); }
template <int kPending>
void copy_async_wait() {
  host::current_block->copies().wait(*host::current_block, kPending);
}

namespace detail {

template <int kMatrices>
struct LdmatrixLane {
  u32* registers;
  u32 row;
};

// Reads the rows that lanes 8m .. 8m+7 point at and deals each 8x8 matrix of 16-bit elements out to all lanes.
template <int kMatrices>
void ldmatrix(u32 (&r)[kMatrices], u32 row, bool transposed, const host::Site& site) {
  LdmatrixLane<kMatrices> own{r, row};
  host::Block& block = *host::current_block;
  const u32 parameter = u32(kMatrices) << 1 | u32(transposed);
  block.collective(host::Collective::kLdmatrix, parameter, site, &own, [&](host::Block::Warp& warp) {
    const auto lane = [&](int i) -> LdmatrixLane<kMatrices>& {
      return *static_cast<LdmatrixLane<kMatrices>*>(warp.argument[i]);
    };
    host::WarpRequest request{kMatrices == 4 ? ~0u : (1u << 8 * kMatrices) - 1, 16, {}};
    for (int matrix = 0; matrix < kMatrices; ++matrix) {
      u16 elements[8][8];
      for (int i = 0; i < 8; ++i) {
        const u32 address = lane(8 * matrix + i).row;
        request.address[8 * matrix + i] = address;
        const u32 thread = block.index_of(warp) * kWarpSize + u32(8 * matrix + i);
        if (block.access_shared(host::Operation::kLdmatrix, address, 16, thread, site)) {
          std::memcpy(elements[i], block.shared().at(address), 16);
        } else {
          std::memset(elements[i], host::SharedMemory::kPoison, 16);
        }
      }
      for (int i = 0; i < kWarpSize; ++i) {
        const auto at = fragments::ldmatrix_pair(i);
        const u16 low = transposed ? elements[at.column][at.row] : elements[at.row][at.column];
        const u16 high = transposed ? elements[at.column + 1][at.row] : elements[at.row][at.column + 1];
        lane(i).registers[matrix] = low | u32(high) << 16;
      }
    }
    block.count_request(host::Operation::kLdmatrix, site, request);
  });
}

// `instructions` matrix instructions of `macs` multiply-accumulates each, which the warp carries out at one meeting.
template <class Execute>
void matrix_instructions(u32 parameter, u32 instructions, u32 macs, host::MmaLane own, const host::Site& site,
                         Execute&& execute) {
  host::Block& block = *host::current_block;
  block.collective(host::Collective::kMma, parameter, site, &own, [&](host::Block::Warp& warp) {
    block.counts().mma += instructions;
    block.counts().macs += u64(instructions) * macs;
    execute(warp.argument.data());
  });
}

template <class A, class B>
void integer_mma(int rows, int columns, int a_registers, host::MmaLane own, const host::Site& site) {
  static_assert(A::kBits == B::kBits, "mma.sync multiplies operands of one width");
  const host::MmaTile tile{rows, columns, a_registers, {A::kBits, A::kSigned}, {B::kBits, B::kSigned}};
  const u32 parameter = u32(rows) << 16 | u32(columns) << 8 | u32(a_registers) << 4 | u32(A::kBits == 8) << 2 |
                        u32(A::kSigned) << 1 | u32(B::kSigned);
  matrix_instructions(parameter, u32(rows * columns), u32(16 * 8 * tile.k()), own, site,
                      [&](void* const* lanes) { host::execute_mma(lanes, tile, host::current_block->mma_scratch()); });
}

template <bool kXor>
void bit_mma(int rows, int columns, host::MmaLane own, const host::Site& site) {
  const u32 parameter = 1u << 24 | u32(rows) << 16 | u32(columns) << 8 | u32(kXor);
  matrix_instructions(parameter, u32(rows * columns), 16 * 8 * 256, own, site,
                      [&](void* const* lanes) { host::execute_mma_b1(lanes, rows, columns, kXor); });
}

template <class T>
void float_mma(int rows, int columns, host::MmaLane own, const host::Site& site) {
  const host::FloatMmaTile tile{rows, columns, {T::kExponentBits}};
  const u32 parameter = 2u << 24 | u32(rows) << 16 | u32(columns) << 8 | u32(T::kExponentBits);
  matrix_instructions(parameter, u32(rows * columns), 16 * 8 * host::kFloatDepth, own, site, [&](void* const* lanes) {
    host::Block& block = *host::current_block;
    block.counts().unspecified += host::execute_mma(lanes, tile, block.mma_scratch());
  });
}

}  // namespace detail

template <int kMatrices>
void ldmatrix(u32 (&r)[kMatrices], u32 row, SIMT_SITE) {
  detail::ldmatrix(r, row, false, site);
}
template <int kMatrices>
void ldmatrix_transposed(u32 (&r)[kMatrices], u32 row, SIMT_SITE) {
  detail::ldmatrix(r, row, true, site);
}

template <class A, class B>
void mma(A, B, i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], SIMT_SITE) {
  detail::integer_mma<A, B>(1, 1, 4, {d, a, b}, site);
}
template <class A, class B>
void mma(A, B, i32 (&d)[4], const u32 (&a)[2], const u32 (&b)[1], SIMT_SITE) {
  detail::integer_mma<A, B>(1, 1, 2, {d, a, b}, site);
}
template <class T>
void mma(T, T, float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], SIMT_SITE) {
  detail::float_mma<T>(1, 1, {d, a, b}, site);
}
template <class A, class B, int kRows, int kColumns>
void mma_tile(A, B, i32 (&d)[kRows][kColumns][4], const u32 (&a)[kRows][4], const u32 (&b)[kColumns][2], SIMT_SITE) {
  static_assert(kRows <= host::MmaScratch::kMaxRows, "a warp tile has at most 128 rows");
  detail::integer_mma<A, B>(kRows, kColumns, 4, {d[0][0], a[0], b[0]}, site);
}
template <class T, int kRows, int kColumns>
void mma_tile(T, T, float (&d)[kRows][kColumns][4], const u32 (&a)[kRows][4], const u32 (&b)[kColumns][2], SIMT_SITE) {
  static_assert(kRows <= host::MmaScratch::kMaxRows, "a warp tile has at most 128 rows");
  detail::float_mma<T>(kRows, kColumns, {d[0][0], a[0], b[0]}, site);
}

template <BitOperation kOperation>
void mma_b1(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], SIMT_SITE) {
  constexpr bool kXor = kOperation == BitOperation::kXor;
  detail::bit_mma<kXor>(1, 1, {d, a, b}, site);
}
template <int kRows, int kColumns>
void mma_tile(B1, B1, i32 (&d)[kRows][kColumns][4], const u32 (&a)[kRows][4], const u32 (&b)[kColumns][2], SIMT_SITE) {
  detail::bit_mma<false>(kRows, kColumns, {d[0][0], a[0], b[0]}, site);
}

}  // namespace simt::inline SIMT_TARGET
