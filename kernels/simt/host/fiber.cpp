#include <simt/host/fiber.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMT_ASAN 1
#endif
#endif
#if defined(SIMT_ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__) && !defined(SIMT_FIBER_UCONTEXT)
#define SIMT_FIBER_UCONTEXT 1
#endif
#if defined(SIMT_FIBER_UCONTEXT)
#include <ucontext.h>
#endif

namespace simt::host {
namespace {

// AddressSanitizer puts red zones around every local, so its frames need more room.
#if defined(SIMT_ASAN)
constexpr std::size_t kStackBytes = std::size_t{512} << 10;
#else
constexpr std::size_t kStackBytes = std::size_t{128} << 10;
#endif

// Stacks are page-aligned, so the hot end of all of them would fall into the same few cache sets; starting each a few cache
// lines further down spreads them.
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kColours = 61;

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// The platform's part, below: `bottom` and `top` bound the usable stack.
void switch_stack(FiberContext& from, FiberContext& to);
void start_on_stack(FiberContext& context, char* bottom, char* top, void (*entry)());

}  // namespace

FiberStacks::~FiberStacks() {
  for (const Stack& stack : stacks_) munmap(stack.base, page_bytes() + kStackBytes);
}

const FiberStacks::Stack& FiberStacks::stack(std::size_t index) {
  while (stacks_.size() <= index) {
    void* base =
        mmap(nullptr, page_bytes() + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    mprotect(base, page_bytes(), PROT_NONE);
    stacks_.push_back({static_cast<char*>(base)});
  }
  return stacks_[index];
}

#if defined(SIMT_ASAN)

void adopt_current_stack(FiberContext& context) {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* bottom = nullptr;
  pthread_attr_getstack(&attributes, &bottom, &context.stack_bytes);
  pthread_attr_destroy(&attributes);
  context.stack_bottom = bottom;
}

void fiber_started() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }

#else

void adopt_current_stack(FiberContext&) {}
void fiber_started() {}

#endif

void switch_fiber(FiberContext& from, FiberContext& to) {
#if defined(SIMT_ASAN)
  __sanitizer_start_switch_fiber(&from.sanitizer_state, to.stack_bottom, to.stack_bytes);
#endif
  switch_stack(from, to);
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(from.sanitizer_state, nullptr, nullptr);
#endif
}

void FiberStacks::prepare(FiberContext& context, std::size_t index, void (*entry)()) {
  char* const bottom = stack(index).base + page_bytes();
  context = {nullptr, bottom, kStackBytes, nullptr};
#if defined(SIMT_ASAN)
  // The last fiber here never returned from its frames, so their red zones are still marked.
  __asan_unpoison_memory_region(bottom, kStackBytes);
#endif
  start_on_stack(context, bottom, bottom + kStackBytes - (index % kColours) * kCacheLine, entry);
}

namespace {

#if defined(SIMT_FIBER_UCONTEXT)

void switch_stack(FiberContext& from, FiberContext& to) {
  ucontext_t self;
  from.stack_pointer = &self;
  swapcontext(&self, static_cast<ucontext_t*>(to.stack_pointer));
}

void start_on_stack(FiberContext& context, char* bottom, char* top, void (*entry)()) {
  // The first context lives at the top of the stack it starts, rounded down to its alignment.
  const auto address = (reinterpret_cast<std::uintptr_t>(top) - sizeof(ucontext_t)) / alignof(ucontext_t) * alignof(ucontext_t);
  auto* start = new (reinterpret_cast<void*>(address)) ucontext_t;
  getcontext(start);
  start->uc_stack.ss_sp = bottom;
  start->uc_stack.ss_size = address - reinterpret_cast<std::uintptr_t>(bottom);
  start->uc_link = nullptr;
  makecontext(start, entry, 0);
  context.stack_pointer = start;
}

#else

// Saves the callee-saved registers of the System V ABI on the running stack and takes up the other one.
extern "C" void simt_switch_stack(void** save, void* load);
asm(R"(
.pushsection .text
.globl simt_switch_stack
.hidden simt_switch_stack
.type simt_switch_stack,@function
simt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch_stack,.-simt_switch_stack
.popsection
)");

void switch_stack(FiberContext& from, FiberContext& to) { simt_switch_stack(&from.stack_pointer, to.stack_pointer); }

void start_on_stack(FiberContext& context, char*, char* top, void (*entry)()) {
  constexpr int kSavedRegisters = 6;
  auto* frame = reinterpret_cast<std::uintptr_t*>(top);
  *--frame = 0;  // the return address `entry` never uses; keeps the stack aligned as after a call
  *--frame = reinterpret_cast<std::uintptr_t>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--frame = 0;
  context.stack_pointer = frame;
}

#endif

}  // namespace
}  // namespace simt::host
