// Probes of the Tensor Memory Accelerator: boxes at random places, most of them partly outside their tensor, and plain copies.
#pragma once
#include <probe/hopper_parts.cuh>

namespace immabench::inline SIMT_TARGET {

// A tensor within the 8 KiB of a block's words. Rows and planes end before the next begin, so that a read past the end of a
// dimension brings words that are not zeros. Rows of a box fill the swizzle's span.
SIMT_CALLABLE constexpr simt::TensorDescription probe_tensor(int rank, int element_bytes, simt::TensorSwizzle swizzle) {
  constexpr u64 kRowBytes[5] = {8000, 120, 120, 56, 28};
  constexpr u64 kExtent[5][5] = {{}, {0, 61}, {0, 7, 8}, {0, 3, 4, 8}, {0, 3, 2, 4, 8}};
  constexpr u64 kStride[5][5] = {{}, {0, 128}, {0, 128, 1024}, {0, 64, 256, 1024}, {0, 32, 128, 256, 1024}};
  constexpr u32 kBox[5][5] = {{}, {0, 61}, {0, 5, 3}, {0, 3, 2, 4}, {0, 2, 2, 3, 3}};
  const u32 row = swizzle == simt::TensorSwizzle::kNone ? 96 : u32(swizzle_span(swizzle));
  simt::TensorDescription t;
  t.rank = rank;
  t.element_bytes = element_bytes;
  t.swizzle = swizzle;
  t.extent[0] = kRowBytes[rank - 1] / u64(element_bytes);
  t.box[0] = row / u32(element_bytes);
  for (int i = 1; i < rank; ++i) {
    t.extent[i] = kExtent[rank - 1][i];
    t.stride_bytes[i] = kStride[rank - 1][i];
    t.box[i] = kBox[rank - 1][i];
  }
  return t;
}

// From wholly before the tensor to wholly behind it.
template <int kRank>
SIMT_DEVICE void random_position(i32 (&at)[kRank], const simt::TensorDescription& t, const ProbeWordArray& r) {
  SIMT_UNROLL
  for (int i = 0; i < kRank; ++i) {
    const u32 outside = t.box[i] + 1;
    at[i] = i32(r[i] % (u32(t.extent[i]) + outside)) - i32(outside);
  }
}

namespace probe_kinds {

template <int kRank, int kElementBytes, simt::TensorSwizzle kSwizzle>
struct TensorLoad {
  static constexpr ProbeShape kShape = kWarpgroupShape;
  SIMT_CALLABLE static constexpr simt::TensorDescription tensor() { return probe_tensor(kRank, kElementBytes, kSwizzle); }
  static SIMT_DEVICE void run(const ProbeParameters& p, ProbeWordArray& r) {
    constexpr simt::TensorDescription kTensor = tensor();
    constexpr u32 kBytes = kTensor.box_bytes();
    set_up_mbarrier(1);
    if (simt::thread_index() == 0) {
      i32 at[kRank];
      random_position(at, kTensor, r);
      simt::prefetch_tensor_map(p.map);
      simt::mbarrier_arrive_expect_tx(own_mbarrier(), kBytes);
      simt::tensor_load(box_area(), p.map, at, own_mbarrier());
    }
    simt::mbarrier_wait(own_mbarrier(), 0);
    load_words(r, box_area(), kBytes);
  }
};

template <int kRank, int kElementBytes, simt::TensorSwizzle kSwizzle>
struct TensorStore {
  static constexpr ProbeShape kShape = kWarpgroupShape;
  static constexpr bool kWritesOutput = true;
  SIMT_CALLABLE static constexpr simt::TensorDescription tensor() { return probe_tensor(kRank, kElementBytes, kSwizzle); }
  static SIMT_DEVICE void run(const ProbeParameters& p, ProbeWordArray& r) {
    constexpr simt::TensorDescription kTensor = tensor();
    store_words(box_area(), r);
    hand_to_async_proxy();
    if (simt::thread_index() == 0) {
      i32 at[kRank];
      random_position(at, kTensor, r);
      simt::tensor_store(p.map, at, box_area());
      simt::bulk_commit();
      simt::bulk_wait<0>();
    }
  }
};

// Windows that begin and end elsewhere in each direction, so that an exchange of two would show.
SIMT_CALLABLE constexpr simt::TensorDescription im2col_tensor(int rank) {
  constexpr u64 kExtent[3][5] = {{32, 20, 12}, {32, 7, 6, 6}, {16, 4, 5, 3, 8}};
  simt::TensorDescription t;
  t.rank = rank;
  t.im2col = true;
  u64 stride = 1;
  for (int i = 0; i < rank; ++i) {
    t.extent[i] = kExtent[rank - 3][i];
    t.stride_bytes[i] = stride;
    stride *= t.extent[i];
  }
  for (int i = 0; i < t.spatial_rank(); ++i) {
    t.lower[i] = -1 - i;
    t.upper[i] = i - 2;
  }
  t.box[0] = 16;
  t.box[1] = 100;
  return t;
}

// As a convolution with strides walks, another one in each direction: pixels of the output, from any of them on.
SIMT_CALLABLE constexpr simt::TensorDescription strided_im2col_tensor(int rank) {
  simt::TensorDescription t = im2col_tensor(rank);
  for (int i = 0; i < t.spatial_rank(); ++i) t.traversal_stride[i] = simt::u32(2 + i);
  return t;
}

template <int kRank, bool kStrided = false>
struct TensorLoadIm2col {
  static constexpr ProbeShape kShape = kWarpgroupShape;
  SIMT_CALLABLE static constexpr simt::TensorDescription tensor() {
    return kStrided ? strided_im2col_tensor(kRank) : im2col_tensor(kRank);
  }
  static SIMT_DEVICE void run(const ProbeParameters& p, ProbeWordArray& r) {
    constexpr simt::TensorDescription kTensor = tensor();
    constexpr u32 kBytes = kTensor.box_bytes();
    set_up_mbarrier(1);
    if (simt::thread_index() == 0) {
      i32 at[kRank];
      u16 offset[kRank - 2];
      first_pixel(at, kTensor, r);
      SIMT_UNROLL
      for (int i = 0; i < kRank - 2; ++i) offset[i] = u16(r[8 + i] % 4);
      simt::mbarrier_arrive_expect_tx(own_mbarrier(), kBytes);
      simt::tensor_load_im2col(box_area(), p.map, at, offset, own_mbarrier());
    }
    simt::mbarrier_wait(own_mbarrier(), 0);
    load_words(r, box_area(), kBytes);
  }

