"""The command line answers at once: torch and other heavy libraries load only where tensors are needed."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "immabench"]

LIMITS_SECONDS = {
    "import": ([sys.executable, "-c", "import immabench"], 0.15),
    "help": ([*COMMAND, "--help"], 0.4),
    "doctor": ([*COMMAND, "doctor", "--json"], 2.0),
}


@pytest.mark.alone
@pytest.mark.parametrize("name", list(LIMITS_SECONDS))
def test_startup_time(name: str) -> None:
    """In processor time, the least of several starts: wall time on a machine with other work measures that work."""
    command, limit = LIMITS_SECONDS[name]
    assert min(_processor_seconds(command) for _ in range(3)) <= limit


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["list", "kernels"],
        ["list", "providers"],
        ["verify", "--kernel", "*16x64x128*", "--shape", "1x1x1"],
        ["emulate", "imma_s8s8s32_16x64x128_w1x4_s5_sm80", "--shape", "3x5x7"],
        ["predict", "--shape", "16x4096x4096"],
        ["sweep", "resnet18", "--dry-run"],
    ],
    ids=" ".join,
)
def test_emulation_never_imports_torch(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['immabench', *sys.argv[1:]]\n"
        "from immabench.cli import main\n"
        "try: main()\n"
        "except SystemExit as exit: assert not exit.code, exit.code\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_importing_the_package_loads_no_numpy() -> None:
    code = "import sys, immabench; assert not {'numpy', 'torch', 'typer', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lazy_names_resolve() -> None:
    import immabench

    assert immabench.Problem(1, 2, 3).macs == 6
    for name in immabench.__all__:
        assert getattr(immabench, name) is not None
        assert name in dir(immabench)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = immabench.nothing


def _processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
