"""Recipes on disk: found by model and name, read, changed by KEY=VALUE, written; one line for what is wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from immabench.errors import NothingSelectedError, UsageError
from immabench.quantize.recipes import Recipe, first_error

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its name on PyPI
    import tomli as tomllib

_SOURCE = Path(__file__).parents[3] / "models"
_INSTALLED = Path(__file__).parents[1] / "data" / "models"

BUILT_IN = {
    "fp32": Recipe(name="fp32", description="as trained, batch normalization folded"),
    "fp16": Recipe(name="fp16", description="every tensor rounded to fp16, sums in fp32", floats="fp16"),
    "bf16": Recipe(name="bf16", description="every tensor rounded to bf16, sums in fp32", floats="bf16"),
}
"""What every model has without a file."""


def recipe_names(family: str) -> list[str]:
    """The recipes of a family of models (a folder of `models/`), without those every model has."""
    return sorted(path.stem for path in _folder(family).glob("*.toml"))


def load_recipe(family: str, name: str, changes: Sequence[str] = ()) -> Recipe:
    """A recipe by name or, with a suffix or a folder in it, by path; then changed (`changed`).

    Raises NothingSelectedError with the nearest names, UsageError for a file that cannot be read or is no recipe.
    """
    if name in BUILT_IN:
        return changed(BUILT_IN[name], changes)
    is_path = name.endswith(".toml") or "/" in name
    path = Path(name) if is_path else _folder(family) / f"{name}.toml"
    if not is_path and not path.is_file():
        raise NothingSelectedError.nearest(f"recipe of {family}", name, [*BUILT_IN, *recipe_names(family)])
    return changed(read_recipe(path), changes)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; its name is the file's where it states none. Raises UsageError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"no recipe at {path}", "give the name of one, or a path to a TOML file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no recipe ({error})", "write it in TOML, see docs/quantization.md") from error
    return _validated({"name": path.stem, **table}, str(path))


def recipe_text(recipe: Recipe) -> str:
    """A recipe as a TOML file that `read_recipe` reads the same from; keys that have their defaults are left out."""
    content = recipe.model_dump(mode="json", exclude_defaults=True)
    layers = content.pop("layers", {})
    tables = {key: content.pop(key) for key, value in list(content.items()) if isinstance(value, dict)}
    blocks = [_lines(content)]
    blocks += [f"[{key}]\n{_lines(table)}" for key, table in tables.items()]
    blocks += [f"[layers.{_key(pattern)}]\n{_lines(table)}" for pattern, table in layers.items()]
    return "\n".join(blocks)


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """A recipe with "KEY=VALUE" changes, keys as in TOML: `activations.calibrator=mse`, `layers."conv1".floats=true`.

    The name says what was changed. Raises UsageError for what is no such text, an unknown key or an invalid result.
    """
    if not changes:
        return recipe
    table = recipe.model_dump(mode="json", exclude_none=True)
    for text in changes:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{text!r} is not KEY=VALUE", "write for example activations.calibrator=mse")
        *path, last = _parts(key)
        inner = table
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UsageError(f"{text!r}: {part} has no keys", "see docs/quantization.md")
        inner[last] = _parsed(value)
    table["name"] = f"{recipe.name} {' '.join(changes)}"
    return _validated(table, f"recipe {recipe.name} with {', '.join(changes)}")


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_written(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _written(key)


def _written(value: Any) -> str:
    """A TOML value. JSON's are, but for tables and that TOML wants DEL escaped too."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_written(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")


def _folder(family: str) -> Path:
    return (_INSTALLED if _INSTALLED.is_dir() else _SOURCE) / family / "recipes"


def _parts(key: str) -> list[str]:
    """The keys of a TOML key with dots; those in quotes may have dots themselves."""
    try:
        table = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    parts = []
    while isinstance(table, dict):
        ((part, table),) = table.items()
        parts.append(part)
    return parts


def _parsed(value: str) -> Any:
    """A TOML value where it is one, else the text itself."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _validated(table: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_error(error)}", "see docs/quantization.md") from error
