"""What the CUDA driver is told of a tensor: arguments against <cuda.h>, and the error where there is no driver."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle

HERE = Path(__file__).parent
MODES = "plain=1 promoted=1 zeros=1"
SWIZZLES = ("NONE", "32B", "64B", "128B")


@pytest.fixture(scope="module")
def told(kernels_dir: Path, cuda_include: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The calls that fakes of the driver's functions saw, and what became of each."""
    program = tmp_path_factory.mktemp("maps") / "tensor_maps"
    includes = [f"-I{kernels_dir}", "-isystem", str(cuda_include)]
    flags = ["-std=c++20", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["g++", *flags, *includes, HERE / "tensor_maps.cpp", "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("index", range(4))
def test_a_matrix_of_every_width_and_swizzle(told: list[str], index: int) -> None:
    call, result = told[2 * index : 2 * index + 2]
    assert call == (
        f"tiled CU_TENSOR_MAP_DATA_TYPE_UINT{8 << index} base=0x1000 extent=300,70 strides=4096 box=16,5 "
        f"element_strides=1,1 CU_TENSOR_MAP_SWIZZLE_{SWIZZLES[index]} {MODES}"
    )
    assert result == "status 0, map 1"


def test_a_tensor_of_five_dimensions(told: list[str]) -> None:
    assert told[8] == (
        "tiled CU_TENSOR_MAP_DATA_TYPE_UINT8 base=0x2000 extent=11,12,13,14,15 strides=16,32,48,64 box=16,2,3,4,5 "
        f"element_strides=1,1,1,1,1 CU_TENSOR_MAP_SWIZZLE_NONE {MODES}"
    )


def test_im2col_and_the_status_of_a_refusal(told: list[str]) -> None:
    # cuda.h writes the corners' order as D, H, W; CuTe passes W, H, D, in the order of all other arrays, and so do we.
    assert told[10:12] == [
        "im2col CU_TENSOR_MAP_DATA_TYPE_UINT8 base=0x3000 extent=64,9,8,7,6 strides=64,576,4608,32256 "
        "lower=-1,-2,-3 upper=1,2,3 channels=32 pixels=100 element_strides=1,1,1,1,1 "
        f"CU_TENSOR_MAP_SWIZZLE_32B {MODES}",
        "status 1, map 2",
    ]


def test_strides_of_im2col_are_those_of_its_pixels(told: list[str]) -> None:
    assert told[12] == (
        "im2col CU_TENSOR_MAP_DATA_TYPE_UINT8 base=0x4000 extent=64,9,8,7 strides=64,576,4608 lower=0,0 upper=0,0 "
        f"channels=64 pixels=128 element_strides=1,2,3,1 CU_TENSOR_MAP_SWIZZLE_64B {MODES}"
    )


def test_a_missing_driver_is_one_clear_line(nvcc: Path, kernels_dir: Path, tmp_path: Path) -> None:
    sources = [HERE / "tensor_maps_driver.cu", kernels_dir / "tensor_maps.cu"]
    flags = ["-std=c++20", "--Werror=all-warnings", "-arch=sm_90a"]
    subprocess.run([nvcc, *flags, f"-I{kernels_dir}", *sources, "-o", tmp_path / "maps"], check=True)
    good, bad = subprocess.run([tmp_path / "maps"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert bad == "tensor map: the tensor must start on 16 bytes"
    if good == "encoded":
        pytest.skip("this machine has a CUDA driver, which encodes")
    assert good.startswith("no cuTensorMapEncodeTiled: ")
    assert good.endswith("; tensor maps need a driver of CUDA 12.0 or later")
