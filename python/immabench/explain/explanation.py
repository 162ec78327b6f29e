"""Why each row of a run is where it is: its efficiency, the causes of what it loses, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.explain import device, memory, tiles, transactions
from immabench.explain.case import Case
from immabench.explain.cause import Cause
from immabench.explain.efficiency import measured_roof, predicted_roof
from immabench.explain.emulated import EmulatedRows
from immabench.kernels import KernelConfig, gemm_configs
from immabench.measure.measured_machine import machine_of_run
from immabench.measure.roof import ceilings_by_device
from immabench.predict import Machine
from immabench.problems import Problem
from immabench.readable import percent

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.profile.actions import Action

DETECTORS: tuple[Callable[[Case], Cause | None], ...] = (
    device.emulated_int4,
    device.throttled,
    device.unsteady,
    device.launch_bound,
    memory.memory_bound,
    memory.k_misaligned,
    memory.too_few_bytes_in_flight,
    transactions.uncoalesced,
    transactions.bank_conflicts,
    tiles.n_wastes_a_tile,
    tiles.m_wastes_a_tile,
    tiles.waves_quantised,
    device.slower_instruction,
    device.spills,
    device.waiting_warps,
)

FAR = 0.8
"""Efficiency below which a row is far from its roof."""
UNKNOWN = "no cause found"
LEAST_LOST = 0.02
"""Share of the time below which a cause is not worth naming."""


@dataclass(frozen=True)
class Explanation:
    """One row explained; `causes` from the largest share of its time to the smallest, decisive ones first, and last the
    one that says why its roof is below the peak. A row near its roof has that one alone.
    """

    row: Row
    kind: str
    efficiency: float
    time_us: float
    floor_us: float
    bound: str
    causes: tuple[Cause, ...]

    @property
    def is_far(self) -> bool:
        """Whether the row is far from its roof."""
        return self.efficiency < FAR

    @property
    def headline(self) -> str:
        """The first cause in a few words; what the roof is where the row is near it."""
        if self.causes and self.is_far:
            rest = ", and not known what more" if self.causes[0].of_roof else ""
            return self.causes[0].name + rest
        return f"near its roof ({self.bound})" if not self.is_far else UNKNOWN

    def sentences(self) -> list[str]:
        """All of it in words, the efficiency first."""
        of = "the roof" if self.kind == "measured" else "the model's roof"
        first = (
            f"{percent(100 * self.efficiency)} efficient: {of} is {self.floor_us:.3g} us ({self.bound}), the "
            f"{self.kind} time {self.time_us:.3g} us."
        )
        unexplained = self.is_far and all(cause.of_roof for cause in self.causes)
        return [first, *(_in_words(cause) for cause in self.causes), *([self._unknown()] if unexplained else [])]

    def _unknown(self) -> str:
        """Of a row whose distance from its roof no cause explains."""
        if self.row.device_kind == "cpu":
            return f"What keeps it from its roof is not known: of {self.row.kernel_id} there is its time alone."
        look = f"`immabench profile RUN --kernel {self.row.kernel_id}`"
        return f"What keeps it from its roof is not known: look at its counters, {look}."

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; of the row its names, since it is in the run."""
        row = self.row
        names = {"row_id": row.row_id, "suite": row.suite, "case": row.case, "kernel_id": row.kernel_id}
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("row", "causes")}
        causes = [asdict(cause) for cause in self.causes]
        return {**names, **own, "causes": causes, "headline": self.headline, "sentences": self.sentences()}


def _in_words(cause: Cause) -> str:
    lost = f" ({cause.lost:.0%} of the time)" if cause.lost is not None else ""
    shown = "; ".join(f"{one.text} [{one.kind}]" for one in cause.evidence)
    return f"{cause.name[:1].upper()}{cause.name[1:]}{lost}: {shown}. {cause.advice[:1].upper()}{cause.advice[1:]}."


