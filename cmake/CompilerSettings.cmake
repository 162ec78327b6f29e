# Language levels, optimisation, warnings and sanitizers, in one interface target that every library links.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # static libraries that end in a Python module
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(Threads REQUIRED)
add_library(immabench_settings INTERFACE)
target_link_libraries(immabench_settings INTERFACE Threads::Threads)
target_compile_features(immabench_settings INTERFACE cxx_std_20)

# No -march=native: one build serves every CPU; SIMD is chosen when the program runs.
# -ffp-contract=off: an epilogue that rounds after each step must not be fused into fma by the compiler.
# -Wpedantic would reject __int128 and the digit separators of nvcc's own headers, so it stays off.
set(_warnings -Wall -Wextra -Wno-unknown-pragmas)
target_compile_options(immabench_settings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;${_warnings}>"
  "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O3>")

if(IMMABENCH_SANITIZE)
  string(REPLACE ";" "," _sanitizers "${IMMABENCH_SANITIZE}")
  set(_sanitize -fsanitize=${_sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_compile_options(immabench_settings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${_sanitize};-g>")
  target_link_options(immabench_settings INTERFACE -fsanitize=${_sanitizers})
endif()

if(IMMABENCH_CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  # Static: the module imports on a machine with neither libcuda nor libcudart.
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  include(CudaArchitectures)
  # A target's own IMMABENCH_CUDA_FLAGS stand for those of all architectures.
  set(_own_flags "$<TARGET_PROPERTY:IMMABENCH_CUDA_FLAGS>")
  target_compile_options(immabench_settings INTERFACE
    "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<NOT:$<BOOL:${_own_flags}>>>:${IMMABENCH_CUDA_FLAGS}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${_own_flags}>")
  # -lineinfo: profilers and SASS listings name source lines; it changes no instruction.
  target_compile_options(immabench_settings INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:-lineinfo;--Werror=cross-execution-space-call;-Xcompiler=-Wall>")
  target_compile_definitions(immabench_settings INTERFACE IMMABENCH_CUDA=1)
endif()
