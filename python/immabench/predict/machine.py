"""The figures of a GPU that the model of kernel time (`predict`) computes with, each with its source.

A machine comes from the table of data sheets (`machine_of`) or from what the driver says of a device
(`machine_of_device`); `measure/measured_machine.py` puts what a run measured over either. What no data sheet states is
published by others or assumed, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from immabench.errors import NothingSelectedError
from immabench.hardware import GPUS, Gpu, cuda_state, find_gpu

FigureKind = Literal["measured", "driver", "compiled", "data sheet", "published", "assumed"]

ASSUMED_GPU = "H200"
"""The GPU that stands for one where none is present: kernels are ranked for it under emulation."""


@dataclass(frozen=True)
class Figure:
    """One figure of a machine with its unit, and where it comes from."""

    name: str
    value: float
    unit: str
    kind: FigureKind
    source: str


@dataclass(frozen=True)
class Machine:
    """A GPU as `predict` sees it. Rates without another unit are a clock and multiprocessor; latencies are in clocks.

    `mma_sync_macs` and `wgmma_macs` are dense s8 multiply-accumulates (0: the architecture lacks the instruction),
    `l2_bytes` bytes a clock of the whole L2, `port_bytes` what one multiprocessor takes from it, `cluster_bytes` and
    `cluster_latency` those of distributed shared memory, `outputs` elements through the arithmetic of the epilogue,
    `float16_share` the rate of f16 and bf16 with fp32 sums as a share of the rate of s8.
    """

    name: str
    architecture: str
    sm_count: int
    clock_mhz: float
    mma_sync_macs: float
    wgmma_macs: float
    shared_bytes: float
    port_bytes: float
    l2_bytes: float
    dram_gbps: float
    dram_latency: float
    barrier: float
    cluster_bytes: float
    cluster_latency: float
    byte_loads: float
    outputs: float
    launch_us: float
    float16_share: float
    sources: Mapping[str, tuple[FigureKind, str]] = field(compare=False)

    @property
    def dram_bytes(self) -> float:
        """Bytes a clock of the whole DRAM."""
        return self.dram_gbps * 1e3 / self.clock_mhz

    def time_us(self, clocks: float) -> float:
        """Clocks of this machine in microseconds."""
        return clocks / self.clock_mhz

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure with its unit and source."""
        return tuple(Figure(name, getattr(self, name), UNITS[name], *self.sources[name]) for name in UNITS)

    def with_figures(self, kind: FigureKind, source: str, **values: float) -> Machine:
        """This machine with other values of some figures, which then name the new source."""
        changed = replace(self, **values)  # type: ignore[arg-type]
        return replace(changed, sources={**self.sources, **dict.fromkeys(values, (kind, source))})


_A_CLOCK_AND_SM = "a clock and SM"
UNITS = {
    "sm_count": "SMs",
    "clock_mhz": "MHz",
    "mma_sync_macs": f"s8 multiply-accumulates {_A_CLOCK_AND_SM}",
    "wgmma_macs": f"s8 multiply-accumulates {_A_CLOCK_AND_SM}",
    "shared_bytes": f"bytes {_A_CLOCK_AND_SM}",
    "port_bytes": f"bytes {_A_CLOCK_AND_SM}",
    "l2_bytes": "bytes a clock",
    "dram_gbps": "1e9 bytes/s",
    "dram_latency": "clocks",
    "barrier": "clocks",
    "cluster_bytes": f"bytes {_A_CLOCK_AND_SM}",
    "cluster_latency": "clocks",
    "byte_loads": f"bytes {_A_CLOCK_AND_SM}",
    "outputs": f"elements {_A_CLOCK_AND_SM}",
    "launch_us": "us",
    "float16_share": "of the rate of s8",
}
"""Figure -> unit, in the order they are shown."""

MMA_SYNC_SHARE = {"sm_90": 0.63}
"""What mma.sync reaches of the dense peak, where it is not all: Hopper's peak is that of wgmma."""
DRAM_SHARE = 0.887
L2_BYTES = {"sm_80": 5120.0, "sm_90": 5120.0}
L2_BYTES_PER_SM = 16.0

