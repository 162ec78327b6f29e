"""Every product of the models, at its real shape, by the kernels that would be taken for it: right in every bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from running import expect_exact

from immabench.kernels import KernelConfig, illegal_reason, kernel_configs
from immabench.predict import gpu_named, machine_of
from immabench.predict.ranking import rank_configs
from immabench.problems import Problem, conv_problem
from immabench.suites import load_suite

SUITES = {"resnet18-conv": "b1/", "distilbert": "b1s128/"}
"""Models, with the cases that are run: one image, one sequence of 128 tokens."""

CASES = {
    case.problem.key: case.problem
    for name, variant in SUITES.items()
    for case in load_suite(name).expand()
    if any(use.startswith(variant) for use, _ in case.uses)
}
MACHINE = machine_of(gpu_named("H200"))


def fastest(problem: Problem, by_wgmma: bool) -> KernelConfig | None:
    """The kernel predicted to be fastest on Hopper, of those by wgmma or of the others."""
    offered = [config for config in kernel_configs() if config.by_wgmma is by_wgmma]
    legal = [config for config in offered if illegal_reason(config, problem) is None]
    return rank_configs(legal, problem, MACHINE)[0].config if legal else None


def expect_both_exact(problem: Problem) -> None:
    chosen = [fastest(problem, by_wgmma) for by_wgmma in (False, True)]
    assert chosen[0] is not None, "mma.sync takes every product"
    for config in filter(None, chosen):
        expect_exact(config, problem, multiprocessors=MACHINE.sm_count)


@pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
def test_exact_at_real_shapes(problem: Problem) -> None:
    expect_both_exact(problem)


def padded(problem: Problem) -> Problem:
    """With the 3 channels of a photograph as 16: packed weights take pixels of whole 16 bytes."""
    geometry = problem.convolution
    if geometry is None or geometry.channels != 3:
        return problem
    return conv_problem(replace(geometry, channels=16), problem.n)


@pytest.mark.parametrize("problem", [case for case in CASES.values() if case.batch == 1], ids=lambda case: case.key)
def test_exact_with_4_bit_weights(problem: Problem) -> None:
    expect_both_exact(replace(padded(problem), b_type="s4"))


def test_the_models_are_complete() -> None:
    """ResNet-18: 11 different convolutions and a classifier. DistilBERT: 3 shapes of layers, 2 of attention, a head."""
    families = [problem.family for problem in CASES.values()]
    assert families.count("conv2d_s8") == 11
    assert sum(problem.batch > 1 for problem in CASES.values()) == 2
    assert len(CASES) == 11 + 1 + 3 + 2 + 2
