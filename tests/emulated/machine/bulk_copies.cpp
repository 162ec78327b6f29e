// Bulk copies: boxes of tensors against an independent definition, linear copies, stores, multicast, and every misuse.
#include <random>

#include "harness.hpp"

using namespace machine_tests;
using simt::i32;
using simt::TensorDescription;
using simt::TensorMap;
using simt::TensorSwizzle;
using simt::u16;
using simt::u64;
using simt::u8;

namespace {

constexpr u32 kBoxAt = 1024;  // within shared memory
u32 box() { return simt::shared_base() + kBoxAt; }
u32 mbarrier() { return simt::shared_base(); }
u32 thread() { return simt::thread_index(); }

template <class T>
simt::Global<T> global(T* p) {
  return {reinterpret_cast<u64>(p)};
}

void set_up() {
  if (thread() == 0) {
    simt::mbarrier_init(mbarrier(), 1);
    simt::fence_mbarrier_init();
  }
  simt::syncthreads();
}

// A dense tensor over `data`, dimension 0 contiguous, every row padded to a multiple of 16 bytes.
TensorDescription dense(const void* data, int element_bytes, std::vector<u32> extent, std::vector<u32> box_extent,
                        TensorSwizzle swizzle = TensorSwizzle::kNone) {
  TensorDescription t;
  t.base = reinterpret_cast<u64>(data);
  t.element_bytes = element_bytes;
  t.rank = int(extent.size());
  t.swizzle = swizzle;
  u64 stride = (extent[0] * u32(element_bytes) + 15) / 16 * 16;
  for (int i = 0; i < t.rank; ++i) {
    t.extent[i] = extent[std::size_t(i)];
    t.box[i] = box_extent[std::size_t(i)];
    if (i > 0) t.stride_bytes[i] = stride;
    if (i > 0) stride *= extent[std::size_t(i)];
  }
  return t;
}

alignas(128) u8 source[1 << 16];
u8 landed[1 << 15];

void fill_source() {
  std::mt19937 random(5);
  for (u8& byte : source) byte = u8(random());
}

template <int kRank>
void load_box(const TensorMap& map, const i32 (&at)[kRank]) {
  const u32 bytes = map.tensor.box_bytes();
  fill_source();
  expect_clean({.shared_bytes = kBoxAt + 32768, .memory = {input(source)}}, [&] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), bytes);
      simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
    for (u32 i = 4 * thread(); i < bytes; i += 128) {
      const u32 word = simt::load_shared<u32>(box() + i);
      std::memcpy(landed + i, &word, 4);
    }
  });
}

// Byte `byte` of the element at `coordinate`, 0 outside the tensor: the definition, element by element.
u8 element_byte(const TensorDescription& t, const std::vector<i32>& coordinate, u32 byte) {
  u64 address = t.base;
  for (int i = 0; i < t.rank; ++i) {
    const i32 at = coordinate[std::size_t(i)];
    if (at < 0 || u64(at) >= t.extent[i]) return 0;
    address += u64(at) * (i ? t.stride_bytes[i] : u64(t.element_bytes));
  }
  return reinterpret_cast<const u8*>(address)[byte];
}

// Where a byte of the box is to be found, by the tables of the PTX ISA ("Swizzling modes"): within each 128 bytes, chunks of 16
// change places by the number of the line within its pattern of 2, 4 or 8 lines.
u32 expected_place(TensorSwizzle swizzle, u32 offset) {
  const u32 line = (simt::shared_base() + kBoxAt + offset) / 128, chunk = offset / 16 % 8;
  const u32 swap = swizzle == TensorSwizzle::k128Bytes  ? line % 8
                   : swizzle == TensorSwizzle::k64Bytes ? line % 4
                   : swizzle == TensorSwizzle::k32Bytes ? line % 2
                                                        : 0;
  return offset / 128 * 128 + (chunk ^ swap) * 16 + offset % 16;
}

void check_box(const TensorDescription& t, std::vector<i32> at) {
  const u32 row = t.box[0] * u32(t.element_bytes);
  for (u32 offset = 0; offset < t.box_bytes(); ++offset) {
    std::vector<i32> coordinate = at;
    u32 rest = offset / row;
    coordinate[0] += i32(offset % row / u32(t.element_bytes));
    for (int i = 1; i < t.rank; ++i) {
      coordinate[std::size_t(i)] += i32(rest % t.box[i]);
      rest /= t.box[i];
    }
    const u8 want = element_byte(t, coordinate, offset % u32(t.element_bytes));
    CHECK_EQUAL(u32(landed[expected_place(t.swizzle, offset)]), u32(want));
  }
}

