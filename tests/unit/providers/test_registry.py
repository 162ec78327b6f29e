"""Providers are found by name, those of other packages too."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import ImmabenchError, NothingSelectedError
from immabench.providers.registry import BrokenProvider, load_provider, provider_names, select_providers


def test_own_providers_come_first() -> None:
    assert provider_names()[:6] == ["handwritten", "torch", "cublaslt", "cutlass", "cute_dsl", "reference"]


@pytest.mark.parametrize("name", ["handwritten", "torch", "cutlass", "cute_dsl", "reference"])
def test_own_providers_answer_to_their_name(name: str) -> None:
    assert load_provider(name).name == name


def test_a_plugin_is_selected_by_glob(misbehaving: str) -> None:
    assert [provider.name for provider in select_providers(["mis*"])] == ["misbehaving"]


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(NothingSelectedError, match="nearest: handwritten"):
        load_provider("handwriten")


def test_a_plugin_cannot_replace_an_own_provider(install_provider: Any) -> None:
    install_provider("torch", "raise RuntimeError")
    assert type(load_provider("torch")).__module__ == "immabench.providers.torch_matmul"


def test_a_broken_plugin_is_listed_with_its_error(install_provider: Any) -> None:
    install_provider("broken", "raise ValueError('no luck')")
    provider = load_provider("broken")
    assert isinstance(provider, BrokenProvider)
    assert provider.availability().detail == "cannot be loaded: ValueError: no luck"
    assert provider.devices() == provider.config_ids() == ()
    assert provider.configs(None, "cpu") == []
    with pytest.raises(ImmabenchError, match="no luck"):
        provider.prepare("", None)
