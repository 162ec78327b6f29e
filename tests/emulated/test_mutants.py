"""Mutation tests of the real kernels: each classic mistake, put into its source, must be noticed by the machine.

Some mistakes leave every output right (a race that happens to go well, an access just past an operand, a bank
conflict); those are the ones a comparison of results cannot find. Mistakes are data: `mutants/PROGRAM.toml` beside the
program that runs the kernel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from counted_cases import case_of

from immabench.explain.transactions import bank_conflicts, uncoalesced

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KERNELS = Path(__file__).parents[2] / "kernels"
PROGRAMS = Path(__file__).parent / "mutants"
COMPILER = ("g++", "-std=c++20")
LAUNCHES = {"imma": 2, "w4a8": 2, "w4a16": 2, "wgmma": 4, "wgmma_packed": 3}
LAUNCHES |= {"quantize": 6, "pooling": 3, "attention": 3}
"""Of each program, each in three warp orders."""

Findings = list[dict[str, str]]
"""What each order of each launch of a program found, by name: a line of its output."""


@dataclass(frozen=True)
class Mutant:
    """One edit of one file, and what has to come of it in every warp order: a hazard, wrong results, or conflicts.

    `kernel` is the launch of the program that must show it. The edit applies to so many `places`. `conflicts` names the
    operation that has them, `at` the file that `immabench explain` has to name for them.
    """

    program: str
    name: str
    file: str
    kernel: str
    old: str
    new: str
    places: int = 1
    hazard: str = ""
    wrong: bool = False
    conflicts: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        assert self.hazard or self.wrong or self.conflicts, f"{self.name}: nothing is expected of it"

    def apply(self, kernels: Path) -> None:
        """Put the mistake into a copy of the kernels."""
        file = kernels / self.file
        text = file.read_text()
        found = text.count(self.old)
        assert found == self.places, f"{self.file} has {found} places for {self.name!r}, not {self.places}"
        file.write_text(text.replace(self.old, self.new))


def mutants_of(program: str) -> list[Mutant]:
    """Those of a program's file, whose head says what they have in common."""
    read = tomllib.loads((PROGRAMS / f"{program}.toml").read_text())
    common = {"program": program, "file": read["file"], "kernel": read["kernel"]}
    return [Mutant(**{**common, **mutant}) for mutant in read["mutant"]]


MUTANTS = [mutant for program in LAUNCHES for mutant in mutants_of(program)]


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    """As many compilers as there are cores."""
    executor = ThreadPoolExecutor(os.cpu_count())
    yield executor
    executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def machine_library(pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """The machine's object files: the same for every mutant."""
    folder = tmp_path_factory.mktemp("machine")
    sources = sorted((KERNELS / "simt" / "host").glob("*.cpp"))
    objects = [folder / f"{source.stem}.o" for source in sources]
    commands = [
        [*COMPILER, "-O2", "-I", KERNELS, "-c", source, "-o", target]
        for source, target in zip(sources, objects, strict=True)
    ]
    list(pool.map(run, commands))
    return objects


@pytest.fixture(scope="session")
def findings(
    request: pytest.FixtureRequest,
    pool: ThreadPoolExecutor,
    machine_library: Sequence[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Mutant, Future[Findings]]:
    """What is found of every mutant selected: under way on all cores while tests wait for theirs."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    selected = [call.params["mutant"] for call in calls if call and "mutant" in call.params]

    def find(mutant: Mutant) -> Findings:
        folder = tmp_path_factory.mktemp("mutant")
        kernels = Path(shutil.copytree(KERNELS, folder / "kernels"))
        mutant.apply(kernels)
        return run_program(mutant.program, kernels, machine_library, folder)

    return {mutant: pool.submit(find, mutant) for mutant in selected}


def run(command: Sequence[str | Path]) -> str:
    """What a command prints; its errors fail the test."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def run_program(name: str, kernels: Path, machine: Sequence[Path], folder: Path) -> Findings:
    """Compile a program against `kernels` and run it."""
    program = folder / "program"
    options = ("-O1", "-ffp-contract=off", "-I", kernels, "-pthread", "-o", program)
    run([*COMPILER, *options, PROGRAMS / f"{name}.cpp", *machine])
    return [dict(item.split("=") for item in line.split()) for line in run([program]).splitlines()]


@pytest.mark.parametrize(("program", "launches"), LAUNCHES.items())
def test_the_kernel_itself_is_clean(
    program: str, launches: int, machine_library: Sequence[Path], tmp_path: Path
) -> None:
    lines = run_program(program, KERNELS, machine_library, tmp_path)
    assert len(lines) == 3 * launches
    for found in lines:
        del found["kernel"]
        assert found.pop("wrong") == "0"
        assert found.pop("hazards") == ""
        assert found.pop("worst") == ""
        assert {Fraction(ratio) for ratio in found.values()} == {1}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_noticed(mutant: Mutant, findings: dict[Mutant, Future[Findings]]) -> None:
    lines = [found for found in findings[mutant].result() if found["kernel"] == mutant.kernel]
    assert len(lines) == 3
    for found in lines:
        if mutant.hazard:
            assert mutant.hazard in found["hazards"].split(","), found
        if mutant.wrong:
            assert int(found["wrong"]) > 0, found
        if mutant.conflicts:
            assert Fraction(found[mutant.conflicts]) > 1.5, found
            assert found["wrong"] == "0", "conflicts cost time, not correctness"
            expect_explained(mutant, found)


def expect_explained(mutant: Mutant, found: dict[str, str]) -> None:
    """From the same counts `immabench explain` names the cause, and the line it is at."""
    unit = "sectors" if mutant.conflicts.startswith("global") else "wavefronts"
    detector = uncoalesced if unit == "sectors" else bank_conflicts
    units, ideal = map(int, found[mutant.conflicts].split("/"))
    file, _, line = found["worst"].rpartition(":")
    entry = {"file": file, "line": int(line), "unit": unit, "units": units, "ideal": ideal}
    cause = detector(case_of({mutant.conflicts: {unit: units, "ideal": ideal}, "lines": [entry]}))
    assert cause is not None
    assert f"at {mutant.at}:{line}" in cause.evidence[0].text
