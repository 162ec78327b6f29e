"""The emulated machine against hardware: every primitive on random inputs, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench import _native

ROUNDS = 50
FLOAT_RESULTS = {"multiply_rn", "add_rn", "divide_rn", "sqrt_rn", "from_16_bits"}


def _special(values: np.ndarray, seed: int) -> None:
    """Overwrite some words with what arithmetic trips over: zeros, infinities, NaNs, subnormals, ends of the range."""
    special = np.array([0, 1, -1, 0x7F800000, 0x7FC00000, 0x00000001, 0x007FFFFF, 0x477FE000, 0x33000000], np.int32)
    special = np.concatenate([special, special | np.int32(-(2**31))])
    generator = np.random.default_rng(seed)
    where = generator.random(values.shape) < 0.25
    values[where] = generator.choice(special, int(where.sum()))


def _require_sm90a() -> None:
    import torch

    major, minor = torch.cuda.get_device_capability()
    if (major, minor) != (9, 0):
        pytest.skip(f"needs sm_90a; this GPU is sm_{major}{minor}")
    if "sm_90a" not in _native.build_info()["architectures"]:
        pytest.skip("this build has no code for sm_90a: reinstall with -C cmake.define.IMMABENCH_CUDA_ARCHS=90a")


@pytest.mark.parametrize("probe", _native.probes(), ids=lambda probe: probe["name"])
def test_a_primitive_does_on_hardware_what_it_does_under_emulation(probe: dict[str, Any]) -> None:
    import torch

    name = probe["name"]
    if probe["architecture"] == "sm_90a":
        _require_sm90a()
    for seed in range(ROUNDS):
        values = np.random.default_rng(seed).integers(-(2**31), 2**31, (16, probe["threads"]), np.int32)
        if seed % 2:
            _special(values, seed)
        host = torch.from_numpy(values)
        aligned = torch.empty_like(host).copy_(host)  # torch aligns to 64 bytes
        emulated, launched = torch.zeros_like(host), torch.zeros_like(host, device="cuda")
        assert _native.emulate_probe(name, aligned, emulated)["hazards"] == []
        _native.launch_probe(name, aligned.cuda(), launched, stream=torch.cuda.current_stream().cuda_stream)
        want, got = emulated.numpy(), launched.cpu().numpy()
        if name in FLOAT_RESULTS:  # which NaN is the one thing IEEE 754 leaves open
            floats = want[0].view(np.float32), got[0].view(np.float32)
            assert (np.isnan(floats[0]) == np.isnan(floats[1])).all()
            want[0][np.isnan(floats[0])] = got[0][np.isnan(floats[1])] = 0
        differs = np.argwhere(want != got)
        assert not len(differs), f"seed {seed}, word and thread {differs[0]}: {want[want != got][0]:#x} emulated"
