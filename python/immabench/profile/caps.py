"""The table of instruction capabilities made at build time: what each architecture does natively, emulates or lacks."""

from __future__ import annotations

from typing import Any

from immabench.errors import UsageError
from immabench.profile.facts import read_package_data


def load_caps() -> dict[str, Any]:
    """The whole table: {"schema_version", "assembler", "architectures": {"sm_90": [row, ...]}}.

    A row is {"name", "group", "status", "sass", "detail", "target"}.
    Raises MissingHardwareError where the package was built without CUDA.
    """
    table: dict[str, Any] = read_package_data("caps.json", "the table of instruction capabilities")
    return table


def capabilities(arch: str) -> dict[str, Any]:
    """{"arch", "assembler", "instructions": [row, ...]} of `arch`; "sm_90a", "sm_90" and "90" mean the same.

    `target` of a row is what the instruction has to be compiled for: sm_90a where the plain sm_90 lacks it.
    """
    table = load_caps()
    known = table["architectures"]
    name = "sm_" + arch.lower().removeprefix("sm_").rstrip("af")
    if name not in known:
        raise UsageError(f"unknown architecture {arch!r}", f"known: {', '.join(known)}")
    return {"arch": name, "assembler": table["assembler"], "instructions": known[name]}
