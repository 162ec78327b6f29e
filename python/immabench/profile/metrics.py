"""Metrics and presets: our short names with the names Nsight Compute has for them, and what answers which question.

Read from `profiles/metrics.toml` and `profiles/presets/*.toml`, which say what each is.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from immabench.errors import NothingSelectedError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its name on PyPI
    import tomli as tomllib

_SOURCE = Path(__file__).parents[3] / "profiles"
_INSTALLED = Path(__file__).parents[1] / "data" / "profiles"

CHIPS = {"8.0": "ga100", "8.6": "ga102", "8.9": "ad102", "9.0": "gh100", "10.0": "gb100", "12.0": "gb202"}
"""Nsight Compute's name of the chip that stands for a compute capability: chips of one have the same metrics."""

LAUNCH_PREFIX = "launch__"
"""Of metrics that every report holds without being asked."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Name(_Table):
    """A name of Nsight Compute's; `chips` that have it, empty for all."""

    name: str
    chips: tuple[str, ...] = ()

    def on(self, chip: str | None) -> bool:
        """Whether `chip` has it; of an unknown one that is said of what all have."""
        return not self.chips or chip in self.chips


def _alternatives(given: Any) -> Any:
    return [{"name": given}] if isinstance(given, str) else given


class Metric(_Table):
    """One line of `metrics.toml`."""

    name: str
    unit: str
    counts: str
    presets: tuple[str, ...]
    ncu: Annotated[tuple[Name, ...], BeforeValidator(_alternatives), Field(min_length=1)]
    scale: float = 1.0
    section: str = ""

    @property
    def is_asked_for(self) -> bool:
        """Whether `ncu --metrics` has to name it: others come with a section or with every report."""
        return not self.section and not self.ncu[0].name.startswith(LAUNCH_PREFIX)

    def on(self, chip: str | None) -> str | None:
        """Its name on a chip; None where the chip has nothing of the kind."""
        return next((one.name for one in self.ncu if one.on(chip)), None)

    def found_in(self, names: Collection[str]) -> str | None:
        """Its name among those a report holds, None where there is none."""
        return next((one.name for one in self.ncu if one.name in names), None)


class Preset(_Table):
    """One file of `presets/`: which sections, or which set of them, beside the metrics that name the preset."""

    name: str
    question: str
    sections: tuple[str, ...] = ()
    set: str = ""
    import_source: bool = False

    def metrics(self, chip: str | None) -> list[str]:
        """The names to ask a chip for, in the order of `metrics.toml`."""
        asked = (metric.on(chip) for metric in load_metrics() if self.name in metric.presets and metric.is_asked_for)
        return [name for name in asked if name is not None]


@functools.cache
def load_metrics() -> tuple[Metric, ...]:
    """Every metric, in file order."""
    tables = tomllib.loads((_folder() / "metrics.toml").read_text(encoding="utf-8"))
    return tuple(Metric.model_validate({"name": name, **table}) for name, table in tables.items())


def preset_names() -> list[str]:
    """The names that `load_preset` knows, sorted."""
    return sorted(path.stem for path in (_folder() / "presets").glob("*.toml"))


def load_preset(name: str) -> Preset:
    """The preset of that name. Raises NothingSelectedError, with the names there are, for an unknown one."""
    if name not in preset_names():
        raise NothingSelectedError.nearest("preset", name, preset_names())
    text = (_folder() / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    return Preset.model_validate(tomllib.loads(text))


def lacking(names: Collection[str], chip: str | None, metrics: Iterable[Metric] | None = None) -> list[Metric]:
    """The metrics that the file says `chip` has and `names`, those `ncu --query-metrics` lists, do not hold.

    Queries list base names: what follows the first dot is how values of units are put together.
    """
    bases = {name.partition(".")[0] for name in names}
    asked = [metric for metric in metrics or load_metrics() if metric.is_asked_for]
    return [metric for metric in asked if (name := metric.on(chip)) and name.partition(".")[0] not in bases]


def parse_query(text: str) -> list[str]:
    """The names in what `ncu --query-metrics` prints: the first word of each line that is a metric's name."""
    words: Sequence[str] = [line.split()[0] for line in text.splitlines() if line.strip()]
    return [word.strip('",') for word in words if "__" in word and not word.startswith(("-", "="))]


def _folder() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _SOURCE
