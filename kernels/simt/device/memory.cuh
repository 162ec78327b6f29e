// Loads and stores of 1 to 16 bytes (shared memory: 4, 8, 16), and integer atomics.
#pragma once
#include <cstring>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// Registers that carry a value of `kBytes` through inline PTX.
template <int kBytes>
struct Words {
  u32 w[(kBytes + 3) / 4];
};

template <class T>
SIMT_DEVICE Words<sizeof(T)> to_words(const T& value) {
  Words<sizeof(T)> words{};
  memcpy(words.w, &value, sizeof(T));
  return words;
}
template <class T>
SIMT_DEVICE T from_words(const Words<sizeof(T)>& words) {
  T value;
  memcpy(&value, words.w, sizeof(T));
  return value;
}

// ---- global memory
// The same address, of which the compiler no longer knows how it was added up: it cannot take the sum apart to carry pieces of
// it, two registers each, through a loop.
template <class T>
SIMT_DEVICE Global<T> opaque(Global<T> p) {
  asm("" : "+l"(p.address));
  return p;
}

// Loads go through the read-only path: what a kernel loads this way, no thread of the same launch may write.
template <class T>
SIMT_DEVICE T load_global(Global<T> p) {
  Words<sizeof(T)> r;
  if constexpr (sizeof(T) == 1) {
    u16 byte;
    asm volatile("ld.global.nc.u8 %0, [%1];" : "=h"(byte) : "l"(p.address));
    r.w[0] = byte;
  } else if constexpr (sizeof(T) == 2) {
    u16 half;
    asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(half) : "l"(p.address));
    r.w[0] = half;
  } else if constexpr (sizeof(T) == 4) {
    asm volatile("ld.global.nc.b32 %0, [%1];" : "=r"(r.w[0]) : "l"(p.address));
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("ld.global.nc.v2.b32 {%0,%1}, [%2];" : "=r"(r.w[0]), "=r"(r.w[1]) : "l"(p.address));
  } else {
    static_assert(sizeof(T) == 16, "a load moves 1, 2, 4, 8 or 16 bytes");
    asm volatile("ld.global.nc.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3])
                 : "l"(p.address));
  }
  return from_words<T>(r);
}

// 4, 8 or 16 bytes from where all blocks see the same, which is L2: what this launch stores, once it is ordered before (see
// atomics), and what is read once and should not fill L1. A weak load would do where it is ordered; this one is as fast there.
template <class T>
SIMT_DEVICE T load_global_coherent(Global<T> p) {
  Words<sizeof(T)> r;
  if constexpr (sizeof(T) == 4) {
    asm volatile("ld.relaxed.gpu.global.b32 %0, [%1];" : "=r"(r.w[0]) : "l"(p.address) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("ld.relaxed.gpu.global.v2.b32 {%0,%1}, [%2];" : "=r"(r.w[0]), "=r"(r.w[1]) : "l"(p.address) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a coherent load moves 4, 8 or 16 bytes");
    asm volatile("ld.relaxed.gpu.global.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3])
                 : "l"(p.address)
                 : "memory");
  }
  return from_words<T>(r);
}

template <class T>
SIMT_DEVICE void store_global(Global<T> p, T value) {
  const auto r = to_words(value);
  if constexpr (sizeof(T) == 1) {
    asm volatile("st.global.u8 [%0], %1;" ::"l"(p.address), "h"(u16(r.w[0])) : "memory");
  } else if constexpr (sizeof(T) == 2) {
    asm volatile("st.global.u16 [%0], %1;" ::"l"(p.address), "h"(u16(r.w[0])) : "memory");
  } else if constexpr (sizeof(T) == 4) {
    asm volatile("st.global.b32 [%0], %1;" ::"l"(p.address), "r"(r.w[0]) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("st.global.v2.b32 [%0], {%1,%2};" ::"l"(p.address), "r"(r.w[0]), "r"(r.w[1]) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a store moves 1, 2, 4, 8 or 16 bytes");
    asm volatile("st.global.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(p.address), "r"(r.w[0]), "r"(r.w[1]), "r"(r.w[2]), "r"(r.w[3])
                 : "memory");
  }
}

// ---- shared memory: an address is a 32-bit integer, as in PTX
extern __shared__ __align__(1024) unsigned char dynamic_shared_memory[];

SIMT_DEVICE u32 shared_base() { return static_cast<u32>(__cvta_generic_to_shared(dynamic_shared_memory)); }

template <class T>
SIMT_DEVICE T load_shared(u32 address) {
  Words<sizeof(T)> r;
  if constexpr (sizeof(T) == 4) {
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(r.w[0]) : "r"(address) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("ld.shared.v2.b32 {%0,%1}, [%2];" : "=r"(r.w[0]), "=r"(r.w[1]) : "r"(address) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
    asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3])
                 : "r"(address)
                 : "memory");
  }
  return from_words<T>(r);
}

template <class T>
SIMT_DEVICE void store_shared(u32 address, T value) {
  const auto r = to_words(value);
  if constexpr (sizeof(T) == 4) {
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(r.w[0]) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("st.shared.v2.b32 [%0], {%1,%2};" ::"r"(address), "r"(r.w[0]), "r"(r.w[1]) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
    asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(r.w[0]), "r"(r.w[1]), "r"(r.w[2]), "r"(r.w[3])
                 : "memory");
  }
}

// ---- atomics, relaxed unless the name says more; they return the value before
SIMT_DEVICE i32 atomic_add_global(Global<i32> p, i32 value) {
  i32 before;
  asm volatile("atom.global.add.s32 %0, [%1], %2;" : "=r"(before) : "l"(p.address), "r"(value) : "memory");
  return before;
}
// Releases what is ordered before it, acquires what earlier ones on this counter released. Blocks hand data over by it: all
// threads store, syncthreads, one thread adds; syncthreads, and where the value says that the others have added, all threads
// load. It needs no fence: bar.sync synchronizes, and causality is transitive across scopes (PTX ISA, "Memory synchronization",
// "Causality Order"). A block must not wait for another: nothing says that both run.
SIMT_DEVICE i32 atomic_add_global_acq_rel(Global<i32> p, i32 value) {
  i32 before;
  asm volatile("atom.acq_rel.gpu.global.add.s32 %0, [%1], %2;" : "=r"(before) : "l"(p.address), "r"(value) : "memory");
  return before;
}
SIMT_DEVICE i32 atomic_add_shared(u32 address, i32 value) {
  i32 before;
  asm volatile("atom.shared.add.s32 %0, [%1], %2;" : "=r"(before) : "r"(address), "r"(value) : "memory");
  return before;
}

}  // namespace simt::inline SIMT_TARGET
