"""What the compiled kernels are made of: SASS facts, occupancy, and what each architecture's instructions become."""

from __future__ import annotations

from immabench.profile.facts import load_sass_facts, registers_by_kernel

__all__ = ["load_sass_facts", "registers_by_kernel"]