template <int kRank>
void check_load(const TensorDescription& t, const i32 (&at)[kRank]) {
  CHECK(invalid_reason(t) == nullptr);
  const TensorMap map{t};
  load_box(map, at);
  check_box(t, std::vector<i32>(at, at + kRank));
}

}  // namespace

// ---- boxes

CASE(bulk_box_of_a_vector) {
  for (const i32 first : {0, 5, -16, 990, 2000}) check_load(dense(source, 1, {1000}, {64}), {first});
}

CASE(bulk_box_of_a_matrix_in_every_swizzle) {
  for (const auto swizzle :
       {TensorSwizzle::kNone, TensorSwizzle::k32Bytes, TensorSwizzle::k64Bytes, TensorSwizzle::k128Bytes}) {
    const u32 row = swizzle == TensorSwizzle::kNone ? 96 : u32(swizzle_span(swizzle));
    for (const i32 x : {0, 3, -7, 180}) {
      for (const i32 y : {0, 11, -5, 95}) check_load(dense(source, 1, {200, 100}, {row, 24}, swizzle), {x, y});
    }
  }
}

CASE(bulk_box_of_wider_elements) {
  for (const int bytes : {2, 4, 8}) {
    check_load(dense(source, bytes, {40, 50}, {u32(128 / bytes), 16}, TensorSwizzle::k128Bytes), {8, 40});
    check_load(dense(source, bytes, {40, 50}, {u32(32 / bytes), 16}, TensorSwizzle::k32Bytes), {-1, -1});
  }
}

CASE(bulk_box_of_three_four_and_five_dimensions) {
  check_load(dense(source, 1, {48, 9, 7}, {32, 4, 3}), {16, 7, 5});
  check_load(dense(source, 1, {48, 9, 7}, {32, 4, 3}, TensorSwizzle::k32Bytes), {-3, -1, 2});
  check_load(dense(source, 2, {32, 5, 4, 6}, {16, 3, 2, 3}), {0, 3, -1, 4});
  check_load(dense(source, 1, {16, 5, 4, 3, 3}, {16, 3, 2, 2, 2}), {0, 4, 3, -1, 2});
}

CASE(bulk_load_of_plain_bytes) {
  fill_source();
  static u8 got[256];
  expect_clean({.memory = {input(source)}}, [] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      simt::bulk_load(box(), global(source + 32), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
    const auto word = simt::load_shared<u64>(box() + 8 * thread());
    std::memcpy(got + 8 * thread(), &word, 8);
  });
  CHECK(std::memcmp(got, source + 32, 256) == 0);
}

namespace {

struct Image {
  u32 width, height, images;
  i32 padding[2], upper[2], stride[2];  // W, H
};

// A convolution's patch, pixel by pixel: the output's pixels from number `first` on meet the image at the tap's offset.
void check_pixels(const Image& image, i32 first, const u16 (&tap)[2]) {
  TensorDescription t = dense(source, 1, {32, image.width, image.height, image.images}, {16, 50, 1, 1});
  t.im2col = true;
  const u32 extent[2] = {image.width, image.height};
  i32 places[2];  // of the window that the stride meets: what the output has
  for (int i = 0; i < 2; ++i) {
    t.lower[i] = -image.padding[i], t.upper[i] = image.upper[i], t.traversal_stride[i] = u32(image.stride[i]);
    places[i] = (i32(extent[i]) + image.upper[i] + image.padding[i] - 1) / image.stride[i] + 1;
  }
  const auto place = [&](i32 number, int i) {
    return (i ? number / places[0] % places[1] : number % places[0]) * image.stride[i] - image.padding[i];
  };
  CHECK(invalid_reason(t) == nullptr);
  const TensorMap map{t};
  fill_source();
  const i32 at[4] = {16, place(first, 0), place(first, 1), first / (places[0] * places[1])};
  expect_clean({.shared_bytes = kBoxAt + 32768, .memory = {input(source)}}, [&] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), t.box_bytes());
      simt::tensor_load_im2col(box(), map, at, tap, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
    for (u32 i = 4 * thread(); i < t.box_bytes(); i += 128) {
      const u32 word = simt::load_shared<u32>(box() + i);
      std::memcpy(landed + i, &word, 4);
    }
  });
  for (i32 pixel = 0; pixel < 50; ++pixel) {
    const i32 number = first + pixel, of_image = number / (places[0] * places[1]);
    for (i32 channel = 0; channel < 16; ++channel) {
      const u8 want = element_byte(t, {16 + channel, place(number, 0) + tap[0], place(number, 1) + tap[1], of_image}, 0);
      CHECK_EQUAL(u32(landed[pixel * 16 + channel]), u32(want));
    }
  }
}

}  // namespace

