"""A trained model named so that another process finds the same: by name, local files and how many samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from immabench.models.trained import TrainedModel, trained_model, with_local


@dataclass(frozen=True)
class ModelSource:
    """What the options of a command chose; paths as text, None where an asset is meant."""

    name: str
    weights: str | None = None
    data: str | None = None
    calibration: str | None = None
    limit: int | None = None

    @property
    def model(self) -> TrainedModel:
        """Raises NothingSelectedError for an unknown name, UsageError for a model that takes no local files."""
        paths = (Path(path) if path else None for path in (self.weights, self.data, self.calibration))
        return with_local(trained_model(self.name), *paths)

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it: `ModelSource(**values)` reads it back."""
        return asdict(self)
