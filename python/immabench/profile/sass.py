"""Reads the machine code of compiled kernels: registers, stack, spills, instruction mix, main loop.

Standard library only and run by path at build time, before the package and its dependencies exist:

    python sass.py --cuobjdump PATH --nvdisasm PATH --out sass_facts.json OBJECT...
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from immabench.profile.families import kernel_name
    from immabench.profile.loops import natural_loops
else:  # run by path
    from families import kernel_name
    from loops import natural_loops

SCHEMA_VERSION = 2
INSTRUCTION_BYTES = 16  # since sm_70

# What an instruction is for, by the first part of its mnemonic. Order matters: the first match counts.
CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("matrix multiply", r"[A-Z]*MMA$|[A-Z]*GMMA$"),
        ("matrix load", r"LDSM$|STSM$|MOVM$"),
        ("async copy", r"LDGSTS$|UTMA|UBLKCP|LDGDEPBAR$|DEPBAR$|ARRIVES$"),
        ("shared memory", r"LDS$|STS$|ATOMS$"),
        ("global memory", r"LDG$|STG$|ATOMG$|RED$|LD$|ST$"),
        ("local memory", r"LDL$|STL$"),
        ("barrier", r"BAR$|SYNCS$|WARPSYNC$|MEMBAR$|FENCE$|WARPGROUP$|BSYNC$|BSSY$"),
        ("control flow", r"BRA$|EXIT$|CALL$|RET$|JMP$|BRX$|NOP$|YIELD$|BREAK$|NANOSLEEP$"),
        (
            "floating point",
            r"F(2|ADD|MUL|FMA|SEL|SET|MNMX|CHK|RND)|H(ADD|MUL|FMA|SET|MNMX)2|I2F|MUFU|D(ADD|MUL|FMA|SET)",
        ),
        ("integer and moves", r"."),
    )
)


@dataclass(frozen=True)
class Instruction:
    """One SASS instruction, at `address` bytes from the start of its section."""

    address: int
    opcode: str
    operands: str = ""
    predicate: str = ""

    @property
    def mnemonic(self) -> str:
        return self.opcode.split(".")[0]

    @property
    def is_matrix_multiply(self) -> bool:
        return classify(self.mnemonic) == "matrix multiply"

    @property
    def always_runs(self) -> bool:
        """Not predicated, neither by a guard nor by a predicate among the operands of a branch."""
        operand = re.match(r"!?U?P\d", self.operands) if self.mnemonic in ("BRA", "EXIT") else None
        return self.predicate in ("", "@PT", "@UPT") and not operand

    @property
    def never_runs(self) -> bool:
        """`@!PT LDS RZ, [RZ]`: padding the compiler puts around hazards."""
        return self.predicate in ("@!PT", "@!UPT")


@cache
def classify(mnemonic: str) -> str:
    """The class of an instruction, a name of `CLASSES`."""
    return next(name for name, pattern in CLASSES if pattern.match(mnemonic))


def parse_listing(text: str) -> dict[str, list[Instruction]]:
    """Functions of `nvdisasm -json` output: symbol -> instructions in address order."""
    _, functions = json.loads(text)
    return {
        function["function-name"]: [
            Instruction(address, line["opcode"], line.get("operands", ""), line.get("predicate", ""))
            for address, line in zip(
                count(function["start"], INSTRUCTION_BYTES), function["sass-instructions"], strict=False
            )
        ]
        for function in functions
    }


def parse_resources(text: str) -> dict[str, dict[str, int]]:
    """`cuobjdump -res-usage` output: symbol -> {"REG", "STACK", "SHARED", "LOCAL", ...}."""
    pairs = re.findall(r"^ *Function (\S+):\s*\n(.*)$", text, re.MULTILINE)
    return {symbol: {key: int(value) for key, value in re.findall(r"(\w+):(\d+)", usage)} for symbol, usage in pairs}


def main_loop(code: Sequence[Instruction]) -> list[Instruction] | None:
    """The innermost loop with matrix instructions, of several the one with most; None if all are unrolled."""
    multiplies = {index for index, instruction in enumerate(code) if instruction.is_matrix_multiply}
    loops = [loop for loop in natural_loops(code) if loop & multiplies]
    innermost = [loop for loop in loops if not any(other < loop for other in loops)]
    busiest = max(innermost, key=lambda loop: len(loop & multiplies), default=None)
    return [code[index] for index in sorted(busiest)] if busiest else None


def _ranked(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


ROUTINE = re.compile(r"(?:\$__internal_\d+_)?\$?__cuda_sm\w+?_(\w+)")
"""The compiler's own routines as calls name them: `$__internal_1_$__cuda_sm3x_div_rn_noftz_f32_slowpath`."""