CASE(bulk_box_of_im2col_pixels) {
  const Image image{7, 6, 3, {1, 1}, {-1, -1}, {1, 1}};  // padding of 1, a 3x3 filter: the last place is W - 1 + 1 - 2
  check_pixels(image, 4, {2, 1});
  check_pixels(image, 7 * 6 * 3 - 20, {0, 0});  // pixels of images there are not read zeros
}

// The last place that a stride meets need not be the window's last; images that are one place alone follow each other.
CASE(bulk_box_of_im2col_pixels_with_strides) {
  for (const u16 tap : {u16{0}, u16{1}, u16{2}}) {
    check_pixels({7, 6, 9, {1, 1}, {-1, -1}, {2, 2}}, 3, {tap, 1});
    check_pixels({9, 5, 8, {1, 0}, {-1, -2}, {2, 3}}, 4, {1, tap});
    check_pixels({9, 8, 5, {3, 2}, {-3, 2}, {1, 4}}, 11, {tap, tap});
    check_pixels({4, 3, 60, {0, 0}, {0, 0}, {8, 8}}, 5, {0, 0});
  }
}

CASE(bulk_descriptions_the_driver_refuses) {
  const auto refused = [](auto&& change) {
    TensorDescription t = dense(source, 1, {256, 64}, {64, 16}, TensorSwizzle::k64Bytes);
    CHECK(invalid_reason(t) == nullptr);
    change(t);
    return invalid_reason(t) != nullptr;
  };
  CHECK(refused([](auto& t) { t.base += 8; }));
  CHECK(refused([](auto& t) { t.stride_bytes[1] = 200; }));
  CHECK(refused([](auto& t) { t.box[0] = 72; }));
  CHECK(refused([](auto& t) { t.box[0] = 128; }));
  CHECK(refused([](auto& t) { t.box[1] = 257; }));
  CHECK(refused([](auto& t) { t.box[1] = 0; }));
  CHECK(refused([](auto& t) { t.rank = 6; }));
  CHECK(refused([](auto& t) { t.element_bytes = 3; }));
  CHECK(refused([](auto& t) { t.extent[1] = 0; }));
  CHECK(refused([](auto& t) { t.im2col = true; }));
}

CASE(bulk_im2col_descriptions_the_driver_refuses) {
  const auto refused = [](auto&& change) {
    TensorDescription t = dense(source, 1, {64, 9, 8, 7}, {64, 100, 1, 1}, TensorSwizzle::k64Bytes);
    t.im2col = true;
    CHECK(invalid_reason(t) == nullptr);
    change(t);
    return invalid_reason(t) != nullptr;
  };
  CHECK(!refused([](auto& t) { t.lower[0] = -128, t.upper[1] = 127, t.traversal_stride[0] = 8, t.box[1] = 1024; }));
  CHECK(refused([](auto& t) { t.lower[0] = -129; }));
  CHECK(refused([](auto& t) { t.upper[1] = 128; }));
  CHECK(refused([](auto& t) { t.upper[1] = -8; }));
  CHECK(refused([](auto& t) { t.traversal_stride[0] = 0; }));
  CHECK(refused([](auto& t) { t.traversal_stride[1] = 9; }));
  CHECK(refused([](auto& t) { t.box[1] = 1025; }));
}

// ---- stores

CASE(bulk_store_of_a_box_is_clipped) {
  alignas(16) static u8 target[50][64];
  std::memset(target, 0, sizeof target);
  TensorDescription t = dense(target, 1, {40, 45}, {32, 16}, TensorSwizzle::k32Bytes);
  t.stride_bytes[1] = 64;
  const TensorMap map{t};
  expect_clean({.memory = {output(target)}}, [&] {
    for (u32 i = thread(); i < 128; i += 32)
      simt::store_shared<u32>(simt::swizzled(t.swizzle, box() + 4 * i), 0x01010101 * (i / 8 + 1));
    simt::fence_proxy_async();
    if (thread() == 0) {
      const i32 at[2] = {16, 33};
      simt::tensor_store(map, at, box());
      simt::bulk_commit();
      simt::bulk_wait<0>();
    }
  });
  for (u32 y = 0; y < 50; ++y) {
    for (u32 x = 0; x < 64; ++x) {
      const bool inside = y >= 33 && y < 45 && x >= 16 && x < 40;
      CHECK_EQUAL(u32(target[y][x]), inside ? y - 33 + 1 : 0u);
    }
  }
}

