"""The plan of a sweep: which case runs on which provider, configuration and device, and what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.hardware import device_of, present_kinds
from immabench.kernels import KernelConfig, convolves, match_names, matches_any
from immabench.measure.case import Job
from immabench.problems import Problem, Shape, conv_problem
from immabench.providers.base import Availability, Candidate, Provider
from immabench.providers.registry import BrokenProvider, provider_names, select_providers
from immabench.shapes import CONVOLUTION_FORM, GEMM_FORM, form_of, parse_convolution_shape
from immabench.suites import Case, load_suite, parse_options, parse_shape, parse_shapes

ORACLE_PROVIDER = "reference"
"""Left out unless asked for: timing the oracle tells nothing about the machine."""

SHAPES_SUITE = "shapes"
"""The suite that rows of `--shape` name."""


@dataclass(frozen=True)
class Selection:
    """What a person asked a sweep for; `run.json` keeps it, so that `--resume` needs no repetition."""

    suites: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    output_type: str = "f16"
    """Of `shapes`; a suite states its own."""
    options: tuple[str, ...] = ()
    """Further fields of the problems of `shapes`, as `suites.parse_options` reads them."""
    emulate_budget_gmac: float = 0.5
    """Emulated cases of more multiply-accumulates (1e9) become skipped rows."""
    top: int = 2
    """How many of a ranked provider's configurations are tried a case, unless `kernels` names them."""
    steps: tuple[str, ...] = ()
    """Of `base.Step`: those alone; all where none is named."""
    seed: int = 0
    timer: str = "auto"
    """Of GPUs, one of `timers.GPU_TIMERS`: a run that is continued is timed as it began."""

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON takes it; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Selection:
        """The selection of `as_dict()`."""
        known: dict[str, Any] = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**known)


@dataclass(frozen=True)
class Planned:
    """A job, and why it will be skipped: empty when it will run."""

    job: Job
    skip: str = ""


@dataclass(frozen=True)
class NamedCase:
    """A case with the suite it belongs to."""

    suite: str
    case: Case


def make_plan(selection: Selection) -> list[Planned]:
    """Every row a sweep of `selection` will write, in order.

    Raises NothingSelectedError where a filter matches nothing, UsageError for bad suites, shapes and devices, and
    MissingHardwareError where a device is asked for that is not there.
    """
    cases = selected_cases(selection)
    providers = _selected_providers(selection)
    devices = tuple(device_of(kind).kind for kind in selection.devices) or present_kinds()
    match_names("kernel", [name for provider in providers for name in provider.config_ids()], selection.kernels)
    plan = [planned for named in cases for planned in _plan_case(selection, named, providers, devices)]
    if not plan:
        asked = f"{', '.join(provider.name for provider in providers)} on {', '.join(devices)}"
        raise NothingSelectedError(
            f"nothing to run: no configuration of {asked}", "widen --provider, --device or --kernel"
        )
    return plan


def selected_cases(selection: Selection) -> list[NamedCase]:
    """The cases of the suites, then the shapes, that match `selection.cases`. Raises NothingSelectedError."""
    named = [NamedCase(suite.name, case) for suite in map(load_suite, selection.suites) for case in suite.expand()]
    options = parse_options(selection.options)
    for text in dict.fromkeys(selection.shapes):
        named += [NamedCase(SHAPES_SUITE, case) for case in _shape_cases(text, selection.output_type, options)]
    named = list(dict.fromkeys(named))
    match_names("case", (entry.case.name for entry in named), selection.cases)
    return [entry for entry in named if matches_any(entry.case.name, selection.cases)]


def shape_problem(shape: Shape, output_type: str, options: Mapping[str, Any] | None = None) -> Problem:
    """The problem of a shape on the command line: vector scales and a bias, except for bare s32 accumulators.

    An int8 output has a scale and zero point a column. `options` are further fields of the problem, or other ones.
    """
    epilogue: dict[str, Any] = {}
    if output_type != "s32":
        epilogue = {"row_scale": "vector", "col_scale": "vector", "bias": True}
    if output_type == "s8":
        epilogue |= {"out_scale": "vector", "out_zero": True}
    return Problem(*shape, **{**epilogue, "output_type": output_type, **(options or {})})


