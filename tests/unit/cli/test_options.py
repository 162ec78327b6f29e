"""Options that several commands take are one: the same word means the same everywhere."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from immabench.cli import build_app

SHAPE = ("--shape", "64x64x64")


@pytest.mark.parametrize(
    "command",
    [
        ("sweep", *SHAPE),
        ("verify", *SHAPE),
        ("emulate", "imma_s8s8s32_64x64x64_w2x2_s4_sm80", *SHAPE),
        ("ab", "torch_fp32", "torch_int8", *SHAPE),
    ],
)
def test_seeds_are_not_negative(run: Any, command: tuple[str, ...]) -> None:
    result = run(*command, "--seed", "-1")
    assert result.code == 2
    assert "--seed" in result.err


def test_every_command_says_json_in_the_same_words() -> None:
    found = list[str]()

    def walk(command: Any) -> None:
        for inner in getattr(command, "commands", {}).values():
            walk(inner)
        found.extend(option.help for option in command.params if "--json" in option.opts)

    walk(typer.main.get_command(build_app()))
    assert len(found) > 20
    assert set(found) == {"Print JSON and nothing else."}
