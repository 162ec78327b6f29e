"""Our reading of the CUDA driver's interface against its header: every value and every layout a launch is made with."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from immabench.cute_dsl import driver

pytestmark = pytest.mark.oracle

NAMES = (
    "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES",
    "CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT",
    "CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION",
    "CU_TENSOR_MAP_DATA_TYPE_UINT8",
    "CU_TENSOR_MAP_INTERLEAVE_NONE",
    "CU_TENSOR_MAP_SWIZZLE_128B",
    "CU_TENSOR_MAP_L2_PROMOTION_L2_256B",
    "CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE",
)
VALUES = {
    **{name: getattr(driver, name) for name in NAMES},
    "sizeof(CUtensorMap)": driver.TENSOR_MAP_BYTES,
    "alignof(CUtensorMap)": driver.TENSOR_MAP_ALIGNMENT,
    "sizeof(CUlaunchAttribute)": ctypes.sizeof(driver.LaunchAttribute),
    "offsetof(CUlaunchAttribute, value.clusterDim.x)": driver.LaunchAttribute.value.offset,
    "offsetof(CUlaunchAttribute, value.clusterDim.z)": driver.LaunchAttribute.value.offset + 8,
    "sizeof(CUlaunchConfig)": ctypes.sizeof(driver.LaunchConfig),
    "offsetof(CUlaunchConfig, gridDimX)": driver.LaunchConfig.grid.offset,
    "offsetof(CUlaunchConfig, blockDimX)": driver.LaunchConfig.block.offset,
    "offsetof(CUlaunchConfig, sharedMemBytes)": driver.LaunchConfig.shared_bytes.offset,
    "offsetof(CUlaunchConfig, hStream)": driver.LaunchConfig.stream.offset,
    "offsetof(CUlaunchConfig, attrs)": driver.LaunchConfig.attributes.offset,
    "offsetof(CUlaunchConfig, numAttrs)": driver.LaunchConfig.attribute_count.offset,
}

# The calls as we make them, enumerations as the integers they are: with these types they must compile.
CALLS = """
CUresult calls(CUtensorMap* map, void* p, CUlaunchConfig* config, CUfunction f, CUmodule m, int* n, const char** text) {
  unsigned long long sizes[2], strides[1]; unsigned box[2];
  static_assert(sizeof(cuuint64_t) == 8 && sizeof(cuuint32_t) == 4);
  cuModuleLoadData(&m, p);
  cuModuleEnumerateFunctions(&f, 1u, m);
  cuFuncSetAttribute(f, (CUfunction_attribute)8, 1);
  cuOccupancyMaxActiveClusters(n, f, config);
  cuGetErrorString((CUresult)1, text);
  cuTensorMapEncodeTiled(map, (CUtensorMapDataType)0, 2u, p, (cuuint64_t*)sizes, (cuuint64_t*)strides, box, box,
                         (CUtensorMapInterleave)0, (CUtensorMapSwizzle)3, (CUtensorMapL2promotion)3,
                         (CUtensorMapFloatOOBfill)0);
  return cuLaunchKernelEx(config, f, (void**)p, nullptr);
}
"""


def test_values_layouts_and_calls_are_those_of_the_header(cuda_include: Path, tmp_path: Path) -> None:
    lines = "\n".join(f'  printf("%zu\\n", (size_t)({name}));' for name in VALUES)
    source, program = tmp_path / "values.cpp", tmp_path / "values"
    source.write_text(f"#include <cuda.h>\n#include <cstddef>\n#include <cstdio>\n{CALLS}int main() {{\n{lines}\n}}\n")
    command = ["g++", "-O1", "-ffunction-sections", "-Wl,--gc-sections", f"-I{cuda_include}", source, "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(VALUES, map(int, printed), strict=True)) == VALUES
