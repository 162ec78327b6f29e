# Files the installed package carries beside its Python: suites, the manifest of assets, recipes, metrics and presets of the profiler, SASS
# facts, the table of instruction capabilities.
set(_python_dir "${CMAKE_CURRENT_SOURCE_DIR}/python/immabench")
install(FILES models/assets.toml DESTINATION immabench/data)
install(DIRECTORY models/ DESTINATION immabench/data/models FILES_MATCHING REGEX "/recipes/[^/]+\\.toml$")
install(FILES profiles/metrics.toml DESTINATION immabench/data/profiles)
install(DIRECTORY profiles/presets DESTINATION immabench/data/profiles FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY bench/suites/ DESTINATION immabench/suites_data FILES_MATCHING PATTERN "*.toml")

if(NOT IMMABENCH_CUDA)
  message(STATUS "immabench: no SASS facts and no capability table without CUDA")
  return()
endif()
if(NOT IMMABENCH_NVDISASM OR NOT IMMABENCH_CUOBJDUMP)
  message(WARNING
    "cuobjdump or nvdisasm is missing, so the package is built without SASS facts and without the table behind "
    "`immabench caps`. Remedy: pip install nvidia-cuda-cuobjdump==13.2.86 nvidia-cuda-nvdisasm==13.2.86")
  return()
endif()
if(NOT _python)
  message(FATAL_ERROR "CudaTools.cmake must be included before PackageData.cmake")
endif()

set(_profile_dir "${_python_dir}/profile")
set(_data_dir "${CMAKE_BINARY_DIR}/data")
file(MAKE_DIRECTORY "${_data_dir}")

get_target_property(_object_targets immabench_cuda IMMABENCH_OBJECT_TARGETS)
foreach(_target IN LISTS _object_targets)
  list(APPEND _objects $<TARGET_OBJECTS:${_target}>)
endforeach()
add_custom_command(
  OUTPUT "${_data_dir}/sass_facts.json"
  COMMAND "${_python}" "${_profile_dir}/sass.py" --cuobjdump "${IMMABENCH_CUOBJDUMP}" --nvdisasm "${IMMABENCH_NVDISASM}"
          --out "${_data_dir}/sass_facts.json" ${_objects}
  DEPENDS ${_objects} "${_profile_dir}/sass.py" "${_profile_dir}/families.py" "${_profile_dir}/loops.py"
  COMMENT "Reading the machine code of the CUDA kernels" COMMAND_EXPAND_LISTS VERBATIM)
add_custom_command(
  OUTPUT "${_data_dir}/caps.json"
  COMMAND "${_python}" "${_profile_dir}/caps_build.py" --ptxas "${IMMABENCH_PTXAS}" --nvdisasm "${IMMABENCH_NVDISASM}"
          --out "${_data_dir}/caps.json"
  DEPENDS "${_profile_dir}/caps_build.py" "${_profile_dir}/probes.py" "${_profile_dir}/sass.py"
  COMMENT "Asking ptxas what each architecture can do" VERBATIM)
add_custom_target(immabench_package_data ALL DEPENDS "${_data_dir}/sass_facts.json" "${_data_dir}/caps.json")
install(FILES "${_data_dir}/sass_facts.json" "${_data_dir}/caps.json" DESTINATION immabench/data)