def explain(case: Case) -> Explanation:
    """Ask every detector about one row."""
    found = [cause for detector in DETECTORS if (cause := detector(case)) is not None]
    causes = sorted(filter(_matters, found), key=_order)
    if case.efficiency >= FAR:
        causes = [cause for cause in causes if cause.of_roof]
    bound = "memory" if case.is_memory_bound else "compute"
    floor = case.roof.floor_us(case.problem)
    return Explanation(case.row, case.kind, case.efficiency, case.time_us, floor, bound, tuple(causes))


def _order(cause: Cause) -> tuple[bool, bool, float]:
    return not cause.decisive, cause.of_roof, -(cause.lost or 0.0)


def _matters(cause: Cause) -> bool:
    return cause.lost is None or cause.lost >= LEAST_LOST


def explain_rows(
    rows: Sequence[Row],
    meta: Mapping[str, Any],
    actions: Sequence[Action] = (),
    machine: Machine | None = None,
    emulated: EmulatedRows | None = None,
) -> list[Explanation]:
    """Explain every row of a run that has a time and a roof, in their order.

    With `machine`, rows of the emulated machine too: by the time the model predicts of them there. `emulated` are those
    of the run, where `rows` are not all of it. Raises NothingSelectedError where no row can be explained.
    """
    counted = emulated or EmulatedRows(rows)
    cases = [
        case if case.row.device_kind == "cpu" else replace(case, emulated=counted.of(case.row))
        for row in rows
        if (case := _case(row, meta, actions, machine)) is not None
    ]
    if not cases:
        raise NothingSelectedError(
            "no row has both a time and a measured roof",
            "sweep with ceilings on a CPU or GPU, or give --gpu NAME to explain emulated rows by prediction",
        )
    return [explain(case) for case in cases]


def _case(row: Row, meta: Mapping[str, Any], actions: Sequence[Action], machine: Machine | None) -> Case | None:
    if row.step != "compute" or row.status != "ok":
        return None
    problem = row.problem
    config = _configs().get(row.kernel_id)
    if row.device_kind == "emulated":
        return _predicted_case(row, problem, config, machine)
    ceilings = ceilings_by_device(dict(meta)).get(row.device_kind, {})
    roof = measured_roof(ceilings, problem)
    if roof is None or not row.time_us_median:
        return None
    own = _machine(meta, row.device) if row.device_kind == "cuda" else None
    action = next((one for one in actions if one.row_id == row.row_id), None)
    make = partial(Case, row, problem, row.time_us_median, "measured", roof)
    return make(machine=own, config=config, ceilings=ceilings, action=action, facts=_facts(row, own))


def _predicted_case(row: Row, problem: Problem, config: KernelConfig | None, machine: Machine | None) -> Case | None:
    """An emulated row with the time the model predicts of it; None where it does not run there."""
    if machine is None or config is None:
        return None
    case = Case(row, problem, 1.0, "predicted", predicted_roof(machine, problem), machine, config)
    if case.prediction is None:
        return None
    return replace(case, time_us=case.prediction.time_us, facts=_facts(row, machine))


@cache
def _configs() -> dict[str, KernelConfig]:
    return {config.id: config for config in gemm_configs()}


def _machine(meta: Mapping[str, Any], device: str) -> Machine | None:
    try:
        return machine_of_run(meta, device)
    except ImmabenchError:  # rows merged from another machine: their GPU is not in this run.json
        return None


def _facts(row: Row, machine: Machine | None) -> Mapping[str, Any] | None:
    """What the compiler made of the row's kernel for the architecture of its GPU."""
    if machine is None:
        return None
    return _compiled().get((row.kernel_id, machine.architecture))


@cache
def _compiled() -> dict[tuple[str, str], Mapping[str, Any]]:
    from immabench.profile import load_sass_facts

    try:
        kernels = load_sass_facts()["kernels"]
    except ImmabenchError:  # built without CUDA: nothing was compiled, so nothing is said of it
        return {}
    # Of a kernel's variants the aligned one comes last, so that it stands for the kernel.
    ordered = sorted(kernels, key=lambda fact: fact["variant"], reverse=True)
    return {(fact["kernel_id"], fact["arch"].rstrip("a")): fact for fact in ordered}
