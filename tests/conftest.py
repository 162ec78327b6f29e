"""What unit and end-to-end tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Benchmarks hold speed: a slow machine fails no test.
settings.register_profile("immabench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("immabench")

InstallProvider = Callable[[str, str], Path]


@pytest.fixture
def install_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallProvider:
    """Install a provider as another package would: `install_provider(name, source)`, the source defining `Provider`.

    It is seen by this process and by those it starts.
    """

    def install(name: str, source: str) -> Path:
        folder = tmp_path / f"site-{name}"
        information = folder / f"{name}-1.0.dist-info"
        information.mkdir(parents=True)
        (folder / f"{name}_provider.py").write_text(source)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        entry = f"[immabench.providers]\n{name} = {name}_provider:Provider\n"
        (information / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(folder))
        inherited = os.environ.get("PYTHONPATH", "")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), inherited))))
        return folder

    return install


PROVIDER_SOURCE = '''
"""A provider whose configurations misbehave, each in its own way."""
import ctypes, os, time
import numpy as np
from immabench.errors import MissingHardwareError
from immabench.providers.base import Availability, Candidate
from immabench.providers.reference import ReferenceLaunch

class Launch(ReferenceLaunch):
    def __init__(self, buffers, config_id):
        super().__init__(buffers)
        self.out = buffers.out
        self.backend = "misbehaving:" + config_id
        self.config_id = config_id

    def launch(self):
        if self.config_id == "segfault":
            ctypes.string_at(0)
        if self.config_id == "exit":
            os._exit(3)
        if self.config_id == "hang":
            time.sleep(3600)
        if self.config_id == "raise":
            raise RuntimeError("two\\nlines")
        if self.config_id == "slow":
            time.sleep(0.05)
        super().launch()
        if self.config_id == "wrong":
            self.out.reshape(-1)[0] = 1 + (self.out.reshape(-1)[0] == 1)
        if self.config_id == "chatty":
            print("noise on standard output")
            os.system("echo noise from a child")

class Provider:
    name = "misbehaving"
    ranked = False
    IDS = ("good", "segfault", "exit", "hang", "raise", "wrong", "chatty", "nohardware", "slow")
    def availability(self):
        return Availability(True, "for tests")
    def devices(self):
        return ("cpu",)
    def config_ids(self):
        return self.IDS
    def configs(self, problem, device):
        return [Candidate(name) for name in self.IDS]
    def stated(self, problem, config_id):
        return problem
    def prepare(self, config_id, buffers):
        if config_id == "nohardware":
            raise MissingHardwareError("no tensor cores", "buy some")
        return Launch(buffers, config_id)
'''


@pytest.fixture
def misbehaving(install_provider: InstallProvider) -> str:
    """Install the provider `misbehaving`; its configurations are good, segfault, exit, hang, raise, wrong, ..."""
    install_provider("misbehaving", PROVIDER_SOURCE)
    return "misbehaving"