def one_problem(text: str, output_type: str, options: Mapping[str, Any] | None = None) -> Problem:
    """The problem of one shape on the command line, of a GEMM or of a convolution. Raises UsageError."""
    if form_of(text, (GEMM_FORM, CONVOLUTION_FORM)) == GEMM_FORM:
        return shape_problem(parse_shape(text), output_type, options)
    name, filters = parse_convolution_shape(text)
    sizes = conv_problem(name, filters)
    conv = {**conv_epilogue(output_type), "conv": name}
    return shape_problem((sizes.m, sizes.n, sizes.k), output_type, {**conv, **(options or {})})


def kernel_problem(
    config: KernelConfig, text: str, output_type: str, options: Mapping[str, Any] | None = None
) -> Problem:
    """As `one_problem`, of the operand types of `config`; groups of weights are of the largest of 128, 64 and 32 that
    divides K, unless `options` say else. Raises UsageError for a shape of what it does not compute."""
    form = CONVOLUTION_FORM if convolves(config) else GEMM_FORM
    form_of(text, (form,))
    own: dict[str, Any] = {"a_type": config.operand_types["a"], "b_type": config.operand_types["b"]}
    if config.group_scale != "none":
        k = one_problem(text, "s32").k
        group = next((group for group in (128, 64, 32) if k % group == 0), 128)
        own |= {"b_group": group, "b_scale": config.group_scale}
    return one_problem(text, output_type, {**own, **(options or {})})


def conv_epilogue(output_type: str) -> dict[str, Any]:
    """What differs for images in the epilogue of `shape_problem`."""
    return {} if output_type == "s32" else {"row_scale": "tensor"}


def _shape_cases(text: str, output_type: str, options: Mapping[str, Any]) -> Iterator[Case]:
    """Those of a shape on the command line: of GEMMs, or a convolution."""
    if form_of(text, (GEMM_FORM, CONVOLUTION_FORM)) == CONVOLUTION_FORM:
        yield Case(text, one_problem(text, output_type, options), 1, ((text, 1),))
        return
    for shape in parse_shapes(text):
        problem = shape_problem(shape, output_type, options)
        name = problem.shape + (f" batch={problem.batch}" if problem.batch > 1 else "")
        yield Case(name, problem, 1, ((name, 1),))


def _selected_providers(selection: Selection) -> list[Provider]:
    names = selection.providers or tuple(name for name in provider_names() if name != ORACLE_PROVIDER)
    providers = select_providers(names)
    for provider in providers:
        if isinstance(provider, BrokenProvider) and selection.providers:
            state = provider.availability()
            raise ImmabenchError(f"provider {provider.name} {state.detail}", state.remedy)
    return providers


def _plan_case(
    selection: Selection, named: NamedCase, providers: Iterable[Provider], devices: Iterable[str]
) -> Iterator[Planned]:
    for provider in providers:
        state = provider.availability()
        for device in (kind for kind in devices if kind in provider.devices()):
            for candidate in _chosen(selection, provider, named.case.problem, device):
                job = _job(selection, named, provider.name, candidate, device)
                yield Planned(job, _skip_reason(selection, job, candidate, state))


def _chosen(selection: Selection, provider: Provider, problem: Problem, device: str) -> list[Candidate]:
    """The candidates worth a row: those named, else of a ranked provider the best few and what packs weights for them
    (the first illegal if none)."""
    offered = [one for one in provider.configs(problem, device) if not selection.steps or one.step in selection.steps]
    if selection.kernels:
        return [candidate for candidate in offered if matches_any(candidate.config_id, selection.kernels)]
    if not provider.ranked:
        return offered
    legal = [candidate for candidate in offered if candidate.reason is None]
    best = [candidate for candidate in legal if candidate.step == "compute"][: selection.top]
    return [*best, *(candidate for candidate in legal if candidate.step == "pack")] or offered[:1]


def _skip_reason(selection: Selection, job: Job, candidate: Candidate, state: Availability) -> str:
    if not state.ok:
        return f"{state.detail}; {state.remedy}"
    if candidate.reason is not None:
        return candidate.reason
    gmac = job.problem.macs / 1e9
    if job.device_kind == "emulated" and gmac > selection.emulate_budget_gmac:
        return f"{gmac:.3g} GMAC is above --emulate-budget {selection.emulate_budget_gmac:g}; raise it to emulate it"
    return ""


def _job(selection: Selection, named: NamedCase, provider: str, candidate: Candidate, device: str) -> Job:
    case, kernel_id = named.case, candidate.config_id
    job = Job(named.suite, case.name, case.calls, case.problem, provider, kernel_id, device, selection.seed)
    return replace(job, step=candidate.step)
