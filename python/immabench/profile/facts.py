"""What the build found out about the compiled kernels, as installed with the package."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import asdict
from typing import Any

from immabench.errors import MissingHardwareError
from immabench.profile.occupancy import occupancy


def read_package_data(name: str, what: str) -> Any:
    """JSON file `data/<name>` of the installed package. A CPU build lacks it: MissingHardwareError, naming `what`."""
    file = importlib.resources.files("immabench").joinpath("data", name)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingHardwareError(
            f"{what} is not in this installation: it was built without CUDA or without nvdisasm",
            "reinstall with `pip install .` (no GPU is needed)",
        ) from None


def load_sass_facts() -> dict[str, Any]:
    """SASS facts of every compiled kernel: {"schema_version", "kernels": [...]}.

    One entry a kernel id, variant and architecture. Each carries `kernel_id`, `variant` ("aligned" | "ragged"), `arch`,
    `registers`, `stack_bytes`, `local_loads`, `local_stores`, `spills`, `instructions`, `histogram`, `mix`, `mma`,
    `calls`, `main_loop` (the same last five for the innermost loop with matrix instructions, or None) and `occupancy`
    {"blocks_per_sm", "warps_per_sm", "limited_by"}.
    Raises MissingHardwareError where the package was built without CUDA.
    """
    facts: dict[str, Any] = read_package_data("sass_facts.json", "the table of SASS facts")
    for kernel in facts["kernels"]:
        kernel["occupancy"] = asdict(
            occupancy(
                kernel["arch"],
                registers=kernel["registers"],
                threads=kernel["threads"],
                shared_bytes=kernel["static_shared_bytes"] + kernel["dynamic_shared_bytes"],
            )
        )
    return facts


def registers_by_kernel() -> dict[str, dict[str, int]]:
    """Registers a thread by kernel and architecture, the most of its variants; empty in a build without SASS facts."""
    try:
        facts = load_sass_facts()["kernels"]
    except MissingHardwareError:
        return {}
    found: dict[str, dict[str, int]] = {}
    for fact in facts:
        by_arch = found.setdefault(fact["kernel_id"], {})
        by_arch[fact["arch"]] = max(fact["registers"], by_arch.get(fact["arch"], 0))
    return found
