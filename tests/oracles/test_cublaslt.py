"""Our reading of cuBLASLt's interface against its own header: every value and every layout we call it with."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from immabench.providers import cublaslt_library as lt

HEADER_FOLDERS = (*os.environ.get("IMMABENCH_CUBLAS_INCLUDE", "").split(os.pathsep), "/usr/local/cuda/include")

CUDA_TYPES = {"f32": "32F", "f16": "16F", "s8": "8I", "s32": "32I", "bf16": "16BF", "e4m3": "8F_E4M3"}

VALUES = {
    **{f"CUDA_R_{CUDA_TYPES[name]}": value for name, value in lt.CUDA_R.items()},
    "CUBLAS_COMPUTE_32F": lt.CUBLAS_COMPUTE_32F,
    "CUBLAS_COMPUTE_32F_PEDANTIC": lt.CUBLAS_COMPUTE_32F_PEDANTIC,
    "CUBLAS_COMPUTE_32I": lt.CUBLAS_COMPUTE_32I,
    "CUBLAS_OP_T": lt.CUBLAS_OP_T,
    "CUBLAS_STATUS_NOT_SUPPORTED": lt.CUBLAS_STATUS_NOT_SUPPORTED,
    **{f"CUBLASLT_MATMUL_DESC_{name}": number for name, (number, _) in lt.CUBLASLT_MATMUL_DESC.items()},
    **{f"CUBLASLT_MATRIX_LAYOUT_{name}": number for name, (number, _) in lt.CUBLASLT_MATRIX_LAYOUT.items()},
    **{f"CUBLASLT_MATMUL_PREF_{name}": number for name, (number, _) in lt.CUBLASLT_MATMUL_PREF.items()},
    "CUBLASLT_EPILOGUE_BIAS": lt.CUBLASLT_EPILOGUE_BIAS,
    "CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F": lt.CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F,
    "CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F": lt.CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F,
    "CUBLASLT_ALGO_CONFIG_ID": lt.CUBLASLT_ALGO_CONFIG["id"][0],
    "CUBLASLT_ALGO_CONFIG_TILE_ID": lt.CUBLASLT_ALGO_CONFIG["tile"][0],
    "CUBLASLT_ALGO_CONFIG_SPLITK_NUM": lt.CUBLASLT_ALGO_CONFIG["splitk"][0],
    "CUBLASLT_ALGO_CONFIG_STAGES_ID": lt.CUBLASLT_ALGO_CONFIG["stages"][0],
    "CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID": lt.CUBLASLT_ALGO_CONFIG["inner"][0],
    "CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID": lt.CUBLASLT_ALGO_CONFIG["cluster"][0],
    "sizeof(cublasLtMatmulAlgo_t)": ctypes.sizeof(lt.Algo),
    "sizeof(cublasLtMatmulHeuristicResult_t)": ctypes.sizeof(lt.HeuristicResult),
    "offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize)": lt.HeuristicResult.workspace_size.offset,
    "offsetof(cublasLtMatmulHeuristicResult_t, state)": lt.HeuristicResult.state.offset,
    "offsetof(cublasLtMatmulHeuristicResult_t, wavesCount)": lt.HeuristicResult.waves_count.offset,
}

# The calls as we make them: with these types they must compile.
CALLS = """
void calls(cublasLtHandle_t h, void* p, cudaStream_t stream) {
  cublasLtMatmulDesc_t d; cublasLtMatrixLayout_t l; cublasLtMatmulPreference_t pref;
  cublasLtMatmulHeuristicResult_t results[8]; int found; size_t written;
  cublasLtCreate(&h);
  cublasLtMatmulDescCreate(&d, (cublasComputeType_t)72, (cudaDataType_t)10);
  cublasLtMatmulDescSetAttribute(d, (cublasLtMatmulDescAttributes_t)3, p, sizeof(int));
  cublasLtMatrixLayoutCreate(&l, (cudaDataType_t)3, (unsigned long)1, (unsigned long)1, (long)1);
  cublasLtMatrixLayoutSetAttribute(l, (cublasLtMatrixLayoutAttribute_t)5, p, sizeof(int));
  cublasLtMatmulPreferenceCreate(&pref);
  cublasLtMatmulPreferenceSetAttribute(pref, (cublasLtMatmulPreferenceAttributes_t)1, p, sizeof(unsigned long));
  cublasLtMatmulAlgoGetHeuristic(h, d, l, l, l, l, pref, 8, results, &found);
  cublasLtMatmul(h, d, p, p, l, p, l, p, p, l, p, l, &results[0].algo, p, (size_t)1, stream);
  cublasLtMatmulAlgoConfigGetAttribute(&results[0].algo, (cublasLtMatmulAlgoConfigAttributes_t)0, p, 4, &written);
  cublasLtMatmulPreferenceDestroy(pref);
}
"""


@pytest.fixture(scope="module")
def include() -> list[str]:
    """-I options for the header, wherever it is."""
    packages = [str(path.parents[1] / "include") for path in lt.library_paths()]
    for folder in (*HEADER_FOLDERS, *packages):
        if folder and (Path(folder) / "cublasLt.h").is_file():
            return ["-I", folder, "-I", "/usr/local/cuda/include"]
    pytest.skip("cublasLt.h is not here: pip install nvidia-cublas, or name its folder in IMMABENCH_CUBLAS_INCLUDE")


@pytest.mark.oracle
def test_values_layouts_and_calls_are_those_of_the_header(include: list[str], tmp_path: Path) -> None:
    lines = "\n".join(f'  printf("%zu\\n", (size_t)({name}));' for name in VALUES)
    source = tmp_path / "values.cpp"
    source.write_text(
        f"#include <cublasLt.h>\n#include <cstddef>\n#include <cstdio>\n{CALLS}int main() {{\n{lines}\n}}\n"
    )
    program = tmp_path / "values"
    command = ["g++", "-O1", "-ffunction-sections", "-Wl,--gc-sections", *include, source, "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(VALUES, map(int, printed), strict=True)) == VALUES


@pytest.fixture(scope="module")
def library() -> Iterator[lt.CublasLt]:
    """cuBLASLt itself, for what needs no GPU: descriptors are host memory."""
    beside = [path for folder in HEADER_FOLDERS if folder for path in Path(folder).parent.glob("lib/libcublasLt.so.*")]
    paths = [*beside, *lt.library_paths()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lt, "library_paths", lambda: paths)
        lt.load_library.cache_clear()
        if lt.load_library() is None:
            pytest.skip("libcublasLt is not here: pip install nvidia-cublas, or name its headers' folder as above")
        yield lt.CublasLt()
    lt.load_library.cache_clear()


@pytest.mark.oracle
@pytest.mark.parametrize("name", lt.CUBLASLT_MATMUL_DESC)
def test_attributes_have_the_size_the_library_wants(library: lt.CublasLt, name: str) -> None:
    operation = library.create("MatmulDesc", ctypes.c_int(lt.CUBLAS_COMPUTE_32F), ctypes.c_int(lt.CUDA_R["f32"]))
    number, kind = lt.CUBLASLT_MATMUL_DESC[name]
    library.set_attribute("MatmulDesc", operation, (number, kind), 1)
    value, written = kind(0), ctypes.c_size_t(0)
    size = ctypes.c_size_t(ctypes.sizeof(kind))
    arguments = (operation, ctypes.c_int(number), ctypes.byref(value), size, ctypes.byref(written))
    library.call("cublasLtMatmulDescGetAttribute", *arguments)
    assert (value.value, written.value) == (1, ctypes.sizeof(kind))
    with pytest.raises(lt.CublasLtError):
        library.set_attribute("MatmulDesc", operation, (number, ctypes.c_uint16), 1)
