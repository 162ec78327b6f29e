"""Makes the table behind `immabench caps`: assembles every probe for every architecture and reads what came out.

Standard library only and run by path at build time:

    python caps_build.py --ptxas PATH --nvdisasm PATH --out caps.json
"""

from __future__ import annotations

import argparse
import bisect
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from immabench.profile.probes import PROBES, Probe
    from immabench.profile.sass import Instruction, parse_listing
else:  # run by path
    from probes import PROBES, Probe
    from sass import Instruction, parse_listing

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Architecture:
    """An architecture, the targets to try in order, and the oldest PTX version that knows them."""

    name: str
    targets: tuple[str, ...]
    ptx_version: str = "8.4"


@dataclass(frozen=True)
class Tools:
    """Paths of the assembler and the disassembler."""

    ptxas: Path
    nvdisasm: Path


# An instruction only the architecture-specific target has is reported under the plain name, with the target beside it.
ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture("sm_75", ("sm_75",)),
    Architecture("sm_80", ("sm_80",)),
    Architecture("sm_86", ("sm_86",)),
    Architecture("sm_87", ("sm_87",)),
    Architecture("sm_89", ("sm_89",)),
    Architecture("sm_90", ("sm_90", "sm_90a")),
    Architecture("sm_100", ("sm_100", "sm_100a"), "8.7"),
    Architecture("sm_120", ("sm_120", "sm_120a"), "8.7"),
)

_ENTRY = """.visible .entry {name}(.param .u64 memory) .reqntid 128 .maxnreg 128 {{
.reg .b32 %r<16>; .reg .b64 %q<4>; .reg .b16 %h; .reg .b32 %s, %bar; .reg .b64 %g; .reg .pred %p;
.shared .align 1024 .b8 data[4096]; .shared .align 8 .b64 barrier;
ld.param.u64 %g, [memory]; mov.u32 %s, data; mov.u32 %bar, barrier;
{loads}
setp.ne.u32 %p, %r15, 0;
{body}
{stores}
ret;
}}"""
_WORDS = [(f"%r{index}", "b32", 4 * index) for index in range(16)] + [(f"%q{i}", "b64", 64 + 8 * i) for i in range(4)]

Assembled = dict[Probe, tuple[str, list[str], str]]


def entry_of(probe: Probe, name: str) -> str:
    """A kernel around the probe. Operands come from memory and go back there, or the assembler would fold them away."""
    loads = "\n".join(f"ld.volatile.global.{kind} {word}, [%g+{offset}];" for word, kind, offset in _WORDS)
    stores = "\n".join(f"st.volatile.global.{kind} [%g+{offset}], {word};" for word, kind, offset in _WORDS)
    return _ENTRY.format(name=name, loads=loads, body=probe.ptx, stores=stores)


def verdict(probe: Probe, code: Sequence[Instruction]) -> tuple[str, list[str], str]:
    """(status, SASS lines, detail) of an assembled probe, `code` being its kernel and the routines that kernel calls.

    Native: the hardware's own opcode is there. Emulated: PTX accepts it, but the assembler wrote something else.
    """
    calls = [instruction for instruction in code if instruction.mnemonic == "CALL"]
    called = f"{len(calls)} CALL{'s' if len(calls) > 1 else ''}" if calls else ""
    if hits := [instruction for instruction in code if re.match(probe.native, instruction.opcode)]:
        return "native", [_text(instruction) for instruction in hits], called
    multiplies = [instruction for instruction in code if instruction.is_matrix_multiply]
    opcodes = Counter(instruction.opcode for instruction in multiplies)
    way = ", ".join(f"{times} {opcode}" for opcode, times in opcodes.items())
    detail = "; ".join(part for part in (called, way) if part)
    return "emulated", [_text(instruction) for instruction in [*calls, *multiplies][:8]], detail


def _text(instruction: Instruction) -> str:
    return " ".join(part for part in (instruction.predicate, instruction.opcode, instruction.operands) if part)