  // Any of the window's pixels that the strides meet, in any image.
  static SIMT_DEVICE void first_pixel(i32 (&at)[kRank], const simt::TensorDescription& t, const ProbeWordArray& r) {
    at[0] = i32(r[0] % (u32(t.extent[0]) / 16)) * 16;
    SIMT_UNROLL
    for (int i = 0; i < kRank - 2; ++i) {
      const u32 window = u32(i32(t.extent[1 + i]) + t.upper[i] - t.lower[i]), stride = t.traversal_stride[i];
      at[1 + i] = t.lower[i] + i32(r[1 + i] % window / stride * stride);
    }
    at[kRank - 1] = i32(r[kRank - 1] % u32(t.extent[kRank - 1]));
  }
};

// Each block brings half of a box of its own input's tensor, and both get both.
template <int kRank>
struct TensorLoadMulticast {
  static constexpr ProbeShape kShape = kClusterShape;
  SIMT_CALLABLE static constexpr simt::TensorDescription tensor() {
    return probe_tensor(kRank, 1, simt::TensorSwizzle::k64Bytes);
  }
  static SIMT_DEVICE void run(const ProbeParameters& p, ProbeWordArray& r) {
    constexpr simt::TensorDescription kTensor = tensor();
    constexpr u32 kBytes = kTensor.box_bytes(), kHalf = 4096;
    static_assert(kBytes <= kHalf && 2 * kHalf == kBlockBytes);
    set_up_mbarrier(1);
    store_words(box_area(), r);
    hand_to_async_proxy();
    cluster_sync();
    if (simt::thread_index() == 0) {
      i32 at[kRank];
      random_position(at, kTensor, r);
      simt::mbarrier_arrive_expect_tx(own_mbarrier(), 2 * kBytes);
      simt::tensor_load_multicast(box_area() + simt::cluster_rank() * kHalf, p.map, at, own_mbarrier(), 3);
    }
    simt::mbarrier_wait(own_mbarrier(), 0);
    load_words(r, box_area(), kBlockBytes);
    cluster_sync();
  }
};

#define IMMABENCH_TENSOR_PROBE(Name, ...)       \
  struct Name : __VA_ARGS__ {                   \
    static constexpr const char* kName = #Name; \
  };
IMMABENCH_TENSOR_PROBE(tensor_load_1d, TensorLoad<1, 1, simt::TensorSwizzle::kNone>)
IMMABENCH_TENSOR_PROBE(tensor_load_2d, TensorLoad<2, 1, simt::TensorSwizzle::kNone>)
IMMABENCH_TENSOR_PROBE(tensor_load_2d_swizzle_32, TensorLoad<2, 1, simt::TensorSwizzle::k32Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_2d_swizzle_64, TensorLoad<2, 1, simt::TensorSwizzle::k64Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_2d_swizzle_128, TensorLoad<2, 1, simt::TensorSwizzle::k128Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_3d_of_2_bytes, TensorLoad<3, 2, simt::TensorSwizzle::k32Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_4d_of_4_bytes, TensorLoad<4, 4, simt::TensorSwizzle::k64Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_5d_of_8_bytes, TensorLoad<5, 8, simt::TensorSwizzle::k128Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_1d, TensorStore<1, 1, simt::TensorSwizzle::kNone>)
IMMABENCH_TENSOR_PROBE(tensor_store_2d, TensorStore<2, 1, simt::TensorSwizzle::kNone>)
IMMABENCH_TENSOR_PROBE(tensor_store_2d_swizzle_32, TensorStore<2, 1, simt::TensorSwizzle::k32Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_2d_swizzle_64, TensorStore<2, 1, simt::TensorSwizzle::k64Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_2d_swizzle_128, TensorStore<2, 1, simt::TensorSwizzle::k128Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_3d_of_2_bytes, TensorStore<3, 2, simt::TensorSwizzle::k32Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_4d_of_4_bytes, TensorStore<4, 4, simt::TensorSwizzle::k64Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_store_5d_of_8_bytes, TensorStore<5, 8, simt::TensorSwizzle::k128Bytes>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_3d, TensorLoadIm2col<3>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_4d, TensorLoadIm2col<4>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_5d, TensorLoadIm2col<5>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_3d_strided, TensorLoadIm2col<3, true>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_4d_strided, TensorLoadIm2col<4, true>)
IMMABENCH_TENSOR_PROBE(tensor_load_im2col_5d_strided, TensorLoadIm2col<5, true>)
IMMABENCH_TENSOR_PROBE(tensor_load_multicast_2d, TensorLoadMulticast<2>)
IMMABENCH_TENSOR_PROBE(tensor_load_multicast_3d, TensorLoadMulticast<3>)
#undef IMMABENCH_TENSOR_PROBE

// ---- plain copies: eight of up to a kilobyte from anywhere, over what the threads wrote
IMMABENCH_PROBE_OF(bulk_load, kWarpgroupShape, (const ProbeParameters& p, ProbeWordArray& r)) {
  set_up_mbarrier(1);
  store_words(box_area(), r);
  hand_to_async_proxy();
  if (simt::thread_index() == 0) {
    SIMT_UNROLL
    for (int i = 0; i < 8; ++i) {
      const u32 bytes = 16 * (1 + r[8 + i] % 64);
      simt::mbarrier_expect_tx(own_mbarrier(), bytes);
      simt::bulk_load(box_area() + 1024 * u32(i), p.in + i32(r[i] % 448 * 4), bytes, own_mbarrier());
    }
    simt::mbarrier_arrive(own_mbarrier());
  }
  simt::mbarrier_wait(own_mbarrier(), 0);
  load_words(r, box_area(), kBlockBytes);
}

struct bulk_store {
  static constexpr const char* kName = "bulk_store";
  static constexpr ProbeShape kShape = kWarpgroupShape;
  static constexpr bool kWritesOutput = true;
  static SIMT_DEVICE void run(const ProbeParameters& p, ProbeWordArray& r) {
    store_words(box_area(), r);
    hand_to_async_proxy();
    if (simt::thread_index() != 0) return;
    SIMT_UNROLL
    for (int i = 0; i < 8; ++i) {
      const u32 bytes = 16 * (1 + r[8 + i] % 64);
      simt::bulk_store(p.out + 256 * i, box_area() + 16 * (r[i] % 448), bytes);
      simt::bulk_commit();
      simt::bulk_wait_read<1>();
    }
    simt::bulk_wait<0>();
  }
};

using TensorProbes =
    ProbeList<tensor_load_1d, tensor_load_2d, tensor_load_2d_swizzle_32, tensor_load_2d_swizzle_64, tensor_load_2d_swizzle_128,
              tensor_load_3d_of_2_bytes, tensor_load_4d_of_4_bytes, tensor_load_5d_of_8_bytes, tensor_store_1d, tensor_store_2d,
              tensor_store_2d_swizzle_32, tensor_store_2d_swizzle_64, tensor_store_2d_swizzle_128, tensor_store_3d_of_2_bytes,
              tensor_store_4d_of_4_bytes, tensor_store_5d_of_8_bytes, tensor_load_im2col_3d, tensor_load_im2col_4d,
              tensor_load_im2col_5d, tensor_load_im2col_3d_strided, tensor_load_im2col_4d_strided,
              tensor_load_im2col_5d_strided, tensor_load_multicast_2d, tensor_load_multicast_3d, bulk_load, bulk_store>;

}  // namespace probe_kinds
}  // namespace immabench::inline SIMT_TARGET
