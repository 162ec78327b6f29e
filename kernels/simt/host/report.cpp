#include <simt/host/report.hpp>

#include <algorithm>

namespace simt::host {

const char* name(HazardKind kind) {
  static constexpr const char* kNames[] = {"race",
                                           "read-in-flight",
                                           "write-in-flight",
                                           "write-under-read",
                                           "missing-proxy-fence",
                                           "uninitialised-read",
                                           "read-only-path",
                                           "shared-out-of-bounds",
                                           "global-out-of-bounds",
                                           "misaligned",
                                           "divergent-collective",
                                           "deadlock",
                                           "copy-at-exit",
                                           "barrier-mismatch",
                                           "mbarrier",
                                           "wgmma",
                                           "register-count",
                                           "peer-exited",
                                           "launch"};
  return kNames[static_cast<int>(kind)];
}

const char* name(Operation operation) {
  static constexpr const char* kNames[] = {"global_load",  "global_store", "global_atomic",     "shared_load",
                                           "shared_store", "ldmatrix",     "async_copy_global", "async_copy_shared",
                                           "bulk_load",    "bulk_store",   "wgmma_operands"};
  return kNames[static_cast<int>(operation)];
}

Counts& Counts::operator+=(const Counts& other) {
  mma += other.mma, wgmma += other.wgmma, macs += other.macs, unspecified += other.unspecified;
  barriers += other.barriers, blocks += other.blocks;
  for (int i = 0; i < kOperations; ++i) total[i] += other.total[i];
  return *this;
}

bool Report::has(HazardKind kind) const {
  return std::any_of(hazards.begin(), hazards.end(), [kind](const Hazard& hazard) { return hazard.kind == kind; });
}

}  // namespace simt::host