_LUO = "Luo et al., Benchmarking and Dissecting the Nvidia Hopper GPU Architecture, arXiv 2402.13499"
_GUIDE = "CUDA C++ Programming Guide, 32 banks of 4 bytes"
_WHITEPAPER = "NVIDIA A100 Tensor Core GPU Architecture whitepaper"
_COMMON: dict[str, tuple[float, FigureKind, str]] = {
    "shared_bytes": (128, "data sheet", _GUIDE),
    "port_bytes": (64, "assumed", "64 bytes a clock from L2 to each SM, as since Volta"),
    "dram_latency": (600, "assumed", f"some 480 to 540 clocks of one load ({_LUO}), more under load or by TMA"),
    "barrier": (30, "assumed", "a block-wide barrier and its wait"),
    "cluster_bytes": (13, "published", f"{_LUO}: 2.65 TB/s in clusters of 4 on an H800 PCIe, 114 SMs at 1755 MHz"),
    "cluster_latency": (180, "published", f"{_LUO}: SM to SM on an H800 PCIe"),
    "byte_loads": (32, "assumed", "32 lanes a clock, one byte each"),
    "outputs": (16, "assumed", "about 8 instructions an output on 128 lanes: scale, add, convert, address, move"),
    "launch_us": (3, "published", "an empty kernel, NVIDIA developer forums, thread 233645: about 3 us"),
}


def gpu_named(name: str) -> Gpu:
    """The GPU of the table called `name`, vendor's name or not. Raises NothingSelectedError with the nearest names."""
    found = find_gpu(name)
    if found is None:
        raise NothingSelectedError.nearest("GPU", name, [gpu.name for gpu in GPUS])
    return found


def machine_of(gpu: Gpu) -> Machine:
    """The machine of a data sheet."""
    hopper = gpu.architecture == "sm_90"
    sheet: tuple[FigureKind, str] = ("data sheet", gpu.source)
    macs, share = gpu.s8_per_clock / 2, MMA_SYNC_SHARE.get(gpu.architecture, 1.0)
    values: dict[str, tuple[float, FigureKind, str]] = {
        **_COMMON,
        "sm_count": (gpu.sm_count, *sheet),
        "clock_mhz": (gpu.boost_mhz, "data sheet", f"boost clock, {gpu.source}; a GPU at its power limit runs slower"),
        "mma_sync_macs": (macs * share, *_mma_sync_source(gpu, share)),
        "wgmma_macs": (
            macs if hopper else 0,
            "data sheet",
            gpu.source if hopper else f"{gpu.architecture} has no wgmma",
        ),
        "float16_share": (gpu.float16_tflops / gpu.int8_tops, *sheet),
        "l2_bytes": _l2_bytes(gpu),
        "dram_gbps": (
            gpu.memory_gbps * DRAM_SHARE,
            "assumed",
            f"{gpu.memory_gbps:g} by {gpu.source}, x {DRAM_SHARE}: 4255 of 4800 published for an H200",
        ),
    }
    numbers: dict[str, Any] = {name: value for name, (value, _, _) in values.items()}
    sources = {name: (kind, source) for name, (_, kind, source) in values.items()}
    return Machine(gpu.name, gpu.architecture, **numbers, sources=sources)


def _mma_sync_source(gpu: Gpu, share: float) -> tuple[FigureKind, str]:
    if share == 1.0:
        return "data sheet", gpu.source
    return "published", f"{share:.0%} of the peak on average, {_LUO}"


def _l2_bytes(gpu: Gpu) -> tuple[float, FigureKind, str]:
    if gpu.architecture not in L2_BYTES:
        return gpu.sm_count * L2_BYTES_PER_SM, "assumed", f"{L2_BYTES_PER_SM:g} bytes a clock for each SM"
    known = L2_BYTES[gpu.architecture]
    return (known, "data sheet", _WHITEPAPER) if gpu.architecture == "sm_80" else (known, "assumed", "as the A100's")


def machine_of_device(device: Mapping[str, Any]) -> Machine:
    """The machine of an entry of `cuda_devices()`: its data sheet with the device's own number of SMs.

    A GPU that the table lacks gets the figures of the one nearest in SMs, of the same architecture if there is one,
    with SMs and clock of the driver.
    """
    name, own = str(device["name"]), {"sm_count": int(device["sm_count"])}
    known = find_gpu(name)
    if known is not None:
        return machine_of(known).with_figures("driver", "CUDA runtime", **own)
    architecture = "sm_{}{}".format(*device["compute_capability"])
    like = [gpu for gpu in GPUS if gpu.architecture == architecture] or [gpu_named(ASSUMED_GPU)]
    nearest = machine_of(min(like, key=lambda gpu: abs(gpu.sm_count - own["sm_count"])))
    figures = {figure.name: figure.value for figure in nearest.figures}
    assumed = nearest.with_figures("assumed", f"a {nearest.name}'s: the table has no {name}", **figures)
    seen = assumed.with_figures("driver", "CUDA runtime", **own, clock_mhz=int(device["sm_clock_mhz"]))
    return replace(seen, name=name, architecture=architecture)


def present_machine() -> Machine:
    """The machine of the first GPU here; of the `ASSUMED_GPU` where there is none."""
    state = cuda_state()
    if state["status"] == 0 and state["devices"]:
        return machine_of_device(state["devices"][0])
    return machine_of(gpu_named(ASSUMED_GPU))
