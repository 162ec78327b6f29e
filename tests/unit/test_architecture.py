"""Who may know whom, read from the import statements of the library: data flows one way (ARCHITECTURE.md).

Every import counts, those inside functions and for types alone too: what a module names, it knows. Not seen is what is
loaded by name, commands by the command line and providers by their registry.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import immabench

ROOT = Path(immabench.__file__).parent

ROOMS = (
    "library",
    "packing",
    "profile",
    "predict",
    "cute_dsl",
    "providers",
    "measure",
    "profiled launches",
    "explain",
    "quantize",
    "ops",
    "models",
    "export",
    "accuracy",
    "report",
    "e2e",
    "checkup",
    "cli",
)
"""From those who know nobody to those who know all; a module knows its own room and those before it."""

ELSEWHERE = {
    "profile.selection": "profiled launches",
    "profile.launches": "profiled launches",
    "profile.ncu": "profiled launches",
    "profile.session": "profiled launches",
    "profile.agreement": "profiled launches",
    "checkup": "checkup",
    "__main__": "cli",
}
"""Modules that do not stand in the room of their folder: what launches rows again knows how they are measured, while
the rest of profile/, machine code and the vendor's reports, is read by who measures and predicts."""

EXCEPTIONS = {
    ("providers.cublaslt", "measure"): "which algorithm is the library's best is asked of the one timer",
}

READERS_OF_REPORT = {
    "cli.report": "the command of it",
    "cli.sweep": "a sweep ends with a report",
    "cli.profile": "what was profiled of a run is put into its report",
    "cli.sensitivity": "the picture of a study has the report's looks",
    "e2e.report": "a page of whole models is laid out as that of a sweep",
    "e2e.charts": "and drawn in its colours",
}

READ_BY_REPORT = {
    "rows": "what it reports",
    "run_folder": "where they are",
    "roof": "from the ceilings of run.json",
    "timer": "how medians and noise were computed of samples, to check them",
    "plan": "how the command line names a shape",
    "transactions": "counts against the ideal ones",
}
"""Of measure/: nothing that launches."""


class Import(NamedTuple):
    """Names without `immabench.`; the imported one is a module."""

    module: str
    imported: str


def room_of(module: str) -> str:
    if module in ELSEWHERE:
        return ELSEWHERE[module]
    room, _, inner = module.partition(".")
    return room if inner or (ROOT / room).is_dir() else "library"


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def named_in(statement: ast.AST) -> Iterator[str]:
    """Modules of the library that a statement imports; of `from package import name` the name where it is one."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        assert not statement.level, "imports are absolute"
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            yield inner if is_module(inner.removeprefix("immabench.")) else str(statement.module)


def imports_of(module: str, source: str) -> set[Import]:
    names = (name for node in ast.walk(ast.parse(source)) for name in named_in(node))
    return {Import(module, name.removeprefix("immabench.")) for name in names if name.startswith("immabench.")}


def against_the_order(imports: Iterable[Import]) -> list[Import]:
    """Those of a room that comes later."""
    order = {room: place for place, room in enumerate(ROOMS)}
    return sorted(one for one in imports if order[room_of(one.imported)] > order[room_of(one.module)])


@pytest.fixture(scope="module")
def imports() -> set[Import]:
    found: set[Import] = set()
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found |= imports_of(module, path.read_text(encoding="utf-8"))
    return found


def test_every_folder_is_a_room() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(ROOMS) == folders | {"library"} | set(ELSEWHERE.values())
    assert [module for module in ELSEWHERE if not is_module(module)] == []


def test_imports_go_one_way_through_the_rooms(imports: set[Import]) -> None:
    found = against_the_order(imports)
    assert [one for one in found if (one.module, room_of(one.imported)) not in EXCEPTIONS] == []
    assert {(one.module, room_of(one.imported)) for one in found} == set(EXCEPTIONS), "an exception is not needed"


def test_only_pages_and_what_ends_with_one_know_the_report(imports: set[Import]) -> None:
    readers = {one.module for one in imports if room_of(one.imported) == "report"}
    assert {module for module in readers if room_of(module) != "report"} == set(READERS_OF_REPORT)


def test_the_report_reads_rows_and_launches_nothing(imports: set[Import]) -> None:
    of_report = [one for one in imports if room_of(one.module) == "report"]
    read = {one.imported for one in of_report if room_of(one.imported) == "measure"}
    assert read == {f"measure.{name}" for name in READ_BY_REPORT}
    assert {room_of(one.imported) for one in of_report} & {"providers", "ops", "models", "quantize"} == set()


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("measure.rows", "from immabench.report import build_report", "report"),
        ("measure.rows", "def f():\n    import immabench.report.page", "report.page"),
        ("problems", "if TYPE_CHECKING:\n    from immabench.measure import rows", "measure.rows"),
        ("explain.case", "from immabench import cli", "cli"),
        ("profile.sass", "from immabench.profile.session import x", "profile.session"),
        ("cli.report", "from immabench.report import build_report", ""),
        ("measure.rows", "from immabench.problems import Problem\nimport json", ""),
    ],
)
def test_a_planted_import_is_seen(module: str, source: str, found: str) -> None:
    assert [one.imported for one in against_the_order(imports_of(module, source))] == ([found] if found else [])
