// Loads, stores and atomics, emulated: judged first, carried out only where allowed, counted. See device/memory.cuh.
#pragma once
#include <atomic>
#include <cstring>

#include <simt/host/block.hpp>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {
namespace detail {

// What a forbidden load returns: a value that shows up in results instead of looking like data.
template <class T>
T poison() {
  T value;
  std::memset(&value, host::SharedMemory::kPoison, sizeof value);
  return value;
}

}  // namespace detail

template <class T>
Global<T> opaque(Global<T> p) {
  return p;
}

template <class T>
T load_global(Global<T> p, SIMT_SITE) {
  constexpr u32 kBytes = sizeof(T);
  static_assert(kBytes == 1 || kBytes == 2 || kBytes == 4 || kBytes == 8 || kBytes == 16,
                "a load moves 1, 2, 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  if (!block.access_global(host::Operation::kGlobalLoad, p.address, kBytes, kBytes, site)) return detail::poison<T>();
  block.record(host::Operation::kGlobalLoad, p.address, kBytes, site);
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(p.address), kBytes);
  return value;
}

template <class T>
T load_global_coherent(Global<T> p, SIMT_SITE) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "a coherent load moves 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  if (!block.load_global_coherent(p.address, sizeof(T), site)) return detail::poison<T>();
  block.record(host::Operation::kGlobalLoad, p.address, sizeof(T), site);
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(p.address), sizeof(T));
  return value;
}

template <class T>
void store_global(Global<T> p, T value, SIMT_SITE) {
  constexpr u32 kBytes = sizeof(T);
  static_assert(kBytes == 1 || kBytes == 2 || kBytes == 4 || kBytes == 8 || kBytes == 16,
                "a store moves 1, 2, 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  if (!block.access_global(host::Operation::kGlobalStore, p.address, kBytes, kBytes, site)) return;
  block.record(host::Operation::kGlobalStore, p.address, kBytes, site);
  std::memcpy(reinterpret_cast<void*>(p.address), &value, kBytes);
}

inline u32 shared_base() { return host::SharedMemory::kBase; }

template <class T>
T load_shared(u32 address, SIMT_SITE) {
  constexpr u32 kBytes = sizeof(T);
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "a shared access moves 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  if (!block.access_shared(host::Operation::kSharedLoad, address, kBytes, block.thread(), site)) return detail::poison<T>();
  block.record(host::Operation::kSharedLoad, address, kBytes, site);
  T value;
  std::memcpy(&value, block.shared().at(address), kBytes);
  return value;
}

template <class T>
void store_shared(u32 address, T value, SIMT_SITE) {
  constexpr u32 kBytes = sizeof(T);
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "a shared access moves 4, 8 or 16 bytes");
  host::Block& block = *host::current_block;
  if (!block.access_shared(host::Operation::kSharedStore, address, kBytes, block.thread(), site)) return;
  block.record(host::Operation::kSharedStore, address, kBytes, site);
  std::memcpy(block.shared().at(address), &value, kBytes);
}

namespace detail {

inline i32 add_global(Global<i32> p, i32 value, bool synchronises, const host::Site& site) {
  host::Block& block = *host::current_block;
  if (!block.update_global(p.address, sizeof(i32), synchronises, site)) return poison<i32>();
  block.record(host::Operation::kGlobalAtomic, p.address, sizeof(i32), site);
  return std::atomic_ref<i32>(*reinterpret_cast<i32*>(p.address)).fetch_add(value, std::memory_order_relaxed);
}

}  // namespace detail

inline i32 atomic_add_global(Global<i32> p, i32 value, SIMT_SITE) { return detail::add_global(p, value, false, site); }
inline i32 atomic_add_global_acq_rel(Global<i32> p, i32 value, SIMT_SITE) { return detail::add_global(p, value, true, site); }

inline i32 atomic_add_shared(u32 address, i32 value, SIMT_SITE) {
  host::Block& block = *host::current_block;
  if (!block.update_shared(address, sizeof(i32), site)) return detail::poison<i32>();
  i32 before;
  std::memcpy(&before, block.shared().at(address), sizeof before);
  const i32 after = i32(u32(before) + u32(value));
  std::memcpy(block.shared().at(address), &after, sizeof after);
  return before;
}

}  // namespace simt::inline SIMT_TARGET
