// A tool as NVTX loads it (NVTX_INJECTION64_PATH): writes every push and pop of a thread, with its domain, to the file that
// NVTX_LISTENER_LOG names. It stands for a profiler, so that tests see the ranges that really are there.
#include <nvtx3/nvToolsExt.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace {

std::map<const void*, std::string> g_domains;

void write(const std::string& line) {
  if (FILE* log = std::fopen(std::getenv("NVTX_LISTENER_LOG"), "a")) {
    std::fprintf(log, "%s\n", line.c_str());
    std::fclose(log);
  }
}

nvtxDomainHandle_t NVTX_API create(const char* name) {
  auto* handle = new char;
  g_domains[handle] = name;
  return reinterpret_cast<nvtxDomainHandle_t>(handle);
}

nvtxStringHandle_t NVTX_API keep(nvtxDomainHandle_t, const char* text) {
  return reinterpret_cast<nvtxStringHandle_t>(new std::string(text));
}

std::string text_of(const nvtxEventAttributes_t& attributes) {
  if (attributes.messageType == NVTX_MESSAGE_TYPE_REGISTERED)
    return *reinterpret_cast<const std::string*>(attributes.message.registered);
  return attributes.messageType == NVTX_MESSAGE_TYPE_ASCII ? attributes.message.ascii : "?";
}

int NVTX_API push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  write("push " + g_domains[domain] + " " + text_of(*attributes));
  return 0;
}

int NVTX_API pop(nvtxDomainHandle_t domain) {
  write("pop " + g_domains[domain]);
  return 0;
}

template <class Function>
void put(NvtxFunctionTable table, int id, Function function) {
  *table[id] = reinterpret_cast<NvtxFunctionPointer>(function);
}

}  // namespace

extern "C" int NVTX_API InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_table) {
  const auto* callbacks = static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size)) return 0;
  put(table, NVTX_CBID_CORE2_DomainCreateA, &create);
  put(table, NVTX_CBID_CORE2_DomainRegisterStringA, &keep);
  put(table, NVTX_CBID_CORE2_DomainRangePushEx, &push);
  put(table, NVTX_CBID_CORE2_DomainRangePop, &pop);
  return 1;
}
