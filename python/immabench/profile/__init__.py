"""What the compiled kernels are made of, and what counters of a GPU say of launches: SASS facts, occupancy, actions."""

from __future__ import annotations

from immabench.profile.facts import load_sass_facts, registers_by_kernel

__all__ = ["load_sass_facts", "registers_by_kernel"]
