# -gencode flags for IMMABENCH_CUDA_ARCHS, in IMMABENCH_CUDA_FLAGS; those of sm_90a alone, if it is one of them, in
# IMMABENCH_SM90A_FLAGS.
#
# nvcc's front end makes one PTX for each virtual architecture, ptxas machine code for each real one, and the front end takes two
# thirds of the time. Kernels use nothing that 8.6 and 8.7 have over 8.0, so these share the PTX of compute_80 and only ptxas
# runs for each; 8.9 has FP8 matrix instructions, whose rate is among the ceilings. Machine code only: no PTX that a driver would compile behind the user's back at first launch.
set(_virtuals "")
foreach(_arch IN LISTS IMMABENCH_CUDA_ARCHS)
  string(REGEX REPLACE "^8[0-8]$" "80" _virtual "${_arch}")
  list(APPEND _virtuals ${_virtual})
  list(APPEND _reals_of_${_virtual} sm_${_arch})
endforeach()
list(REMOVE_DUPLICATES _virtuals)

set(IMMABENCH_CUDA_FLAGS "")
set(IMMABENCH_SM90A_FLAGS "")
foreach(_virtual IN LISTS _virtuals)
  list(JOIN _reals_of_${_virtual} "," _reals)
  set(_flags "--generate-code=arch=compute_${_virtual},code=[${_reals}]")
  list(APPEND IMMABENCH_CUDA_FLAGS "${_flags}")
  if(_virtual STREQUAL "90a")
    set(IMMABENCH_SM90A_FLAGS "${_flags}")
  endif()
endforeach()
set(CMAKE_CUDA_ARCHITECTURES OFF) # CMake's own flags would repeat the front end for each
