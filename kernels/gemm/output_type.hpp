// The element types a kernel can write.
#pragma once

namespace immabench {

enum class OutputType : int { kS32, kF32, kF16, kBF16 };

constexpr int bytes_of(OutputType type) { return type == OutputType::kS32 || type == OutputType::kF32 ? 4 : 2; }

}  // namespace immabench
