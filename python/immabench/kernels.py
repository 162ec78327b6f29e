"""Tile configurations of the compiled kernels: what exists, what is legal for a problem, and where it runs.

The table itself and its validity rule live in C++ beside each kernel; this module asks the native module.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, TypeVar

from immabench.convolution import Convolution
from immabench.errors import ImmabenchError, NothingSelectedError, UsageError
from immabench.problems import Problem


@dataclass(frozen=True)
class KernelConfig:
    """One tile configuration; tiles are in elements, `shared_bytes` a block, `stages` of the K pipeline.

    `cluster` blocks (along M, N) share operands, `split_k` blocks share one output tile; `streamed` kernels deal out
    the K of all tiles evenly; `swapped`: the instruction's rows are columns of the output. `weight_layout` is
    "row_major" or "fragment_major" (immabench.packing); `group_scale` says what a group of its weights has: "none", an
    integer "step", or a "float" scale.
    """

    id: str
    family: str
    provider: str
    architectures: tuple[str, ...]
    operand_types: dict[str, str] = field(hash=False)
    output_types: tuple[str, ...]
    block_tile: tuple[int, int, int]
    warps: tuple[int, int]
    warp_tile: tuple[int, int]
    stages: int
    threads: int
    shared_bytes: int
    mma: str
    cluster: tuple[int, int] = (1, 1)
    split_k: int = 1
    swapped: bool = False
    streamed: bool = False
    weight_layout: str = "row_major"
    group_scale: str = "none"

    @property
    def by_wgmma(self) -> bool:
        """Whether it multiplies by wgmma, which reads shared memory itself, and not by mma.sync."""
        return self.mma.startswith("m64")

    @classmethod
    def from_native(cls, values: dict[str, Any]) -> KernelConfig:
        """The configuration of one entry of `_native.kernels()` or `cutlass_kernels()`; unknown keys are ignored."""
        known: dict[str, Any] = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**known)


@dataclass(frozen=True)
class CompanionConfig:
    """One launch configuration of a kernel around a GEMM: quantizers, pooling, attention, and what rearranges codes.

    `operand_types` are those each of its matrices may have, separated by |, the output last. `threads` and
    `shared_bytes` are a block's. Of kernels that reduce rows `row_threads` share a row, which is read once up to
    `resident_columns`; `streams` says whether longer ones are legal. Of kernels that pool images `window_threads` share
    a window; `block_tile` of attention is queries of a block, keys of a pass and the depth of a head. The others have
    None, None, False, None and None.
    """

    id: str
    family: str
    provider: str
    architectures: tuple[str, ...]
    operand_types: dict[str, str] = field(hash=False)
    threads: int
    shared_bytes: int
    row_threads: int | None = None
    resident_columns: int | None = None
    streams: bool = False
    window_threads: int | None = None
    block_tile: tuple[int, int, int] | None = None

    @classmethod
    def from_native(cls, values: dict[str, Any]) -> CompanionConfig:
        """The configuration of one entry of `_native.companions()`; keys this version does not know are ignored."""
        known: dict[str, Any] = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**known)

    def types(self, matrix: str) -> tuple[str, ...]:
        """The types that `matrix` may have."""
        return tuple(self.operand_types[matrix].split("|"))

    @property
    def output(self) -> str:
        """The matrix that a launch is for: the last one."""
        return list(self.operand_types)[-1]

    @property
    def output_types(self) -> tuple[str, ...]:
        """The types of the output."""
        return self.types(self.output)


CompanionShape = tuple[int, ...] | Convolution
"""What a companion takes: a matrix of (rows, columns), windows over images, or of attention (batch, heads, queries,
keys, depth)."""

LARGE_WINDOW = 16
"""Pixels of a window that keep a block of threads busy: as many as one of its warps reads at once."""

AnyConfig = KernelConfig | CompanionConfig
"""What is listed, verified and emulated."""

Config = TypeVar("Config", KernelConfig, CompanionConfig, AnyConfig)


def native() -> ModuleType:
    """The compiled module. Raises ImmabenchError with the remedy when it is missing or cannot be loaded."""
    try:
        return importlib.import_module("immabench._native")
    except ImportError as error:
        remedy = "build it with `pip install .` in the source tree; `immabench doctor` says more"
        raise ImmabenchError(f"the native module cannot be loaded ({error})", remedy) from error


@functools.cache
def kernel_configs() -> tuple[KernelConfig, ...]:
    """Every compiled configuration of the project's own kernels, in the order of their tables."""
    return tuple(KernelConfig.from_native(values) for values in native().kernels())


