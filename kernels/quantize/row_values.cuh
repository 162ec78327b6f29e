// A row's values as its threads hold them: read once into registers, or read again for each pass. Kernels are written once, for
// both.
#pragma once
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

// In registers: `load(vector)` is called once for each vector, for all before anything else.
template <class Place>
class ResidentRow {
 public:
  static constexpr int kVector = Place::kVector;
  using Values = simt::Vector<float, kVector>;

  template <class Load>
  SIMT_DEVICE ResidentRow(const Place& place, Load&& load) : place_(place) {
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (vector(i) < place_.vectors) values_[i] = load(vector(i));
    }
  }

  // f(number among this thread's vectors, vector, values)
  template <class F>
  SIMT_DEVICE void each(F&& f) const {
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (vector(i) < place_.vectors) f(i, vector(i), values_[i]);
    }
  }

  // The row of f(vector, values); this one is used up.
  template <class F>
  SIMT_DEVICE ResidentRow& map(F&& f) {
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (vector(i) < place_.vectors) values_[i] = f(vector(i), values_[i]);
    }
    return *this;
  }

 private:
  static constexpr int kCount = Place::kElements / kVector;
  SIMT_DEVICE int vector(int i) const { return place_.thread + i * Place::kThreads; }

  const Place& place_;
  Values values_[kCount];
};

// Of any length: each pass calls `load` again.
template <class Place, class Load>
class StreamedRow {
 public:
  static constexpr int kVector = Place::kVector;
  using Values = simt::Vector<float, kVector>;

  SIMT_DEVICE StreamedRow(const Place& place, const Load& load) : place_(place), load_(load) {}

  template <class F>
  SIMT_DEVICE void each(F&& f) const {
    int number = 0;
    for (int vector = place_.thread; vector < place_.vectors; vector += Place::kThreads) f(number++, vector, load_(vector));
  }

  template <class F>
  SIMT_DEVICE auto map(const F& f) const {
    const auto mapped = [load = load_, f](int vector) { return f(vector, load(vector)); };
    return StreamedRow<Place, decltype(mapped)>(place_, mapped);
  }

 private:
  const Place& place_;
  Load load_;
};

template <bool kResident, class Place, class Load>
SIMT_DEVICE auto make_row(const Place& place, const Load& load) {
  if constexpr (kResident)
    return ResidentRow<Place>(place, load);
  else
    return StreamedRow<Place, Load>(place, load);
}

}  // namespace immabench::inline SIMT_TARGET
