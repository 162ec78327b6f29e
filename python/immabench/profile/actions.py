"""Actions: what Nsight Compute measured of launches, by our names and joined to rows by the NVTX ranges around them.

They lie beside a run's rows, `RUN/profile/<report>.actions.jsonl`, one a line. `read_actions` is how everything later
gets at them: nobody but `reports` knows the vendor's files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from immabench.errors import RunFolderError
from immabench.readable import NOTHING
from immabench.row_ids import RowId

SCHEMA_VERSION = 1

PROFILE_FOLDER = "profile"
"""Of a run folder."""

SUFFIX = ".actions.jsonl"

STALL = "stall_"
"""How the metrics begin that say what warps wait for."""

NO_STALLS = ("stall_selected", "stall_not_selected")
"""Of these the states in which a warp waits for nothing."""

SECTOR_BYTES = 32
"""Of L2 and L1."""

DRAM_BYTES = ("dram_read", "dram_write")
L2_SECTORS = ("l2_read_sectors", "l2_write_sectors")
"""Metrics of what a launch moves."""


class RuleResult(BaseModel):
    """What a rule of Nsight Compute said of a launch; `speedup_percent` is its estimate, of this launch or of part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    section: str
    severity: str
    """One of "none", "ok", "warning", "error", "optimization"."""
    message: str
    title: str = ""
    speedup_percent: float | None = None
    speedup_kind: str = ""
    """"global", of the launch; "local", of what the rule looks at; empty without an estimate."""


def _of_schema(value: Any) -> Any:
    if value != SCHEMA_VERSION:
        raise ValueError(f"schema {value} is not {SCHEMA_VERSION}: import the report again with this version")
    return value


class Action(BaseModel):
    """One profiled launch. `metrics` are in the units of `metrics.toml`, and hold what the report did.

    `row_id` is empty for a launch in no range of a row; `index` counts the launches of one row, which are several where
    a library launches several kernels. Nothing here is a timing of ours: a profiler runs a launch again and again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[int, BeforeValidator(_of_schema)] = SCHEMA_VERSION
    row_id: str
    kernel_id: str
    index: int = 0
    report: str
    preset: str = ""
    ncu_version: str = ""
    """Who says in the report to have written it, with versions."""
    device: str = ""
    compute_capability: str = ""
    function: str
    demangled: str = ""
    grid: tuple[int, int, int] | None = None
    block: tuple[int, int, int] | None = None
    duration_us: float | None = None
    metrics: dict[str, float]
    rules: tuple[RuleResult, ...] = ()
    ranges: tuple[str, ...] = ()

    @property
    def problem_key(self) -> str:
        """Of the row; empty without one."""
        parts = RowId.parse(self.row_id)
        return parts.problem_key if parts else ""

    @property
    def top_stall(self) -> tuple[str, float] | None:
        """What warps wait for most, and how many do for each instruction issued; None where nothing was collected."""
        waits = {name: value for name, value in self.metrics.items() if name.startswith(STALL)}
        waits = {name.removeprefix(STALL): value for name, value in waits.items() if name not in NO_STALLS}
        return max(waits.items(), key=lambda wait: wait[1], default=None)

    @property
    def traffic_bytes(self) -> tuple[float | None, float | None]:
        """Bytes it moved from and to DRAM, and between L2 and multiprocessors; None for what was not counted."""
        dram, l2 = (self._total(names) for names in (DRAM_BYTES, L2_SECTORS))
        return dram, None if l2 is None else SECTOR_BYTES * l2

    def _total(self, names: Iterable[str]) -> float | None:
        counts = [self.metrics.get(name) for name in names]
        return None if None in counts else sum(count or 0.0 for count in counts)

    @property
    def first_rule(self) -> RuleResult | None:
        """The result that promises most, of the whole launch before its parts; None where rules found nothing."""
        useful = [rule for rule in self.rules if rule.severity in ("warning", "error", "optimization")]
        return max(useful, key=_promise, default=None)

    @property
    def stall_text(self) -> str:
        """What warps wait for most, with the number of warps that do for each instruction issued."""
        stall = self.top_stall
        return NOTHING if stall is None else f"{stall[0].replace('_', ' ')} {stall[1]:.2f}"

    @property
    def rule_text(self) -> str:
        """The rule result that promises most, with its estimate."""
        rule = self.first_rule
        if rule is None:
            return NOTHING
        estimate = f"{rule.speedup_kind} {rule.speedup_percent:.0f} %".strip() if rule.speedup_percent else ""
        return f"{rule.title or rule.rule}{f' ({estimate})' if estimate else ''}"


def _promise(rule: RuleResult) -> tuple[bool, float]:
    return rule.speedup_kind == "global", rule.speedup_percent or 0.0


def read_actions(run: Path) -> list[Action]:
    """Every action of a run folder, by report in name order; empty where nothing was profiled.

    Raises RunFolderError for a line that is no action, naming it.
    """
    files = sorted((run / PROFILE_FOLDER).glob(f"*{SUFFIX}"))
    return [action for path in files for action in read_file(path)]


def read_file(path: Path) -> list[Action]:
    """The actions of one file; raises as `read_actions`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_parsed(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path} cannot be read ({error})", "import the report again") from error


def write_file(path: Path, actions: Iterable[Action]) -> Path:
    """Write actions, one a line, in the place of what the file held. Raises RunFolderError where it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{action.model_dump_json()}\n" for action in actions), encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written ({error.strerror})", "check the folder and the disk") from error
    return path


def _parsed(line: str, where: str) -> Action:
    try:
        return Action.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFolderError(f"{where} is no action ({place}: {first['msg']})", "import the report again") from error
