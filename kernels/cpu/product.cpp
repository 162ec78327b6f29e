// Products of int8 matrices and images, from patches to outputs in one go: neither patches nor sums reach memory.
//
//   rows of A --gathered--> patches --against panels of B--> sums --finish--> rows of the output
#include <cpu/finish.hpp>
#include <cpu/patches.hpp>
#include <cpu/product.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace immabench::cpu {
namespace {

constexpr int kCacheBytes = 384 << 10;  // patches and sums of a block of rows, beside a panel, in the second cache
constexpr int kBlockMultiple = 6;       // rows of a tile: no block but the last has others
constexpr int kFewRows = 16;            // of which not every thread gets a block: they share the columns
// What is as much work as an element's way through arithmetic: bytes that are brought into order, products.
constexpr i64 kBytesAnElement = 8, kProductsAnElement = 64;

// In descending order of speed.
std::span<const ProductInstructions* const> all_instructions() {
#if defined(__x86_64__) && defined(__GNUC__)
  static constexpr const ProductInstructions* kAll[] = {&kAvx512VnniProduct, &kAvxVnniProduct, &kAvx2Product};
  return kAll;
#else
  return {};
#endif
}

// The fastest that this CPU has, within limit_instructions; null if none.
const ProductInstructions* instructions() {
  for (const ProductInstructions* one : all_instructions()) {
    if (best_instructions() >= one->least && one->present()) return one;
  }
  return nullptr;
}

// B of every product in panels. Items are vectors of columns.
struct Packing {
  const ProductInstructions& by;
  const i8* b;
  u8* panels;
  i64 n, k;

  i64 vectors() const { return (n + by.lanes - 1) / by.lanes; }

  static void range(const void* pass, i64 begin, i64 end) {
    const Packing& p = *static_cast<const Packing*>(pass);
    for (i64 item = begin; item < end; ++item) {
      const i64 product = item / p.vectors(), first = item % p.vectors() * p.by.lanes;
      p.by.pack({p.b + product * p.n * p.k, p.n, p.k, first}, p.panels + product * p.by.panel_bytes(p.n, p.k));
    }
  }
};

void pack(const Packing& packing, i64 products, int threads) {
  const i64 few = std::max<i64>(1, kBytesAnElement * kLeastElements / (packing.by.lanes * packing.k));
  deal_out(&Packing::range, &packing, products * packing.vectors(), few, threads);
}

// Items are blocks of rows, so many of each product. The rows of all products follow each other.
struct Product {
  const ProductInstructions& by;
  const ProductArguments& a;
  const u8* panels;
  i64 panel_bytes, blocks, stride;
  bool gathered;

  void operator()(i64 begin, i64 end) const {
    const i64 m = a.finish.rows, most = m / blocks + 1, n = a.finish.columns;
    const auto patches = std::make_unique_for_overwrite<i8[]>(gathered ? std::size_t(most * stride) : 0);
    const auto sums = std::make_unique_for_overwrite<i32[]>(std::size_t(most * n));
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(std::size_t(by.row_scratch(most * stride)));
    for (i64 item = begin; item < end; ++item) {
      const i64 product = item / blocks, block = item % blocks;
      const i64 first = product * m + m * block / blocks, last = product * m + m * (block + 1) / blocks;
      const i8* from = gathered ? patches.get() : at<i8>(a.a) + first * a.k;
      if (gathered) Patches{a.patches, a.patches.zero ? *at<i32>(a.patches.zero) : 0}.gather(first, last, patches.get());
      by.multiply({from, stride, last - first, panels + product * panel_bytes, n, n, sums.get(), scratch.get()});
      FinishArguments finish = a.finish;
      finish.sums = reinterpret_cast<std::uint64_t>(sums.get()) - std::uint64_t(first * n) * sizeof(i32);
      Finish<i32>{finish}(first, last);
    }
  }
};

// Few rows against columns of B as they lie. Items are columns.
struct FewRows {
  const ProductInstructions& by;
  const ProductArguments& a;
  const std::byte* rows;
  i32* sums;

  static void range(const void* pass, i64 begin, i64 end) {
    const FewRows& few = *static_cast<const FewRows*>(pass);
    const i64 m = few.a.finish.rows, n = few.a.finish.columns, k = few.a.k;
    for (i64 column = begin; column < end; ++column)
      few.by.dot({few.rows, m, k, at<i8>(few.a.b) + column * k, few.sums + column, n});
  }
};

// The same against panels, if B is in that order anyway. Items are panels.
struct FewRowsOfPanels {
  const ProductInstructions& by;
  const ProductArguments& a;
  const i8* rows;
  i64 stride;
  i32* sums;

