"""The configurations of a competitor with tiles like ours, in the order in which our model expects them to be fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immabench.kernels import KernelConfig
from immabench.predict import machine_of, machine_of_device, rank_configs
from immabench.problems import Problem
from immabench.providers.base import Candidate
from immabench.providers.native_launch import EMULATED_GPU


def ranked_candidates(
    reasons: Mapping[KernelConfig, str | None], problem: Problem, gpu: dict[str, Any] | None
) -> list[Candidate]:
    """Candidates of configurations and why each is illegal: the legal ranked as kernels of ours with their tiles would
    be, on `gpu` of `cuda_devices()` or on the GPU that is assumed without one; then the illegal.
    """
    legal = [config for config, reason in reasons.items() if reason is None]
    ranked = rank_configs(legal, problem, machine_of_device(gpu) if gpu else machine_of(EMULATED_GPU))
    illegal = [Candidate(config.id, reason) for config, reason in reasons.items() if reason is not None]
    return [*(Candidate(entry.config.id) for entry in ranked), *illegal]
