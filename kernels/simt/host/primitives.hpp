// The machine on the CPU: the primitives of ../device, by the same names, executed exactly and checked.
#pragma once
#include <simt/vocabulary.hpp>

#include <simt/host/block.hpp>

#define SIMT_DEVICE inline
#define SIMT_UNROLL
#define SIMT_ROLLED
#define SIMT_HAS_SM90A 1
#define SIMT_HAS_S4_MMA 1
#define SIMT_KERNEL(threads) inline void
#define SIMT_KERNEL_BESIDE(threads, blocks) inline void
#define SIMT_KERNEL_ALONE(threads) inline void
#define SIMT_PARAMETERS const
// Where a primitive was called from: the kernel's own line, as a default argument is evaluated by the caller.
#define SIMT_SITE ::simt::host::Site site = std::source_location::current()

#include <simt/host/arithmetic.hpp>
#include <simt/host/memory.hpp>
#include <simt/host/sync.hpp>
#include <simt/host/sm80.hpp>
#include <simt/host/sm90.hpp>
