// Which instructions this CPU has and this system lets a program use. Sources: Intel SDM vol. 2 (CPUID) and vol. 1 ch. 13
// (XCR0), Linux Documentation/arch/x86/xstate.rst (permission for AMX).
#pragma once
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace immabench::cpu {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

inline Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);  // zeros where the leaf does not exist
  return r;
}

constexpr bool bit(unsigned word, int index) { return word >> index & 1; }

// Whether the system saves the register state of these XCR0 bits when it switches tasks.
inline bool system_saves(unsigned states) {
  if (!bit(cpuid(1, 0).c, 27)) return false;  // OSXSAVE
  unsigned low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & states) == states;
}

constexpr unsigned kAvxState = 0x6, kAvx512State = 0xE6, kAmxState = 0x60000;

inline bool has_avx2() { return system_saves(kAvxState) && bit(cpuid(7, 0).b, 5); }
inline bool has_fma() { return has_avx2() && bit(cpuid(1, 0).c, 12); }
inline bool has_avx_vnni() { return system_saves(kAvxState) && bit(cpuid(7, 1).a, 4); }
inline bool has_avx512f() { return system_saves(kAvx512State) && bit(cpuid(7, 0).b, 16); }
inline bool has_avx512_vnni() { return has_avx512f() && bit(cpuid(7, 0).c, 11); }
inline bool has_avx512_bf16() { return has_avx512f() && bit(cpuid(7, 1).a, 5); }

// Tiles are 8 KiB of state more a thread, which Linux grants a process that asks.
inline bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kArchPrctl = 158, kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted =
      bit(cpuid(7, 0).d, 24) && system_saves(kAmxState) && syscall(kArchPrctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}
inline bool has_amx_int8() { return may_use_tiles() && bit(cpuid(7, 0).d, 25); }
inline bool has_amx_bf16() { return may_use_tiles() && bit(cpuid(7, 0).d, 22); }

}  // namespace immabench::cpu
#endif
