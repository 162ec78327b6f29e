"""A launch of one kernel: its grid, its tensor maps, its parameters in the order in which the kernel has them."""

from __future__ import annotations

import functools
from ctypes import c_int32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

from immabench.cute_dsl.driver import Driver, LaunchConfig, launch_config, parameter_array
from immabench.cute_dsl.objects import Specialization, cubin_of
from immabench.kernels import KernelConfig
from immabench.problems import Problem


@dataclass(frozen=True)
class Vector:
    """Numbers of fp32 on the device, `step` elements apart: 0 where one stands for all."""

    address: int
    step: int


@dataclass(frozen=True)
class Addresses:
    """Where the operands of a product are on the device."""

    a: int
    b: int
    out: int
    row_scale: Vector
    col_scale: Vector
    bias: Vector


class PreparedLaunch:
    """One kernel with its operands, to be launched again and again."""

    def __init__(self, driver: Driver, config: KernelConfig, problem: Problem, addresses: Addresses) -> None:
        self._driver = driver
        self._function = load_function(driver, config, problem.output_type)
        self._config = launch_shape(config, config.cluster[0])
        clusters = min(tile_clusters(config, problem), driver.resident_clusters(self._function, self._config))
        self._config.grid[0] = clusters * config.cluster[0]
        self._values = kernel_parameters(driver, config, problem, addresses)
        self._parameters = parameter_array(self._values)

    def launch(self, stream: int) -> None:
        """Queue it on a stream."""
        self._config.stream = stream
        self._driver.launch(self._function, self._config, self._parameters)


@functools.cache
def load_function(driver: Driver, config: KernelConfig, output_type: str) -> c_void_p:
    """The kernel in the current context: loaded once a process."""
    return driver.load(cubin_of(Specialization(config.id, output_type)), config.shared_bytes)


def launch_shape(config: KernelConfig, blocks: int) -> LaunchConfig:
    """A launch of so many blocks."""
    return launch_config(blocks, config.threads, config.shared_bytes, config.cluster[0])


def tile_clusters(config: KernelConfig, problem: Problem) -> int:
    """Clusters that compute every tile of the output once."""
    rows, columns = config.block_tile[0] * config.cluster[0], config.block_tile[1]
    return -(-problem.m // rows) * -(-problem.n // columns)


def kernel_parameters(driver: Driver, config: KernelConfig, problem: Problem, addresses: Addresses) -> list[Any]:
    """What `HopperGemm.kernel` takes. Each block of a cluster loads its part of B's tile."""
    m, n, k = problem.m, problem.n, problem.k
    tile_m, tile_n, tile_k = config.block_tile
    vectors = (addresses.row_scale, addresses.col_scale, addresses.bias)
    pointers = (addresses.out, *(vector.address for vector in vectors))
    integers = (*(vector.step for vector in vectors), m, n, k)
    return [
        driver.tensor_map(addresses.a, m, k, (tile_m, tile_k)),
        (c_int32 * 2)(m, k),
        driver.tensor_map(addresses.b, n, k, (tile_n // config.cluster[0], tile_k)),
        (c_int32 * 2)(n, k),
        *map(c_uint64, pointers),
        *map(c_int32, integers),
    ]
