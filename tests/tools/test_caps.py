"""The table of instruction capabilities: what the build found must be what is known of the architectures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from immabench.cli import build_app
from immabench.errors import MissingHardwareError, UsageError
from immabench.profile import caps
from immabench.profile.caps_build import _refusals, entry_of, verdict
from immabench.profile.probes import PROBES, Probe
from immabench.profile.sass import Instruction

PROBE = {probe.name: probe for probe in PROBES}


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    try:
        return caps.load_caps()
    except MissingHardwareError as error:
        pytest.skip(str(error))


def row(arch: str, name: str) -> dict[str, Any]:
    return next(row for row in caps.capabilities(arch)["instructions"] if row["name"] == name)


def test_every_probe_is_answered_for_every_architecture(table: dict[str, Any]) -> None:
    for rows in table["architectures"].values():
        assert [row["name"] for row in rows] == [probe.name for probe in PROBES]
        assert {row["status"] for row in rows} <= {"native", "emulated", "absent"}
        assert all(row["sass"] for row in rows if row["status"] == "native")


# From the PTX ISA's target notes and CUDA's own release notes: sm_90 lost 4-bit mma, sm_100 brought tcgen05 for wgmma.
@pytest.mark.parametrize(
    ("arch", "name", "status"),
    [
        ("sm_75", "mma.m16n8k32.s8", "absent"),
        ("sm_75", "cp.async.cg.16", "absent"),
        ("sm_80", "mma.m16n8k32.s8", "native"),
        ("sm_80", "mma.m16n8k64.s4", "native"),
        ("sm_80", "mma.m16n8k256.b1.xor.popc", "native"),
        ("sm_80", "stmatrix.m8n8.x4.b16", "absent"),
        ("sm_86", "mma.m16n8k64.s4", "native"),
        ("sm_89", "mma.m16n8k32.e4m3", "native"),
        ("sm_90", "mma.m16n8k32.s8", "native"),
        ("sm_90", "mma.m16n8k64.s4", "emulated"),
        ("sm_90", "wgmma.m64nNk32.s8", "native"),
        ("sm_90", "wgmma.m64nNk32.u8.s8", "native"),
        ("sm_90", "setmaxnreg", "native"),
        ("sm_90", "setmaxnreg.dec", "native"),
        ("sm_90", "cp.async.bulk.tensor.4d.im2col (TMA load)", "native"),
        ("sm_90", "mbarrier.arrive.shared::cluster", "native"),
        ("sm_90", "mapa.shared::cluster", "native"),
        ("sm_90", "ld.shared::cluster", "native"),
        ("sm_80", "mbarrier.init", "native"),
        ("sm_80", "mbarrier.arrive.shared::cluster", "absent"),
        ("sm_80", "mapa.shared::cluster", "absent"),
        ("sm_100", "mapa.shared::cluster", "native"),
        ("sm_100", "setmaxnreg.dec", "native"),
        ("sm_90", "cp.async.bulk.tensor.2d (TMA load)", "native"),
        ("sm_90", "tcgen05.mma.kind::i8", "absent"),
        ("sm_100", "wgmma.m64nNk32.s8", "absent"),
        ("sm_100", "tcgen05.mma.kind::i8", "native"),
        ("sm_120", "tcgen05.mma.kind::i8", "absent"),
    ],
)
def test_known_capabilities(table: dict[str, Any], arch: str, name: str, status: str) -> None:
    if arch not in table["architectures"]:
        pytest.skip(f"{table['assembler']} does not know {arch}")
    assert row(arch, name)["status"] == status


def test_says_which_target_an_instruction_needs(table: dict[str, Any]) -> None:
    assert row("sm_90", "wgmma.m64nNk32.s8")["target"] == "sm_90a"
    assert row("sm_90", "mma.m16n8k32.s8")["target"] == "sm_90"


def test_emulation_names_its_routine(table: dict[str, Any]) -> None:
    emulated = row("sm_90", "mma.m16n8k64.s4")
    assert emulated["sass"][0].startswith("CALL.REL.NOINC $__internal_")
    assert emulated["detail"] == "1 CALL; 2 IMMA.16832.S8.S8"


@pytest.mark.parametrize("spelling", ["sm_90", "sm_90a", "90", "90a"])
def test_spellings_of_an_architecture(table: dict[str, Any], spelling: str) -> None:
    assert caps.capabilities(spelling)["arch"] == "sm_90"


def test_unknown_architecture(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"unknown architecture 'sm_91'.*known: sm_75, sm_80"):
        caps.capabilities("sm_91")


def test_json_contract(table: dict[str, Any]) -> None:
    result = CliRunner().invoke(build_app(), ["caps", "--arch", "sm_80", "--json"])
    answer = json.loads(result.stdout)
    assert answer["arch"] == "sm_80"
    assert {"name", "status", "sass"} <= set(answer["instructions"][0])


def test_without_the_table_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda _: Path("/nonexistent"))
    with pytest.raises(MissingHardwareError, match=r"built without CUDA.*pip install") as error:
        caps.load_caps()
    assert error.value.exit_code == 77


def test_verdicts() -> None:
    probe = PROBE["mma.m16n8k64.s4"]
    native = [Instruction(0, "IMMA.16864.S4.S4", "R4,R8,R2,R4")]
    emulated = [Instruction(0, "CALL.REL.NOINC", "$routine"), Instruction(16, "IMMA.16832.S8.S8", "R4,R8,R2,R4")]
    assert verdict(probe, native) == ("native", ["IMMA.16864.S4.S4 R4,R8,R2,R4"], "")
    assert verdict(probe, emulated)[0::2] == ("emulated", "1 CALL; 1 IMMA.16832.S8.S8")


def test_refusals_are_dealt_to_the_kernels_they_are_in() -> None:
    messages = (
        "ptxas probes.ptx, line 5; error   : Feature 'a' requires .target sm_90\n"
        "ptxas probes.ptx, line 6; error   : a second complaint\n"
        "ptxas probes.ptx, line 24; error   : Feature 'b' requires .target sm_90\n"
        "ptxas fatal   : Ptx assembly aborted due to errors\n"
    )
    expected = {0: "Feature 'a' requires .target sm_90", 2: "Feature 'b' requires .target sm_90"}
    assert _refusals(messages, [4, 14, 24]) == expected


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_probes_use_only_declared_registers(probe: Probe) -> None:
    names = set(re.findall(r"%\w+", probe.ptx))
    declared = {f"%r{i}" for i in range(16)} | {f"%q{i}" for i in range(4)} | {"%h", "%s", "%bar", "%g", "%p"}
    assert names <= declared
    assert ".entry probe_7(" in entry_of(probe, "probe_7")