CASE(bulk_multicast_reaches_the_blocks_named) {
  static u32 seen[4];
  fill_source();
  expect_clean({.blocks = 4, .cluster = 4, .memory = {input(source)}}, [] {
    set_up();
    simt::cluster_arrive();
    simt::cluster_wait();
    const TensorMap map{dense(source, 1, {256, 16}, {64, 4})};
    const u32 rank = simt::cluster_rank();
    if (thread() == 0) {
      // Blocks 0 and 2 each fetch one half for the even, 1 and 3 for the odd blocks.
      simt::mbarrier_arrive_expect_tx(mbarrier(), 512);
      const i32 at[2] = {0, i32(4 * rank)};
      simt::tensor_load_multicast(box() + rank / 2 * 256, map, at, mbarrier(), u16(rank % 2 ? 0b1010 : 0b0101));
    }
    simt::mbarrier_wait(mbarrier(), 0);
    const u32 word = simt::load_shared<u32>(box() + 256);
    if (thread() == 0) seen[rank] = word;
    simt::cluster_arrive();
    simt::cluster_wait();
  });
  for (u32 rank = 0; rank < 4; ++rank) {
    u32 want;
    std::memcpy(&want, source + 256 * 4 * (2 + rank % 2), 4);
    CHECK_EQUAL(seen[rank], want);
  }
}

CASE(bulk_copies_count_their_sectors) {
  const TensorMap map{dense(source, 1, {200, 32}, {64, 8})};
  const Report report = run({.memory = {input(source)}}, [&] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 512);
      const i32 at[2] = {0, 0};
      simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
  const auto& loads = report.counts.of(simt::host::Operation::kBulkLoad);
  CHECK_EQUAL(loads.requests, u64{1});
  CHECK_EQUAL(loads.bytes, u64{512});
  CHECK_EQUAL(loads.ideal, u64{16});
  // Rows lie 208 bytes apart: every other one starts in the middle of a sector.
  CHECK_EQUAL(loads.units, u64{20});
}

// ---- misuse

namespace {

// A load of 256 bytes that `wait` waits for.
void load_256(u32 destination, u32 announced = 256) {
  if (thread() != 0) return;
  simt::mbarrier_arrive_expect_tx(mbarrier(), announced);
  simt::bulk_load(destination, global(source), 256, mbarrier());
}

}  // namespace

CASE(bulk_load_read_before_its_mbarrier) {
  expect_bug_and_clean_twin(HazardKind::kReadInFlight, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    load_256(box());
    simt::syncwarp();
    if (!buggy) simt::mbarrier_wait(mbarrier(), 0);
    MARK(line), simt::load_shared<u32>(box() + 4 * thread());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_of_more_bytes_than_come_is_a_deadlock) {
  expect_bug_and_clean_twin(HazardKind::kDeadlock, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    load_256(box(), buggy ? 272 : 256);
    MARK(line), simt::mbarrier_wait(mbarrier(), 0);
  });
}

// Whether the read or the load comes first is up to the order; either way it is found where it happens.
CASE(bulk_load_into_bytes_still_read) {
  const Setup setup{.threads = 64, .memory = {input(source)}};
  const auto kernel = [](bool buggy) {
    set_up();
    load_256(box());
    simt::mbarrier_wait(mbarrier(), 0);
    simt::load_shared<u32>(box() + 4 * simt::lane_index());
    if (!buggy) simt::syncthreads();
    if (thread() == 32) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      simt::bulk_load(box(), global(source), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 1);
  };
  expect_clean(setup, [&] { kernel(false); });
  CHECK(run(setup, [&] { kernel(true); }, Order::kForward).has(HazardKind::kRace));
  CHECK(run(setup, [&] { kernel(true); }, Order::kReverse).has(HazardKind::kReadInFlight));
}

