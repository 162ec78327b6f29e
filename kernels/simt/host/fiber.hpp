// Stackful fibers: every CUDA thread of an emulated block is one, so that kernel code may stop anywhere and wait for its warp.
#pragma once
#include <cstddef>
#include <vector>

namespace simt::host {

// The saved state of a suspended fiber (or of the scheduler that started it). The bounds serve AddressSanitizer only.
struct FiberContext {
  void* stack_pointer = nullptr;
  const void* stack_bottom = nullptr;
  std::size_t stack_bytes = 0;
  void* sanitizer_state = nullptr;
};

// Describes the stack of the calling OS thread, so that fibers can switch back to it.
void adopt_current_stack(FiberContext& context);

// The first thing a fiber's entry function calls.
void fiber_started();

// Suspends the running context into `from` and continues `to`: a few instructions on x86-64; elsewhere ucontext, which asks the
// kernel for the signal mask each time.
void switch_fiber(FiberContext& from, FiberContext& to);

// Fiber stacks with a guard page below each, mapped once and used again for block after block.
class FiberStacks {
 public:
  FiberStacks() = default;
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;
  ~FiberStacks();

  // Makes `context` start `entry` on stack `index` when it is first switched to. `entry` must never return.
  void prepare(FiberContext& context, std::size_t index, void (*entry)());

 private:
  struct Stack {
    char* base;  // the guard page; the usable stack follows
  };
  const Stack& stack(std::size_t index);
  std::vector<Stack> stacks_;
};

}  // namespace simt::host