  static void range(const void* pass, i64 begin, i64 end) {
    const FewRowsOfPanels& few = *static_cast<const FewRowsOfPanels*>(pass);
    const i64 m = few.a.finish.rows, n = few.a.finish.columns, first = begin * few.by.panel;
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(std::size_t(few.by.row_scratch(m * few.stride)));
    const u8* panels = at<u8>(few.a.panels) + first * few.stride;
    const i64 columns = std::min(n, end * few.by.panel) - first;
    few.by.multiply({few.rows, few.stride, m, panels, columns, n, few.sums + first, scratch.get()});
  }
};

void multiply_few(const ProductInstructions& by, const ProductArguments& a, int threads) {
  const i64 m = a.finish.rows, n = a.finish.columns, k = a.k, stride = rounded_up(k, kQuad);
  const i64 least = std::max<i64>(1, kProductsAnElement * kLeastElements / (m * k));  // columns
  std::vector<i32> sums(std::size_t(m * n));
  std::vector<i8> gathered(a.patches.image || stride != k ? std::size_t(m * stride) : 0);
  if (a.patches.image) {
    PatchArguments image = a.patches;
    image.row_bytes = stride;
    Patches{image, image.zero ? *at<i32>(image.zero) : 0}.gather(0, m, gathered.data());
  } else if (stride != k) {
    for (i64 i = 0; i < m; ++i) std::memcpy(gathered.data() + i * stride, at<i8>(a.a) + i * k, std::size_t(k));
  }
  const i8* from = gathered.empty() ? at<i8>(a.a) : gathered.data();
  if (a.panels) {
    const FewRowsOfPanels few{by, a, from, stride, sums.data()};
    deal_out(&FewRowsOfPanels::range, &few, (n + by.panel - 1) / by.panel, std::max<i64>(1, least / by.panel), threads);
  } else {
    std::vector<std::byte> rows(std::size_t(m * by.row_bytes(k)));
    for (i64 i = 0; i < m; ++i) by.prepare(from + i * stride, k, rows.data() + i * by.row_bytes(k));
    const FewRows few{by, a, rows.data(), sums.data()};
    deal_out(&FewRows::range, &few, n, least, threads);
  }
  FinishArguments finish = a.finish;
  finish.sums = reinterpret_cast<std::uint64_t>(sums.data());
  compute(finish, threads);
}

// Of each product, so many that patches and sums stay in the second cache, and all threads have as many.
i64 blocks_of(const FinishArguments& finish, i64 bytes_each, int threads) {
  const i64 most = std::clamp<i64>(kCacheBytes / bytes_each / kBlockMultiple * kBlockMultiple, kBlockMultiple, kMostRows);
  const i64 blocks = (finish.rows + most - 1) / most;
  return finish.batch % threads == 0 ? blocks : std::min(finish.rows, rounded_up(blocks, threads));
}

}  // namespace

std::string_view product_instructions() { return instructions() ? instructions()->name : ""; }

std::int64_t panel_bytes(std::int64_t n, std::int64_t k) { return instructions() ? instructions()->panel_bytes(n, k) : 0; }

void pack_panels(std::uint64_t b, std::uint64_t panels, std::int64_t n, std::int64_t k, int threads) {
  pack({*instructions(), at<i8>(b), writable<u8>(panels), n, k}, 1, threads);
}

void compute(const ProductArguments& given, int threads) {
  const ProductInstructions& by = *instructions();
  if (given.finish.batch == 1 && given.finish.rows < (given.panels ? kFewRows : by.few_rows))
    return multiply_few(by, given, threads);
  ProductArguments a = given;
  const bool image = a.patches.geometry.present();
  const i64 stride = rounded_up(a.k, kQuad), n = a.finish.columns, panel_bytes = by.panel_bytes(n, a.k);
  if (!image && stride != a.k) {  // rows that are no whole words are copied like patches of single pixels
    const int rows = int(a.finish.batch * a.finish.rows);
    a.patches = {.image = a.a, .geometry = {.images = 1, .height = 1, .width = rows, .channels = int(a.k)}};
  }
  a.patches.row_bytes = stride;
  const auto packed = std::make_unique_for_overwrite<u8[]>(std::size_t(a.panels ? 0 : a.finish.batch * panel_bytes));
  if (!a.panels) pack({by, at<i8>(a.b), packed.get(), n, a.k}, a.finish.batch, threads);
  const i64 blocks = blocks_of(a.finish, stride * (1 + by.scratch_bytes), threads);
  const u8* panels = a.panels ? at<u8>(a.panels) : packed.get();
  const Product product{by, a, panels, panel_bytes, blocks, stride, a.patches.image != 0};
  run(product, a.finish.batch * blocks, (a.finish.rows / blocks + 1) * n * a.k / kProductsAnElement, threads);
}

}  // namespace immabench::cpu
