// An NVTX range around a native launch, named by its kernel: how a profiler tells launches apart. The domain is that of
// python/immabench/profile/ranges.py. Nothing in builds without CUDA or without NVTX' headers; next to nothing where no
// profiler listens.
#pragma once
#include <string>

#ifdef IMMABENCH_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace immabench::bindings {

class NvtxRange {
 public:
#ifdef IMMABENCH_NVTX
  explicit NvtxRange(const std::string& name) {
    nvtxEventAttributes_t attributes{};
    attributes.version = NVTX_VERSION;
    attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
    attributes.message.ascii = name.c_str();
    nvtxDomainRangePushEx(domain(), &attributes);
  }
  ~NvtxRange() { nvtxDomainRangePop(domain()); }
#else
  explicit NvtxRange(const std::string&) {}
  ~NvtxRange() {}
#endif
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;

#ifdef IMMABENCH_NVTX
 private:
  static nvtxDomainHandle_t domain() {
    static const nvtxDomainHandle_t handle = nvtxDomainCreateA("immabench");
    return handle;
  }
#endif
};

}  // namespace immabench::bindings
