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
    jumps = {index: _destinations(instruction, code) for index, instruction in enumerate(code) if _leaves(instruction)}
    targets = {index: [index_of[address] for address in to if address in index_of] for index, to in jumps.items()}
    starts = sorted({0, *chain.from_iterable(targets.values()), *(i + 1 for i in jumps if i + 1 < len(code))})
    block_at = {start: block for block, start in enumerate(starts)}
    successors = []
    for block, end in enumerate([*starts[1:], len(code)]):
        goes_on = end < len(code) and not (_leaves(code[end - 1]) and code[end - 1].always_runs)
        following = [block + 1] if goes_on else []
        successors.append([*(block_at[target] for target in targets.get(end - 1, [])), *following])
    return starts, successors


def _leaves(instruction: Instruction) -> bool:
    return instruction.mnemonic in _JUMPS or instruction.mnemonic in _ENDS


def _destinations(instruction: Instruction, code: Sequence[Instruction]) -> list[int]:
    """Addresses a jump may go to. BSYNC goes where a BSSY on the same register said that threads meet again."""
    if instruction.mnemonic != "BSYNC":
        return _addresses(instruction)
    register = instruction.operands.split(",")[0]
    meetings = (other for other in code if other.mnemonic == "BSSY" and other.operands.split(",")[0] == register)
    return [address for meeting in meetings for address in _addresses(meeting)]


def _addresses(instruction: Instruction) -> list[int]:
    return [int(text, 16) for text in re.findall(r"\b0x[0-9a-f]+", instruction.operands)[-1:]]
