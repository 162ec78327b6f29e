"""Our primitives of sm_90a against CuTe's and CUTLASS', compiled the same way and compared as machine code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from immabench.profile.sass import Instruction

pytestmark = pytest.mark.oracle

Disassemble = Callable[[Path, str], dict[str, list[Instruction]]]
SOURCE = Path(__file__).parent / "primitives_sm90.cu"
POLICY = re.compile(r",desc\[UR(\d+)\]")  # CuTe states an L2 policy with each load of a box; ours have none


def primitives() -> list[str]:
    """Names of the pairs in primitives_sm90.cu, those made by its macros included."""
    source = SOURCE.read_text()
    names = re.findall(r"^OURS\((\w+)\)", source, re.MULTILINE)
    for rank in re.findall(r"^TENSOR_COPIES\((\d)\)", source, re.MULTILINE):
        names += [f"tensor_{kind}_{rank}d" for kind in ("load", "load_multicast", "store")]
    names += [
        f"tensor_load_im2col_{rank}d" for rank in re.findall(r"^TENSOR_LOAD_IM2COL\((\d)\)", source, re.MULTILINE)
    ]
    for n, a, b in re.findall(r"^WGMMA\((\d+), (\w+), (\w+)\)", source, re.MULTILINE):
        names += [f"wgmma_n{n}_{a}_{b}_{operand_a}" for operand_a in ("SS", "RS")]
    return names


@pytest.fixture(scope="module")
def functions(disassemble: Disassemble) -> dict[str, list[Instruction]]:
    """SASS of every kernel in primitives_sm90.cu."""
    return disassemble(SOURCE, "sm_90a")


def listed(code: list[Instruction]) -> list[str]:
    """Instructions with their registers; without padding and the targets of branches, which move with the length."""
    text = [f"{line.predicate} {line.opcode} {line.operands}".strip() for line in code if line.opcode != "NOP"]
    return [re.sub(r"(BRA\S*) 0x\w+", r"\1", line) for line in text]


def without_policy(code: list[str]) -> list[str]:
    """The code as if its load of a box stated no L2 policy: without that operand and the two moves that make it."""
    register = next((int(match[1]) for line in code if (match := POLICY.search(line))), None)
    if register is None:
        return code
    moves = {f"UMOV UR{register},0x0", f"UMOV UR{register + 1},0x10000000"}
    assert moves <= set(code)
    return [POLICY.sub("", line) for line in code if line not in moves]


def test_every_pair_is_compared(functions: dict[str, list[Instruction]]) -> None:
    pairs = {name for name in functions if not name.startswith("exchanged_")}
    assert pairs == {f"{side}_{name}" for side in ("ours", "cute") for name in primitives()}


@pytest.mark.parametrize("name", primitives())
def test_same_machine_code_as_cute(functions: dict[str, list[Instruction]], name: str) -> None:
    ours, cute = listed(functions[f"ours_{name}"]), listed(functions[f"cute_{name}"])
    is_box_load = name.startswith("tensor_load") and "im2col" not in name
    assert ours == (without_policy(cute) if is_box_load else cute)


def test_the_comparison_sees_a_difference(functions: dict[str, list[Instruction]]) -> None:
    cute = without_policy(listed(functions["cute_tensor_load_2d"]))
    assert listed(functions["exchanged_tensor_load_2d"]) != cute
    assert listed(functions["ours_wgmma_n32_S8_U8_SS"]) != listed(functions["cute_wgmma_n32_U8_S8_SS"])


def test_an_arrival_at_another_block_waits_for_no_memory(functions: dict[str, list[Instruction]]) -> None:
    """A release at the scope of the cluster would be a MEMBAR of the whole GPU in every stage of a pipeline."""
    assert not [line for line in listed(functions["ours_mbarrier_arrive_cluster"]) if "MEMBAR" in line]