@functools.cache
def cutlass_configs() -> tuple[KernelConfig, ...]:
    """Every tile configuration of CUTLASS' kernels, whether this build has their code or not."""
    return tuple(KernelConfig.from_native(values) for values in native().cutlass_kernels())


@functools.cache
def companion_configs() -> tuple[CompanionConfig, ...]:
    """Every compiled configuration of the kernels around a GEMM, family by family."""
    return tuple(CompanionConfig.from_native(values) for values in native().companions())


def gemm_configs() -> tuple[KernelConfig, ...]:
    """Every tile configuration: the project's own kernels, CUTLASS', then those written in the CuTe DSL."""
    from immabench.cute_dsl_tiles import cute_dsl_configs

    return (*kernel_configs(), *cutlass_configs(), *cute_dsl_configs())


def all_configs() -> tuple[AnyConfig, ...]:
    """Every configuration: GEMMs, then the kernels around them."""
    return (*gemm_configs(), *companion_configs())


def any_config(kernel_id: str) -> AnyConfig:
    """The configuration named `kernel_id`, a GEMM or not. Raises NothingSelectedError with the nearest names."""
    return _named(kernel_id, all_configs())


def kernel_config(kernel_id: str) -> KernelConfig:
    """The GEMM named `kernel_id`, whoever's it is. Raises NothingSelectedError with the nearest names."""
    return _named(kernel_id, gemm_configs())


def _named(kernel_id: str, configs: Iterable[Config]) -> Config:
    by_id = {config.id: config for config in configs}
    if kernel_id not in by_id:
        raise NothingSelectedError.nearest("kernel", kernel_id, by_id)
    return by_id[kernel_id]


def illegal_reason(config: KernelConfig, problem: Problem) -> str | None:
    """Why `config` cannot compute `problem`, None when it can."""
    mismatch = operand_mismatch(config, problem)
    if mismatch is not None:
        return mismatch
    if config.provider == "cute_dsl":
        from immabench.cute_dsl_tiles import cute_dsl_illegal_reason

        return cute_dsl_illegal_reason(config, problem)
    reason: str | None = native().illegal_reason(
        config.id,
        problem.m,
        problem.n,
        problem.k,
        problem.output_type,
        group=kernel_group(config, problem),
        a_zero=problem.a_zero != "none",
        batch=problem.batch,
        convolution=convolution_sizes(problem),
    )
    return reason


def companion_illegal_reason(config: CompanionConfig, shape: CompanionShape) -> str | None:
    """Why a kernel around a GEMM cannot take a shape, None when it can."""
    reason: str | None
    if isinstance(shape, Convolution):
        reason = native().pooling_illegal_reason(config.id, geometry_sizes(shape))
    elif config.block_tile is not None:
        reason = native().attention_illegal_reason(config.id, *shape)
    else:
        reason = native().companion_illegal_reason(config.id, *shape)
    return reason


def choose_companion(family: str, shape: CompanionShape) -> CompanionConfig:
    """The configuration of a family to launch: of those that are legal the one of the fewest threads a row or window,
    but the one of the most for windows of `LARGE_WINDOW` pixels or more. Raises UsageError where none is legal.
    """
    configs = [config for config in companion_configs() if config.family == family]
    if isinstance(shape, Convolution) and shape.filter[0] * shape.filter[1] >= LARGE_WINDOW:
        configs.reverse()
    reason: str | None = "there is no such kernel in this build"
    for config in configs:
        reason = companion_illegal_reason(config, shape)
        if reason is None:
            return config
    size = shape if isinstance(shape, Convolution) else "x".join(map(str, shape))
    raise UsageError(f"{family} has no kernel for {size}: {reason}", "see `immabench list kernels`")


def convolves(config: KernelConfig) -> bool:
    """Whether `config` takes images."""
    return config.family.startswith("conv2d")


def copies_chunks(config: KernelConfig) -> bool:
    """Whether `config` takes none but rows of whole 16 bytes: of A beside packed weights, of both operands others'."""
    return config.weight_layout == "fragment_major" or config.provider != "handwritten"


def scales_only(config: KernelConfig) -> bool:
    """Whether the epilogue of `config` ends with scales and a bias."""
    return config.provider == "cute_dsl"


def convolution_sizes(problem: Problem) -> dict[str, int] | None:
    """The convolution of `problem` as the native module takes it."""
    return None if problem.convolution is None else geometry_sizes(problem.convolution)