def _with_callees(name: str, functions: dict[str, list[Instruction]]) -> list[Instruction]:
    """The code of a kernel and of the routines it calls, each once, in calling order."""
    names = [name]
    for caller in names:
        text = " ".join(instruction.operands for instruction in functions[caller] if instruction.mnemonic == "CALL")
        names += [callee for callee in functions if callee.startswith("$") and callee in text and callee not in names]
    return [instruction for known in names for instruction in functions[known] if not instruction.never_runs]


def _refusals(messages: str, first_lines: Sequence[int]) -> dict[int, str]:
    """Index of each refused kernel -> ptxas' first reason, from the line numbers of its messages."""
    reasons: dict[int, str] = {}
    for line, reason in re.findall(r"line (\d+); (?:error|fatal)\s*:\s*(.*)", messages):
        reasons.setdefault(bisect.bisect_right(first_lines, int(line)) - 1, reason)
    return reasons


def assemble(probes: Sequence[Probe], target: str, version: str, tools: Tools) -> tuple[Assembled, dict[Probe, str]]:
    """All `probes` for one target in one file, without those ptxas refuses: (verdicts, reasons of the refused).

    One file because starting the disassembler costs more than its work. Refused kernels are dropped until the rest
    assembles.
    """
    refused: dict[Probe, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder, "probes.ptx"), Path(folder, "probes.cubin")
        while accepted := [probe for probe in probes if probe not in refused]:
            kernels = [entry_of(probe, f"probe_{index}") for index, probe in enumerate(accepted)]
            header = f".version {version}\n.target {target}\n.address_size 64"
            first_lines = list(accumulate((kernel.count("\n") + 1 for kernel in kernels[:-1]), initial=4))
            source.write_text("\n".join([header, *kernels, ""]))
            run = subprocess.run([tools.ptxas, "-arch", target, source, "-o", cubin], capture_output=True, text=True)
            if run.returncode == 0:
                listing = subprocess.run([tools.nvdisasm, "-json", cubin], capture_output=True, text=True, check=True)
                functions = parse_listing(listing.stdout)
                return {
                    probe: verdict(probe, _with_callees(f"probe_{index}", functions))
                    for index, probe in enumerate(accepted)
                }, refused
            reasons = _refusals(run.stderr + run.stdout, first_lines)
            if not reasons:
                raise SystemExit(f"ptxas failed for {target}: {(run.stderr or run.stdout).strip()}")
            refused.update((accepted[index], reason) for index, reason in reasons.items())
    return {}, refused


def examine(architecture: Architecture, tools: Tools) -> list[dict[str, Any]]:
    """The rows of one architecture, in the order of `PROBES`."""
    rows: dict[Probe, dict[str, Any]] = {}
    reasons: dict[Probe, str] = {}
    for target in architecture.targets:
        waiting = [probe for probe in PROBES if probe not in rows]
        verdicts, reasons = assemble(waiting, target, architecture.ptx_version, tools)
        rows.update((probe, _row(probe, *found, target)) for probe, found in verdicts.items())
    rows.update((probe, _row(probe, "absent", [], reason, target)) for probe, reason in reasons.items())
    return [rows[probe] for probe in PROBES]


def _row(probe: Probe, status: str, sass: list[str], detail: str, target: str) -> dict[str, Any]:
    return {
        "name": probe.name,
        "group": probe.group,
        "status": status,
        "sass": sass,
        "detail": detail,
        "target": target,
    }


def build_table(tools: Tools) -> dict[str, Any]:
    """The table `immabench.profile.caps` reads. Architectures this ptxas does not know are left out."""
    known = subprocess.run([tools.ptxas, "--help"], capture_output=True, text=True, check=True).stdout
    release = subprocess.run([tools.ptxas, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"V(\d[\d.]*)", release)
    return {
        "schema_version": SCHEMA_VERSION,
        "assembler": f"ptxas {version[1] if version else 'unknown'}",
        "architectures": {
            architecture.name: examine(architecture, tools)
            for architecture in ARCHITECTURES
            if f"'{architecture.targets[-1]}'" in known
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the table of instruction capabilities as JSON.")
    parser.add_argument("--ptxas", type=Path, default=Path("ptxas"))
    parser.add_argument("--nvdisasm", type=Path, default=Path("nvdisasm"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.write_text(json.dumps(build_table(Tools(options.ptxas, options.nvdisasm)), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
