# immabench_add_shards(<target> <source> SHARDS <n> [CUDA_FLAGS <flag>..] [LINK <library>..])
#
# Compiles <source> n times into <target>, each with -DIMMABENCH_SHARD=i -DIMMABENCH_SHARDS=n. A kernel's table of tile
# configurations is one file; its instances, which are slow to compile, are dealt out so that every core has work. CUDA_FLAGS name
# architectures in the place of all.
function(immabench_add_shards target source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "SHARDS" "CUDA_FLAGS;LINK")
  cmake_path(GET source STEM stem)
  math(EXPR last "${arg_SHARDS} - 1")
  foreach(shard RANGE ${last})
    set(object ${target}_${stem}_${shard})
    add_library(${object} OBJECT ${source})
    target_compile_definitions(${object} PRIVATE IMMABENCH_SHARD=${shard} IMMABENCH_SHARDS=${arg_SHARDS})
    target_include_directories(${object} PRIVATE "$<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>")
    target_link_libraries(${object} PRIVATE immabench_settings ${arg_LINK})
    set_property(TARGET ${object} PROPERTY IMMABENCH_CUDA_FLAGS ${arg_CUDA_FLAGS})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
    # Read by PackageData: the objects whose machine code is described in the package.
    set_property(TARGET ${target} APPEND PROPERTY IMMABENCH_OBJECT_TARGETS ${object})
  endforeach()
endfunction()
