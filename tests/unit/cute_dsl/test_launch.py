"""What a launch tells the CUDA driver, heard by a driver that computes nothing."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from immabench.cute_dsl import launch
from immabench.cute_dsl.driver import Driver, DriverError, LaunchConfig
from immabench.cute_dsl.launch import Addresses, PreparedLaunch, Vector
from immabench.cute_dsl_tiles import cute_dsl_configs
from immabench.problems import Problem

PLAIN, SHARED = (cute_dsl_configs()[number] for number in (1, 4))
ADDRESSES = Addresses(0x1000, 0x2000, 0x3000, Vector(0x4000, 1), Vector(0x5000, 0), Vector(0x6000, 1))


class FakeCuda:
    """Stands for libcuda: remembers tensor maps and launches as ctypes makes them. `status` by function name."""

    def __init__(self) -> None:
        self.status: dict[str, int] = {}
        self.attributes: list[tuple[int, int]] = []
        self.maps: list[dict[str, Any]] = []
        self.launches: list[dict[str, Any]] = []
        self.clusters = 66

    def __getattr__(self, function: str) -> Any:
        def call(*arguments: Any) -> int:
            getattr(type(self), f"on_{function}", lambda *_: None)(self, *arguments)
            return self.status.get(function, 0)

        return call

    def on_cuModuleEnumerateFunctions(self, functions: Any, count: Any, module: Any) -> None:  # noqa: N802
        assert count.value == 1
        functions._obj.value = 0x77

    def on_cuFuncSetAttribute(self, function: Any, attribute: Any, value: Any) -> None:  # noqa: N802
        self.attributes.append((attribute.value, value.value))

    def on_cuOccupancyMaxActiveClusters(self, clusters: Any, function: Any, config: Any) -> None:  # noqa: N802
        clusters._obj.value = self.clusters

    def on_cuTensorMapEncodeTiled(self, tensor_map: Any, *arguments: Any) -> None:  # noqa: N802
        kind, rank, base, sizes, strides, box, steps, interleave, swizzle, promotion, fill = arguments
        assert ctypes.addressof(tensor_map) % 128 == 0
        tensor_map[0] = bytes([len(self.maps) + 1])
        self.maps.append(
            {
                "kind": (kind.value, rank.value),
                "base": base.value,
                "sizes": list(sizes),
                "strides": list(strides),
                "box": list(box),
                "steps": list(steps),
                "modes": (interleave.value, swizzle.value, promotion.value, fill.value),
            }
        )

    def on_cuLaunchKernelEx(self, config: Any, function: Any, parameters: Any, extra: Any) -> None:  # noqa: N802
        given = config._obj
        assert (given.attribute_count, given.attributes[0].id, extra) == (1, 4, None)
        self.launches.append(
            {
                "grid": tuple(given.grid),
                "block": tuple(given.block),
                "cluster": tuple(given.attributes[0].value[:3]),
                "shared": given.shared_bytes,
                "stream": given.stream,
                "function": function.value,
                "parameters": list(parameters),
            }
        )


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    monkeypatch.setattr(launch, "cubin_of", lambda one: f"{one.config_id} {one.output_type}".encode())
    return FakeCuda()


def value_at(address: int, kind: type[Any]) -> Any:
    return kind.from_address(address)


def test_a_launch_is_what_the_kernel_takes(cuda: FakeCuda) -> None:
    problem = Problem(1000, 777, 4112, output_type="f16", row_scale="vector", col_scale="tensor", bias=True)
    prepared = PreparedLaunch(Driver(cuda), PLAIN, problem, ADDRESSES)
    prepared.launch(stream=0x99)
    (one,) = cuda.launches
    assert (one["grid"], one["block"], one["cluster"]) == ((56, 1, 1), (384, 1, 1), (1, 1, 1))
    assert (one["shared"], one["stream"], one["function"]) == (PLAIN.shared_bytes, 0x99, 0x77)
    places = one["parameters"]
    assert [value_at(place, ctypes.c_char).value for place in (places[0], places[2])] == [b"\1", b"\2"]
    assert [list(value_at(place, ctypes.c_int32 * 2)) for place in (places[1], places[3])] == [
        [1000, 4112],
        [777, 4112],
    ]
    assert [value_at(place, ctypes.c_uint64).value for place in places[4:8]] == [0x3000, 0x4000, 0x5000, 0x6000]
    assert [value_at(place, ctypes.c_int32).value for place in places[8:]] == [1, 0, 1, 1000, 777, 4112]


def test_tensor_maps_are_of_lines_in_swizzled_boxes(cuda: FakeCuda) -> None:
    PreparedLaunch(Driver(cuda), PLAIN, Problem(1000, 777, 4112), ADDRESSES)
    a, b = cuda.maps
    assert (a["kind"], a["modes"], a["steps"]) == ((0, 2), (0, 3, 3, 0), [1, 1])
    assert (a["base"], a["sizes"], a["strides"], a["box"]) == (0x1000, [4112, 1000], [4112], [128, 128])
    assert (b["base"], b["sizes"], b["strides"], b["box"]) == (0x2000, [4112, 777], [4112], [128, 128])


def test_blocks_of_a_cluster_load_parts_of_b(cuda: FakeCuda) -> None:
    PreparedLaunch(Driver(cuda), SHARED, Problem(1000, 777, 4112), ADDRESSES).launch(0)
    assert [one["box"] for one in cuda.maps] == [[128, 128], [128, 128]]  # of 256 columns each has half
    (one,) = cuda.launches
    assert (one["cluster"], one["grid"]) == ((2, 1, 1), (4 * 4 * 2, 1, 1))


@pytest.mark.parametrize(("resident", "blocks"), [(66, 132), (3, 6)])
def test_no_more_blocks_start_than_the_gpu_holds(cuda: FakeCuda, resident: int, blocks: int) -> None:
    cuda.clusters = resident
    PreparedLaunch(Driver(cuda), SHARED, Problem(8192, 8192, 64), ADDRESSES).launch(0)
    assert cuda.launches[0]["grid"] == (blocks, 1, 1)


def test_the_kernel_may_use_its_shared_memory(cuda: FakeCuda) -> None:
    PreparedLaunch(Driver(cuda), PLAIN, Problem(64, 64, 64), ADDRESSES)
    assert cuda.attributes == [(8, PLAIN.shared_bytes), (9, 100)]


def test_a_refusal_is_one_line(cuda: FakeCuda) -> None:
    cuda.status["cuTensorMapEncodeTiled"] = 1
    with pytest.raises(DriverError, match="cuTensorMapEncodeTiled failed with CUresult 1: unknown"):
        PreparedLaunch(Driver(cuda), PLAIN, Problem(64, 64, 64), ADDRESSES)


def test_layouts_are_those_of_the_driver() -> None:
    assert ctypes.sizeof(LaunchConfig) == 56
    assert LaunchConfig.stream.offset == 32
