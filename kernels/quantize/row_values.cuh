// A row's values as its threads hold them: read once into registers, or read again for each pass. Kernels are written once, for
// both.
#pragma once
#include <type_traits>

#include <quantize/row_config.hpp>
#include <quantize/elements.cuh>

namespace immabench::inline SIMT_TARGET {

// Which row a thread works on and as which of the row's threads. A row is cut into vectors of kVector elements, the last of
// which may be partial; thread t takes vectors t, t + threads, ... A block of short rows may end past the matrix: such a row
// has no vectors, and its threads take part in collectives alone.
template <class Config, int kElementsOfVector, bool kAligned>
struct RowPlace {
  static constexpr int kVector = kElementsOfVector;
  static constexpr int kThreads = Config::config.threads, kElements = Config::config.elements;
  int row, columns, thread, vectors;

  SIMT_DEVICE RowPlace(int rows, int columns_) : columns(columns_) {
    thread = int(simt::thread_index()) % kThreads;
    row = int(simt::block_index_x()) * Config::config.block_rows() + int(simt::thread_index()) / kThreads;
    vectors = row < rows ? (columns - 1) / kVector + 1 : 0;
  }
  SIMT_DEVICE bool leads() const { return vectors && thread == 0; }
  SIMT_DEVICE simt::i64 index(int vector) const { return simt::i64(row) * columns + vector * kVector; }
  // Elements of a vector that exist.
  SIMT_DEVICE int count(int vector) const { return kAligned ? kVector : columns - vector * kVector; }
  SIMT_DEVICE bool has(int vector, int i) const { return kAligned || i < count(vector); }
};

// In registers. `fetch(vector)` loads what a vector is made of, for all vectors before `make(fetched)` makes values of the
// first, so that all loads are in flight together.
template <class Place, class RowValues>
class ResidentRow {
 public:
  static constexpr int kVector = Place::kVector;
  using Values = RowValues;  // of a vector

  template <class Fetch, class Make>
  SIMT_DEVICE ResidentRow(const Place& place, Fetch&& fetch, Make&& make) : place_(place) {
    fill(fetch, [&](int, const Values&, const auto& fetched) { return make(fetched); });
  }

  // f(number among this thread's vectors, vector, values)
  template <class F>
  SIMT_DEVICE void each(F&& f) const {
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (vector(i) < place_.vectors) f(i, vector(i), values_[i]);
    }
  }

  // The row of f(vector, values, fetch(vector)); this one is used up.
  template <class Fetch, class F>
  SIMT_DEVICE ResidentRow& map(Fetch&& fetch, F&& f) {
    fill(fetch, f);
    return *this;
  }

 private:
  static constexpr int kCount = Place::kElements / kVector;
  SIMT_DEVICE int vector(int i) const { return place_.thread + i * Place::kThreads; }

  // values = f(vector, values, fetch(vector)), where 128 bytes are fetched before f is called for the first of them.
  template <class Fetch, class F>
  SIMT_DEVICE void fill(Fetch&& fetch, F&& f) {
    constexpr int kAhead = 128 / int(sizeof(fetch(0)));
    SIMT_UNROLL
    for (int first = 0; first < kCount; first += kAhead) {
      decltype(fetch(0)) fetched[kAhead] = {};
      SIMT_UNROLL
      for (int i = 0; i < kAhead && first + i < kCount; ++i) {
        if (vector(first + i) < place_.vectors) fetched[i] = fetch(vector(first + i));
      }
      SIMT_UNROLL
      for (int i = 0; i < kAhead && first + i < kCount; ++i) {
        if (vector(first + i) < place_.vectors) values_[first + i] = f(vector(first + i), values_[first + i], fetched[i]);
      }
    }
  }

  const Place place_;
  Values values_[kCount] = {};
};

// Of any length: each pass calls `load(vector)` again.
template <class Place, class Load>
class StreamedRow {
 public:
  static constexpr int kVector = Place::kVector;

  SIMT_DEVICE StreamedRow(const Place& place, const Load& load) : place_(place), load_(load) {}

  template <class F>
  SIMT_DEVICE void each(F&& f) const {
    int number = 0;
    for (int vector = place_.thread; vector < place_.vectors; vector += Place::kThreads) f(number++, vector, load_(vector));
  }

  template <class Fetch, class F>
  SIMT_DEVICE auto map(const Fetch& fetch, const F& f) const {
    const auto mapped = [load = load_, fetch, f](int vector) { return f(vector, load(vector), fetch(vector)); };
    return StreamedRow<Place, std::remove_const_t<decltype(mapped)>>(place_, mapped);
  }

 private:
  const Place place_;
  const Load load_;
};

template <bool kResident, class Place, class Fetch, class Make>
SIMT_DEVICE auto make_row(const Place& place, const Fetch& fetch, const Make& make) {
  if constexpr (kResident) {
    return ResidentRow<Place, decltype(make(fetch(0)))>(place, fetch, make);
  } else {
    const auto load = [fetch, make](int vector) { return make(fetch(vector)); };
    return StreamedRow<Place, std::remove_const_t<decltype(load)>>(place, load);
  }
}

}  // namespace immabench::inline SIMT_TARGET
