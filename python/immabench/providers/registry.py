"""Finds providers: the project's own, and those other packages register under `immabench.providers`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.kernels import match_names
from immabench.problems import Problem
from immabench.providers.base import Availability, Candidate, Launchable, Provider

ENTRY_POINT_GROUP = "immabench.providers"

OWN_PROVIDERS = {
    "handwritten": "immabench.providers.handwritten:HandwrittenProvider",
    "torch": "immabench.providers.torch_matmul:TorchProvider",
    "cublaslt": "immabench.providers.cublaslt:CublasLtProvider",
    "cutlass": "immabench.providers.cutlass:CutlassProvider",
    "cute_dsl": "immabench.providers.cute_dsl:CuteDslProvider",
    "reference": "immabench.providers.reference:ReferenceProvider",
}


class BrokenProvider:
    """Stands for a provider of another package that cannot be loaded: listed with its error, never selected."""

    ranked = False

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self._detail = f"cannot be loaded: {type(error).__name__}: {error}"

    def availability(self) -> Availability:
        return Availability(False, self._detail, "repair or uninstall the package that registers it")

    def devices(self) -> tuple[str, ...]:
        return ()

    def config_ids(self) -> tuple[str, ...]:
        return ()

    def configs(self, problem: object, device: str) -> list[Candidate]:
        return []

    def stated(self, problem: Problem, config_id: str) -> Problem:
        return problem

    def prepare(self, config_id: str, buffers: object) -> Launchable:
        raise ImmabenchError(f"provider {self.name} {self._detail}", self.availability().remedy)


def provider_names() -> list[str]:
    """Every registered name, the project's own first."""
    return [*OWN_PROVIDERS, *sorted(_third_party())]


def load_provider(name: str) -> Provider:
    """The provider of that name, a `BrokenProvider` where another package's cannot be loaded.

    Raises NothingSelectedError, with the nearest names, for an unknown one.
    """
    if name in OWN_PROVIDERS:
        module, _, attribute = OWN_PROVIDERS[name].partition(":")
        return cast(Provider, getattr(importlib.import_module(module), attribute)())
    found = _third_party()
    if name not in found:
        raise NothingSelectedError.nearest("provider", name, provider_names())
    try:
        return cast(Provider, found[name].load()())
    except Exception as error:  # noqa: BLE001 - another package's code may raise anything
        return BrokenProvider(name, error)


def select_providers(names: Sequence[str] = ()) -> list[Provider]:
    """The providers whose name matches any of the globs `names`, all without. Raises NothingSelectedError."""
    return [load_provider(name) for name in match_names("provider", provider_names(), names)]


def _third_party() -> dict[str, EntryPoint]:
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: entry for entry in found if entry.name not in OWN_PROVIDERS}
