// Boxes of tensors against an independent definition: every rank, swizzle and width, im2col, and what a driver refuses.
#include "bulk_copies.hpp"

using namespace machine_tests;

namespace {

u8 landed[1 << 15];

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
