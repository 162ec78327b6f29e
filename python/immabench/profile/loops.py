"""Natural loops of a SASS function: which instructions run again and again, wherever the compiler put them.

Standard library only: used at build time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immabench.profile.sass import Instruction

_JUMPS = {"BRA", "JMP", "BSYNC"}
_ENDS = {"EXIT", "RET", "KILL"}


def natural_loops(code: Sequence[Instruction]) -> list[set[int]]:
    """Loops as sets of instruction indices, one a loop head.

    A loop is the target of a backward jump and everything that reaches that jump without passing the target; blocks the
    compiler moved out of line are found that way. Jumps whose target can be bypassed form no loop.
    """
    starts, successors = _blocks(code)
    predecessors: list[list[int]] = [[] for _ in starts]
    for block, targets in enumerate(successors):
        for target in targets:
            predecessors[target].append(block)
    loops: dict[int, set[int]] = {}
    for latch, targets in enumerate(successors):
        for head in (target for target in targets if target <= latch):
            if body := _body(head, latch, predecessors):
                loops.setdefault(head, set()).update(body)
    ends = [*starts[1:], len(code)]
    return [set(chain.from_iterable(range(starts[block], ends[block]) for block in body)) for body in loops.values()]


def _body(head: int, latch: int, predecessors: Sequence[Sequence[int]]) -> set[int]:
    """Blocks that reach `latch` without passing `head`; empty if the function's entry does."""
    body, waiting = {head, latch}, [latch] if head != latch else []
    while waiting:
        for block in predecessors[waiting.pop()]:
            if block not in body:
                if block == 0:
                    return set()
                body.add(block)
                waiting.append(block)
    return body


def _blocks(code: Sequence[Instruction]) -> tuple[list[int], list[list[int]]]:
    """Basic blocks: the index of the first instruction of each, and the blocks each may go on to."""
    index_of = {instruction.address: index for index, instruction in enumerate(code)}
    leaves = [index for index, instruction in enumerate(code) if _leaves(instruction)]
    targets = {index_of[to] for instruction in code for to in _targets(instruction) if to in index_of}
    starts = sorted({0, *targets, *(index + 1 for index in leaves if index + 1 < len(code))})
    block_at = {start: block for block, start in enumerate(starts)}
    ends = [*starts[1:], len(code)]
    successors = []
    for block, end in enumerate(ends):
        goes_on = end < len(code) and not (_leaves(code[end - 1]) and code[end - 1].always_runs)
        jumps = [block_at[index_of[to]] for to in _jump_targets(code[end - 1]) if to in index_of]
        successors.append([*jumps, *([block + 1] if goes_on else [])])
    _add_meetings(code, [range(start, end) for start, end in zip(starts, ends, strict=True)], block_at, successors)
    return starts, successors


def _add_meetings(
    code: Sequence[Instruction], blocks: Sequence[range], block_at: dict[int, int], successors: list[list[int]]
) -> None:
    """Add where each BSYNC goes: to the targets of those BSSY on its register that reach it.

    A forward data flow. What is found makes more of the function reachable, so it goes on until nothing is added.
    """
    index_of = {instruction.address: index for index, instruction in enumerate(code)}
    reaching: list[dict[str, set[int]]] = [{} for _ in blocks]
    waiting = list(range(len(blocks)))
    while waiting:
        block = waiting.pop()
        known = {register: set(meetings) for register, meetings in reaching[block].items()}
        for index in blocks[block]:
            if code[index].mnemonic == "BSSY":
                known[_register(code[index])] = {index_of[to] for to in _addresses(code[index]) if to in index_of}
        last = code[blocks[block][-1]]
        if last.mnemonic == "BSYNC":
            found = [block_at[index] for index in known.get(_register(last), ())]
            successors[block] += [target for target in found if target not in successors[block]]
        for target in successors[block]:
            if _join(reaching[target], known):
                waiting.append(target)


def _join(into: dict[str, set[int]], known: dict[str, set[int]]) -> bool:
    """Whether `into` learns something."""
    before = sum(map(len, into.values()))
    for register, meetings in known.items():
        into.setdefault(register, set()).update(meetings)
    return sum(map(len, into.values())) > before


def _leaves(instruction: Instruction) -> bool:
    return instruction.mnemonic in _JUMPS or instruction.mnemonic in _ENDS


def _jump_targets(instruction: Instruction) -> list[int]:
    return _addresses(instruction) if instruction.mnemonic in _JUMPS - {"BSYNC"} else []


def _targets(instruction: Instruction) -> list[int]:
    """Where a block begins because of this instruction: BSSY says where threads meet again."""
    return _addresses(instruction) if instruction.mnemonic == "BSSY" else _jump_targets(instruction)


def _register(instruction: Instruction) -> str:
    return instruction.operands.split(",")[0]


def _addresses(instruction: Instruction) -> list[int]:
    return [int(text, 16) for text in re.findall(r"\b0x[0-9a-f]+", instruction.operands)[-1:]]
