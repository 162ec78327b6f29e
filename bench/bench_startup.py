"""How long the library and the command line take to start, interpreter included, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

COMMAND = "from immabench.cli import main; main()"
# what is run -> (arguments of the interpreter, target in seconds)
STARTS = {
    "import immabench": (("-c", "import immabench"), 0.15),
    "immabench --help": (("-c", COMMAND, "--help"), 0.4),
    "immabench doctor": (("-c", COMMAND, "doctor"), 2.0),
}
ROUNDS = 7


def start(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", STARTS)
def test_start(benchmark: BenchmarkFixture, figure: Callable[[str], None], name: str) -> None:
    arguments, target = STARTS[name]
    benchmark.pedantic(start, (arguments,), rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info |= {"target_s": target}
        figure(f"{name}: {seconds:.3f} s (target {target:g} s)")
