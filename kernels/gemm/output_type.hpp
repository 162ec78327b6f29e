// The element types a kernel can write.
#pragma once
#include <simt/vocabulary.hpp>

namespace immabench {

enum class OutputType : int { kS32, kF32, kF16, kBF16 };

SIMT_CALLABLE constexpr int bytes_of(OutputType type) { return type == OutputType::kS32 || type == OutputType::kF32 ? 4 : 2; }

}  // namespace immabench
