"""The few functions of the CUDA driver that a launch of a cubin needs, called through ctypes.

Names, values and layouts are those of cuda.h; tests/oracles/test_cuda_driver.py compares them with the header.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from typing import Any

from immabench.errors import ImmabenchError, MissingHardwareError

CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT = 9
CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4
CU_TENSOR_MAP_DATA_TYPE_UINT8 = 0
CU_TENSOR_MAP_INTERLEAVE_NONE = 0
CU_TENSOR_MAP_SWIZZLE_128B = 3
CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3
CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0
TENSOR_MAP_BYTES, TENSOR_MAP_ALIGNMENT = 128, 128


class LaunchAttribute(Structure):
    """CUlaunchAttribute: `value` begins with the three sizes of a cluster."""

    _fields_ = (("id", c_int), ("pad", c_char * 4), ("value", c_uint32 * 16))


class LaunchConfig(Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared_bytes", c_uint),
        ("stream", c_void_p),
        ("attributes", POINTER(LaunchAttribute)),
        ("attribute_count", c_uint),
    )


class DriverError(ImmabenchError):
    """A call of the CUDA driver that failed; `status` is its CUresult."""

    def __init__(self, function: str, status: int, message: str) -> None:
        super().__init__(f"{function} failed with CUresult {status}: {message}", "see cuda.h for the status")
        self.status = status


class Driver:
    """The CUDA driver in the current context, which torch makes. Raises DriverError where a call fails."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function that returns a CUresult."""
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            message = c_char_p()
            self._library.cuGetErrorString(c_int(status), byref(message))
            raise DriverError(function, status, (message.value or b"unknown").decode())

    def load(self, cubin: bytes, shared_bytes: int) -> c_void_p:
        """The one kernel of `cubin`, allowed so much dynamic shared memory: L1 makes room. It stays loaded."""
        module, function = c_void_p(), c_void_p()
        self.call("cuModuleLoadData", byref(module), cubin)
        self.call("cuModuleEnumerateFunctions", byref(function), c_uint(1), module)
        for attribute, value in (
            (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes),
            (CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100),
        ):
            self.call("cuFuncSetAttribute", function, c_int(attribute), c_int(value))
        return function

    def tensor_map(self, address: int, rows: int, line_bytes: int, box: tuple[int, int]) -> Any:
        """The tensor map of a matrix of bytes, loaded in boxes of (rows, bytes of a line) of 128 bytes, swizzled."""
        tensor_map = aligned_bytes(TENSOR_MAP_BYTES, TENSOR_MAP_ALIGNMENT)
        self.call(
            "cuTensorMapEncodeTiled",
            tensor_map,
            c_int(CU_TENSOR_MAP_DATA_TYPE_UINT8),
            c_uint32(2),
            c_void_p(address),
            (c_uint64 * 2)(line_bytes, rows),
            (c_uint64 * 1)(line_bytes),
            (c_uint32 * 2)(box[1], box[0]),
            (c_uint32 * 2)(1, 1),
            c_int(CU_TENSOR_MAP_INTERLEAVE_NONE),
            c_int(CU_TENSOR_MAP_SWIZZLE_128B),
            c_int(CU_TENSOR_MAP_L2_PROMOTION_L2_256B),
            c_int(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
        )
        return tensor_map

    def resident_clusters(self, function: c_void_p, config: LaunchConfig) -> int:
        """How many clusters of a launch the GPU holds at once."""
        clusters = c_int()
        self.call("cuOccupancyMaxActiveClusters", byref(clusters), function, byref(config))
        return clusters.value

    def launch(self, function: c_void_p, config: LaunchConfig, parameters: Any) -> None:
        """Queue a launch on the stream of `config`; `parameters` is an array of pointers to them."""
        self.call("cuLaunchKernelEx", byref(config), function, parameters, None)


def launch_config(blocks: int, threads: int, shared_bytes: int, cluster: int) -> LaunchConfig:
    """A launch of so many blocks in clusters of `cluster` along the grid, on the default stream."""
    attribute = LaunchAttribute(id=CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
    attribute.value[:3] = (cluster, 1, 1)
    attributes = (LaunchAttribute * 1)(attribute)
    sizes = ((c_uint * 3)(blocks, 1, 1), (c_uint * 3)(threads, 1, 1))
    return LaunchConfig(*sizes, shared_bytes, None, attributes, 1)


def aligned_bytes(count: int, alignment: int) -> Any:
    """So many zero bytes at a multiple of `alignment`, as a ctypes array that keeps its memory."""
    memory = ctypes.create_string_buffer(count + alignment)
    return (c_char * count).from_buffer(memory, -ctypes.addressof(memory) % alignment)


def parameter_array(parameters: Sequence[Any]) -> Any:
    """What `launch` takes: pointers to the ctypes values, which have to be kept as long as it is."""
    return (c_void_p * len(parameters))(*map(ctypes.addressof, parameters))


@functools.cache
def load_driver() -> Driver:
    """The driver. Raises MissingHardwareError without it."""
    try:
        return Driver(ctypes.CDLL("libcuda.so.1"))
    except OSError as error:
        raise MissingHardwareError(f"no CUDA driver here: {error}", "run on a machine with an NVIDIA GPU") from error
