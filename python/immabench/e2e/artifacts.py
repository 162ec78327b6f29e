"""What cells are prepared from, made once by whoever measures: nothing is calibrated or exported twice."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from immabench.accuracy.experiment import Experiment, versions
from immabench.models.runtimes.base import Needs
from immabench.models.torch_compat import require
from immabench.quantize import ptq
from immabench.quantize.files import is_quantized, read_description, save_quantized
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.recipe_files import BUILT_IN
from immabench.quantize.recipes import Recipe


class ArtifactFolder:
    """A folder of quantized models, `<recipe>/`, and ONNX files, `<recipe>.onnx`, `<recipe>.tensorrt.onnx`.

    What is there from before is taken where it is of the same recipe.
    """

    def __init__(self, path: Path, experiment: Experiment) -> None:
        self.path, self._experiment = path, experiment
        self._quantized: dict[str, QuantizedModel] = {}

    def quantized(self, recipe: Recipe, needs: Needs) -> Path | None:
        """The folder of a quantized model; None for a runtime that takes none."""
        if needs != "quantized":
            return None
        folder = self.path / _file_name(recipe)
        if is_quantized(folder) and read_description(folder).recipe == recipe:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        model = self._experiment.model
        about = {"model": model.name, "title": model.title, "watermark": model.watermark}
        calibration = self._experiment.calibrated_with(recipe)
        save_quantized(self._model(recipe), folder, {**about, "calibration": calibration}, versions())
        return folder

    def onnx(self, recipe: Recipe, needs: Needs) -> Path | None:
        """The ONNX file for an engine; None for a runtime that takes none. Half of one is never taken for a whole.

        Beside it, `<file>.json` has the layers that the engine's format leaves in floats, with the reason.
        """
        if needs not in ("onnxruntime", "tensorrt"):
            return None
        engine = "" if needs == "onnxruntime" else f".{needs}"
        path = self.path / f"{_file_name(recipe)}{engine}.onnx"
        if not path.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"unfinished-{path.name}")
            in_floats = self._export(recipe, unfinished, needs)
            _beside(path).write_text(json.dumps(in_floats, indent=1) + "\n", encoding="utf-8")
            unfinished.replace(path)
        return path

    def in_floats(self, recipe: Recipe, needs: Needs) -> list[str]:
        """`layer: reason` of each layer that the ONNX file for an engine has in floats."""
        path = self.onnx(recipe, needs)
        found = json.loads(_beside(path).read_text(encoding="utf-8")) if path is not None else {}
        return [f"{layer}: {reason}" for layer, reason in found.items()]

    def _export(self, recipe: Recipe, path: Path, engine: str) -> dict[str, str]:
        require("onnx")
        from immabench.export import export_onnx

        model = self._experiment.model
        exported = export_onnx(self._model(recipe), path, engine=engine, dimensions=model.dimensions, model=model.name)
        return exported.in_floats

    def _model(self, recipe: Recipe) -> QuantizedModel:
        if recipe.digest not in self._quantized:
            self._quantized[recipe.digest] = (
                ptq.quantize(self._experiment.traced, recipe)  # a stored model has no other recipe than its own
                if recipe in BUILT_IN.values()
                else self._experiment.quantized(recipe)
            )
        return self._quantized[recipe.digest]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _file_name(recipe: Recipe) -> str:
    return re.sub(r"[^\w.=-]+", "-", recipe.name)
