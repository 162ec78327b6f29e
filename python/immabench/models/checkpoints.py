"""Weights from files into a model: safetensors, or torch's own format where it holds tensors and nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from immabench.errors import UsageError
from immabench.models.torch_compat import require

PICKLED = (".pth", ".pt", ".th", ".bin")
"""Suffixes of torch's own format."""

UNUSED = "num_batches_tracked"
"""Counts the batches of training; a checkpoint for evaluation may leave it out."""


def load_weights(model: torch.nn.Module, path: Path) -> torch.nn.Module:
    """`model`, whose weights become those of the checkpoint as float32, in evaluation mode.

    Raises UsageError for a file that holds anything but tensors, that is of another model, or whose values are not
    finite; the message names the first tensor that is not right.
    """
    tensors = read_checkpoint(path)
    _check_fit(model.state_dict(), tensors, path)
    model.load_state_dict(tensors, strict=False)
    return model.eval()


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name, floats as float32; the prefix `module.` of parallel training is left out.

    Raises UsageError for a file that cannot be read or holds anything but tensors, and for values that are not finite.
    """
    found = _read(path)
    tensors = {name.removeprefix("module."): _widened(tensor) for name, tensor in found.items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise UsageError(f"{path}: {name} has values that are not finite", "give weights that training left finite")
    return tensors


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise UsageError(f"{path} is no file", "give a checkpoint: .safetensors, or .pth of tensors alone")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLED:
        return _read_pickled(path)
    raise UsageError(f"{path} has the suffix of no checkpoint", f"known: .safetensors, {', '.join(PICKLED)}")


def _read_safetensors(path: Path) -> Mapping[str, torch.Tensor]:
    require("safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is no whole safetensors file ({error})", "fetch or save it again") from None


def _read_pickled(path: Path) -> Mapping[str, torch.Tensor]:
    """torch's format is pickled, and would run what it holds: torch's own reader that admits tensors alone is used."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path} is no checkpoint of tensors alone ({why})", _SAVE) from None
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping) or not all(isinstance(one, torch.Tensor) for one in content.values()):
        raise UsageError(f"{path} holds more than tensors by name", _SAVE)
    return content


_SAVE = "save model.state_dict() as .safetensors"


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _check_fit(expected: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raise UsageError with the first difference of names, shapes or types, and how many more there are."""
    needed = (name for name in expected if not name.endswith(UNUSED))
    wrong = [f"no {name}" for name in needed if name not in given]
    wrong += [f"{name} is not of the model" for name in given if name not in expected]
    wrong += [
        f"{name} is {_described(given[name])}, not {_described(tensor)}"
        for name, tensor in expected.items()
        if name in given and _described(given[name]) != _described(tensor)
    ]
    if wrong:
        more = f", and {len(wrong) - 1} more differences" if len(wrong) > 1 else ""
        raise UsageError(f"{path} is of another model: {wrong[0]}{more}", f"models: {_known()}")


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _known() -> str:
    from immabench.models.trained import trained_models

    return ", ".join(model.name for model in trained_models())