CASE(bulk_load_over_what_a_thread_wrote_without_proxy_fence) {
  expect_bug_and_clean_twin(HazardKind::kMissingProxyFence, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    if (!buggy) simt::fence_proxy_async();
    simt::syncwarp();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      MARK(line), simt::bulk_load(box(), global(source), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_to_an_mbarrier_without_fence) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, {.memory = {input(source)}}, [](bool buggy, int& line) {
    if (thread() != 0) return;
    simt::mbarrier_init(mbarrier(), 1);
    if (!buggy) simt::fence_mbarrier_init();
    simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
    MARK(line), simt::bulk_load(box(), global(source), 256, mbarrier());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_from_outside_every_operand) {
  static u8 small[256];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, {.memory = {input(small)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      TensorDescription t = dense(small, 1, {64, buggy ? 5u : 4u}, {64, 4});
      static TensorMap map;
      map = {t};
      const i32 at[2] = {0, 1};
      MARK(line), simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_box_off_its_alignment) {
  static const TensorMap map{dense(source, 1, {64, 4}, {64, 4})};
  expect_bug_and_clean_twin(HazardKind::kMisaligned, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
      const i32 at[2] = {0, 0};
      MARK(line), simt::tensor_load(box() + (buggy ? 64 : 0), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_box_with_rows_shorter_than_its_swizzle_is_refused) {
  expect_bug_and_clean_twin(HazardKind::kLaunch, {.memory = {input(source)}}, [](bool buggy, int& line) {
    static TensorMap map;
    map = {dense(source, 1, {64, 8}, {buggy ? 32u : 64u, 3}, TensorSwizzle::k64Bytes)};
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 192);
      const i32 at[2] = {0, 0};
      MARK(line), simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_past_the_end_of_shared_memory) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() != 0) return;
    simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
    MARK(line), simt::bulk_load(simt::shared_base() + 4096 - (buggy ? 128 : 256), global(source), 256, mbarrier());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_store_without_proxy_fence) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kMissingProxyFence, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    if (!buggy) simt::fence_proxy_async();
    simt::syncwarp();
    if (thread() != 0) return;
    MARK(line), simt::bulk_store(global(target), box(), 128);
    simt::bulk_commit();
    simt::bulk_wait<0>();
  });
}

CASE(bulk_store_not_ordered_after_the_writes) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kRace, {.threads = 64, .memory = {output(target)}}, [](bool buggy, int& line) {
    if (simt::warp_index() == 0) simt::store_shared<u32>(box() + 4 * thread(), 0);
    simt::fence_proxy_async();
    simt::syncthreads();
    // Both are one source line: which comes second depends on the order.
    const bool writes = simt::warp_index() == 0;
    const auto store = [](bool one, SIMT_SITE) {
      if (one)
        simt::store_shared<u32>(box() + 4 * thread(), 1, site);
      else if (thread() == 63)
        simt::bulk_store(global(target), box(), 128, site);
    };
    if (!writes && !buggy) simt::barrier_sync(1, 64);
    MARK(line), store(writes);
    if (writes) simt::fence_proxy_async();
    if (writes && !buggy) simt::barrier_sync(1, 64);
    if (thread() != 63) return;
    simt::bulk_commit();
    simt::bulk_wait<0>();
  });
}

CASE(bulk_store_overtaken_by_the_next_write) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kWriteUnderRead, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    simt::fence_proxy_async();
    if (thread() == 0) {
      simt::bulk_store(global(target), box(), 128);
      simt::bulk_commit();
      if (!buggy) simt::bulk_wait_read<0>();
    }
    simt::syncwarp();
    MARK(line), simt::store_shared<u32>(box() + 4 * thread(), 2);
    if (thread() == 0) simt::bulk_wait<0>();
  });
}

CASE(bulk_store_that_nobody_waited_for) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kCopyAtExit, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    simt::fence_proxy_async();
    if (thread() != 0) return;
    MARK(line), simt::bulk_store(global(target), box(), 128);
    simt::bulk_commit();
    if (!buggy) simt::bulk_wait_read<0>();
  });
}

CASE(bulk_store_into_an_input) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, {.memory = {input(source), output(target)}},
                            [](bool buggy, int& line) {
                              simt::store_shared<u32>(box() + 4 * thread(), 1);
                              simt::fence_proxy_async();
                              if (thread() != 0) return;
                              MARK(line), simt::bulk_store(global(buggy ? source : target), box(), 128);
                              simt::bulk_commit();
                              simt::bulk_wait<0>();
                            });
}
