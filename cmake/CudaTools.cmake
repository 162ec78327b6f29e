# Finds nvcc, ptxas, cuobjdump and nvdisasm: a toolkit on this machine, else the packages of this Python.
# build_backend/cuda_tools.py knows where; the build backend and the tests ask the same file.
#
# Results: CMAKE_CUDA_COMPILER (unless given) and IMMABENCH_{PTXAS,CUOBJDUMP,NVDISASM}, empty where missing.
# Do not find_package(Python) here: before project() that would cache an interpreter-only result, and pybind11 then fails.
set(_python "${Python_EXECUTABLE}") # set by scikit-build-core
if(NOT _python)
  find_program(IMMABENCH_PYTHON NAMES python3 python REQUIRED)
  set(_python "${IMMABENCH_PYTHON}")
endif()

execute_process(
  COMMAND "${_python}" "${CMAKE_CURRENT_SOURCE_DIR}/build_backend/cuda_tools.py" "${CMAKE_BINARY_DIR}/cuda-tools"
  OUTPUT_VARIABLE _tools OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" _tools "${_tools}")
foreach(_line IN LISTS _tools)
  string(REGEX MATCH "^([A-Z_]+)=(.*)$" _ "${_line}")
  set(_tool_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  if(NOT _tool_NVCC)
    message(FATAL_ERROR
      "IMMABENCH_CUDA=ON, but there is no nvcc >= 12.4 on the PATH, in CUDA_HOME, in /usr/local/cuda or in this Python.\n"
      "Install a CUDA toolkit, or its compiler from packages,\n"
      "  pip install 'cuda-toolkit[nvcc,cccl]==13.0.3'\n"
      "or build for the CPU only:\n"
      "  pip install . --config-settings=cmake.define.IMMABENCH_CUDA=OFF\n")
  endif()
  set(CMAKE_CUDA_COMPILER "${_tool_NVCC}")
  set(CUDAToolkit_ROOT "${_tool_ROOT}")
  if(_tool_LIBRARY_DIR)
    # The packages have lib/ where nvcc expects lib64/; without this cudart_static is not found.
    set(CMAKE_CUDA_FLAGS_INIT "-L${_tool_LIBRARY_DIR}")
  endif()
endif()
foreach(_tool PTXAS CUOBJDUMP NVDISASM)
  set(IMMABENCH_${_tool} "${_tool_${_tool}}")
endforeach()
