# The headers of CUTLASS, as target immabench_cutlass_headers, and their IMMABENCH_CUTLASS_VERSION.
#
# Where they are: IMMABENCH_CUTLASS_DIR, a CUTLASS checkout, as an option or in the environment; else the package nvidia-cutlass
# of this Python (CudaTools.cmake asked build_backend/cuda_tools.py). What was found is kept, so that a rebuild finds it again.
if(NOT IMMABENCH_CUTLASS_DIR)
  set(IMMABENCH_CUTLASS_DIR "${_tool_CUTLASS}" CACHE PATH "A CUTLASS checkout; its include/ is used" FORCE)
endif()
if(NOT EXISTS "${IMMABENCH_CUTLASS_DIR}/include/cutlass/version.h")
  message(FATAL_ERROR
    "IMMABENCH_CUTLASS=ON, but there are no CUTLASS headers in "
    "IMMABENCH_CUTLASS_DIR ('${IMMABENCH_CUTLASS_DIR}') or in this Python.\n"
    "Install them,\n"
    "  pip install --no-deps nvidia-cutlass==4.2.0.0\n"
    "or build without CUTLASS' kernels:\n"
    "  pip install . --config-settings=cmake.define.IMMABENCH_CUTLASS=OFF\n")
endif()

file(STRINGS "${IMMABENCH_CUTLASS_DIR}/include/cutlass/version.h" _lines REGEX "^#define CUTLASS_(MAJOR|MINOR|PATCH) +[0-9]+")
list(TRANSFORM _lines REPLACE "[^0-9]" "")
list(JOIN _lines "." IMMABENCH_CUTLASS_VERSION)
message(STATUS "immabench: CUTLASS ${IMMABENCH_CUTLASS_VERSION} of ${IMMABENCH_CUTLASS_DIR}")

# System headers: their warnings are not ours.
add_library(immabench_cutlass_headers INTERFACE)
target_include_directories(immabench_cutlass_headers SYSTEM INTERFACE "${IMMABENCH_CUTLASS_DIR}/include")
target_compile_options(immabench_cutlass_headers INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>")
