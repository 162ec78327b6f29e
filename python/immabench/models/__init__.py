"""Models that immabench knows: what they are, and how to trace them into suites. Importing this loads no torch."""

from __future__ import annotations

from immabench.errors import NothingSelectedError
from immabench.models import distilbert, resnet18
from immabench.models.spec import Model

__all__ = ["Model", "get_model", "list_models"]

_MODELS = (distilbert.MODEL, resnet18.MODEL, resnet18.CONVOLUTIONS)


def list_models() -> list[Model]:
    """Every model, sorted by name."""
    return sorted(_MODELS, key=lambda model: model.name)


def get_model(name: str) -> Model:
    """The model of that name. Raises NothingSelectedError, with the nearest names, for an unknown one."""
    models = {model.name: model for model in _MODELS}
    if name not in models:
        raise NothingSelectedError.nearest("model", name, sorted(models))
    return models[name]
