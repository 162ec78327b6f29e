"""Our device primitives against CuTe's and CUDA's own, compiled the same way and compared as machine code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from immabench.profile.sass import Instruction

Disassemble = Callable[[Path, str], dict[str, list[Instruction]]]

pytestmark = pytest.mark.oracle

SOURCE = Path(__file__).parent / "primitives.cu"
# sm_80 has every one of them natively; on sm_90a the 4-bit ones are routines, which must be the same too.
ARCHITECTURES = ("sm_80", "sm_90a")
# CuTe compiles the xor form to a trap on sm_90, where the hardware has lost it.
ABSENT_IN_CUTE = {("sm_90a", "mma_m16n8k256_b1_xor")}
# CuTe asks L2 to fetch 128 bytes for small copies too; ours, which serve ragged rows, ask for what they read.
OMITTED_BY_US = {"copy_async_4": ".LTC128B", "copy_async_8": ".LTC128B"}
# libcu++ takes generic addresses; ours are global.
GENERIC_ATOMIC, GLOBAL_ATOMIC = "ATOM.", "ATOMG."


def primitives() -> list[str]:
    """Names of the pairs in primitives.cu."""
    macros = "MMA|FLOAT_MMA|MMA_B1|LDMATRIX|COPY_ASYNC|ATOMIC_ADD|COHERENT_LOAD"
    return re.findall(rf"^(?:{macros})\((\w+),", SOURCE.read_text(), re.MULTILINE)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def functions(request: pytest.FixtureRequest, disassemble: Disassemble) -> dict[str, list[Instruction]]:
    """SASS of every kernel in primitives.cu."""
    return disassemble(SOURCE, request.param)


def normalised(code: list[Instruction]) -> list[str]:
    """Instructions with registers and routine names replaced: what is computed, not where it is kept."""
    text = (f"{line.predicate} {line.opcode} {line.operands}".strip() for line in code)
    return [re.sub(r"\$__internal_\d+_", "", re.sub(r"\b(U?[RP])\d+\b", r"\1", line)) for line in text]


@pytest.mark.parametrize("name", primitives())
def test_same_machine_code_as_cute(
    functions: dict[str, list[Instruction]], name: str, request: pytest.FixtureRequest
) -> None:
    if (request.node.callspec.params["functions"], name) in ABSENT_IN_CUTE:
        pytest.skip("CuTe has no such atom on this architecture to compare with")
    theirs = [line.replace(OMITTED_BY_US.get(name, ""), "") for line in normalised(functions[f"cute_{name}"])]
    theirs = [line.replace(GENERIC_ATOMIC, GLOBAL_ATOMIC) for line in theirs]
    assert normalised(functions[f"ours_{name}"]) == theirs


def test_the_comparison_sees_a_difference(functions: dict[str, list[Instruction]]) -> None:
    ours = normalised(functions["ours_mma_m16n8k32_s8_s8"])
    assert ours != normalised(functions["cute_mma_m16n8k32_s8_u8"])
    assert ours != normalised(functions["cute_mma_m16n8k16_s8_s8"])
    assert normalised(functions["ours_mma_m16n8k16_f16"]) != normalised(functions["cute_mma_m16n8k16_bf16"])
    relaxed, acq_rel = (normalised(functions[f"ours_atomic_add_global{order}"]) for order in ("", "_acq_rel"))
    assert relaxed != acq_rel
    assert [any("MEMBAR" in line and ".GPU" in line for line in code) for code in (relaxed, acq_rel)] == [False, True]