def geometry_sizes(geometry: Convolution) -> dict[str, int]:
    """The sizes of a convolution, or of windows over images, by the names that the native module has for them."""
    pairs = {name: getattr(geometry, name) for name in ("filter", "stride", "padding", "dilation")}
    return {
        **{name: getattr(geometry, name) for name in ("images", "height", "width", "channels")},
        **{f"{name}_height": height for name, (height, _) in pairs.items()},
        **{f"{name}_width": width for name, (_, width) in pairs.items()},
    }


def operand_mismatch(config: KernelConfig, problem: Problem) -> str | None:
    """How the operands of `problem` differ from those of `config`. To a kernel of unsigned codes in groups signed ones
    are such codes with 8 as zero point."""
    if config.family != problem.family:
        return f"computes {config.family}, not {problem.family}"
    if config.operand_types["a"] != problem.a_type:
        return f"multiplies {config.operand_types['a']} activations, not {problem.a_type}"
    if config.operand_types["b"] == "s4" and problem.b_type == "u4":
        return "multiplies signed codes, which have no zero points"
    needed = problem.b_scale
    if needed == "none" and problem.b_type in ("s4", "u4") and problem.a_type in ("f16", "bf16"):
        needed = "float"
    elif needed == "none" and problem.b_group:
        needed = "step"
    if config.group_scale != needed:
        have, want = (_GROUP_WORDS[kind] for kind in (config.group_scale, needed))
        return f"takes {have}, not {want}"
    return None


_GROUP_WORDS = {
    "none": "weights without groups",
    "step": "groups with integer steps",
    "float": "groups with float scales",
}


def kernel_group(config: KernelConfig, problem: Problem) -> int:
    """Elements of K a group has for `config`: where the problem has no groups and the kernel has, one is all of K."""
    return problem.b_group or (problem.k if config.group_scale != "none" else 0)


def workspace_bytes(config: KernelConfig, problem: Problem, multiprocessors: int) -> int:
    """Bytes of zeros that a launch of `config` takes to add up what its blocks share; 0 where they share nothing."""
    if config.cluster != (1, 1) or config.by_wgmma or (config.split_k == 1 and not config.streamed):
        return 0
    m, n, k, batch = problem.m, problem.n, problem.k, problem.batch
    return int(native().workspace_bytes(config.id, m, n, k, multiprocessors=multiprocessors, batch=batch))


def runs_on(config: AnyConfig, architecture: str) -> bool:
    """Whether `config` is compiled for a GPU of `architecture`, for example "sm_90"."""
    # sm_90a is the feature set of sm_90: the suffix restricts forward compatibility, not the device it runs on.
    return architecture in {compiled.rstrip("a") for compiled in config.architectures}


def is_emulated(config: AnyConfig) -> bool:
    """Whether `config` runs on the emulated machine: the project's own kernels do, those of others on a GPU alone."""
    return config.provider == "handwritten"


def absent_reason(config: AnyConfig, gpu: dict[str, Any]) -> str | None:
    """Why `config` does not run on `gpu`, an entry of `cuda_devices()`; None where it does."""
    if config.provider == "cutlass" and native().build_info()["cutlass_version"] is None:
        return "this build has no CUTLASS"
    if config.architectures == ("sm_90a",) and "sm_90a" not in native().build_info()["architectures"]:
        return "this build has no sm_90a; reinstall with -C cmake.define.IMMABENCH_CUDA_ARCHS=90a"
    present = "sm_{}{}".format(*gpu["compute_capability"])
    if runs_on(config, present):
        return None
    return f"compiled for {', '.join(config.architectures)}, and this GPU is {present}"


def matches_any(name: str, globs: Sequence[str]) -> bool:
    """True when `name` matches one of the shell-style `globs`, or when there are none."""
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def match_names(kind: str, names: Iterable[str], globs: Sequence[str]) -> list[str]:
    """The names that match any glob. Raises NothingSelectedError for a glob that matches none of them."""
    known = list(names)
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in known):
            raise NothingSelectedError.nearest(kind, glob, known)
    return [name for name in known if matches_any(name, globs)]


def match_kernels(globs: Sequence[str] = ()) -> list[AnyConfig]:
    """The configurations whose id or family matches any glob, all without globs. Raises NothingSelectedError."""
    configs = all_configs()
    names = dict.fromkeys(name for config in configs for name in (config.id, config.family))
    selected = set(match_names("kernel", names, globs))
    return [config for config in configs if selected & {config.id, config.family}]