def callees(code: Iterable[Instruction]) -> list[str]:
    """What is called, once a call: of the compiler's routines what they compute.

    A call of an address is no call but a jump: ptxas leaves divergent loops so.
    """
    called = [call.operands for call in code if call.mnemonic == "CALL" and not call.operands.startswith("0x")]
    return [routine[1] if (routine := ROUTINE.search(name)) else name for name in called]


def describe_code(code: Sequence[Instruction]) -> dict[str, Any]:
    """Counts of a piece of code: instructions, by mnemonic, by class, matrix instructions in full, calls by callee."""
    live = [instruction for instruction in code if not instruction.never_runs and instruction.mnemonic != "NOP"]
    return {
        "instructions": len(live),
        "histogram": _ranked(instruction.mnemonic for instruction in live),
        "mix": _ranked(classify(instruction.mnemonic) for instruction in live),
        "mma": _ranked(instruction.opcode for instruction in live if instruction.is_matrix_multiply),
        "calls": _ranked(callees(live)),
    }


COPY_ENGINE = ("UTMA", "UBLKCP")
"""Beginnings of the instructions that ask the Tensor Memory Accelerator for copies."""


def describe_kernel(
    symbol: str, arch: str, code: Sequence[Instruction], resources: dict[str, int]
) -> dict[str, Any] | None:
    """The facts of one kernel on one architecture; None for a symbol of no known family, or without code there."""
    name = kernel_name(symbol)
    if name is None or not name.has_code(arch):
        return None
    loop = main_loop(code)
    whole = describe_code(code)
    return {
        "kernel_id": name.kernel_id,
        "variant": name.variant,
        "arch": arch,
        "symbol": symbol,
        "threads": name.threads,
        "registers": resources["REG"],
        "stack_bytes": resources["STACK"],
        "static_shared_bytes": resources["SHARED"],
        "dynamic_shared_bytes": name.shared_bytes,
        "local_loads": whole["histogram"].get("LDL", 0),
        "local_stores": whole["histogram"].get("STL", 0),
        "spills": whole["histogram"].get("STL", 0),  # stores to local memory; kernels keep no arrays there
        "copies": _ranked(instruction.opcode for instruction in code if instruction.mnemonic.startswith(COPY_ENGINE)),
        **whole,
        "main_loop": describe_code(loop) if loop else None,
    }


def _run(*command: str | Path, folder: Path | None = None) -> str:
    result = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{command[0]} failed on {command[-1]}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def _cubins(cuobjdump: Path, target: Path, folder: Path) -> list[tuple[str, Path]]:
    """(architecture, cubin) of everything embedded in an object, library or module; a cubin is its own."""
    if target.suffix == ".cubin":
        return [(_arch(target), target)]
    _run(cuobjdump.resolve(), "-xelf", "all", target.resolve(), folder=folder)
    return [(_arch(path), path) for path in sorted(folder.glob("*.cubin"))]


def _arch(cubin: Path) -> str:
    match = re.search(r"sm_\d+[af]?", cubin.name)
    return match[0] if match else "unknown"


def read_cubin(cuobjdump: Path, nvdisasm: Path, compiled: tuple[str, Path]) -> list[dict[str, Any]]:
    """Facts of every kernel of a known family in one (architecture, cubin)."""
    arch, cubin = compiled
    resources = parse_resources(_run(cuobjdump, "-res-usage", cubin))
    code = parse_listing(_run(nvdisasm, "-json", cubin))
    found = (describe_kernel(symbol, arch, code[symbol], resources[symbol]) for symbol in resources)
    return [fact for fact in found if fact]


def read_objects(cuobjdump: Path, nvdisasm: Path, objects: Iterable[Path]) -> list[dict[str, Any]]:
    """Facts of every kernel of a known family in `objects`, sorted by id, variant and architecture."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor() as pool:
        cubins: list[tuple[str, Path]] = []
        for number, target in enumerate(objects):
            (own := Path(folder, str(number))).mkdir()  # cubins of two objects may have one name
            cubins += _cubins(cuobjdump, target, own)
        facts = [fact for found in pool.map(partial(read_cubin, cuobjdump, nvdisasm), cubins) for fact in found]
    return sorted(facts, key=lambda fact: (fact["kernel_id"], fact["variant"], fact["arch"]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the SASS facts of compiled kernels as JSON.")
    parser.add_argument("objects", nargs="+", type=Path, help="object files, libraries, modules or cubins")
    parser.add_argument("--cuobjdump", type=Path, default=Path("cuobjdump"))
    parser.add_argument("--nvdisasm", type=Path, default=Path("nvdisasm"))
    parser.add_argument("--out", type=Path, help="file to write; standard output if absent")
    options = parser.parse_args(arguments)
    kernels = read_objects(options.cuobjdump, options.nvdisasm, options.objects)
    text = json.dumps({"schema_version": SCHEMA_VERSION, "kernels": kernels}, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
