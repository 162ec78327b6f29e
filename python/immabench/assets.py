"""Weights and data of models: where they lie on this machine, whether they are whole, where official ones come from.

None of them is part of the package. `models/assets.toml` states each with its files and their checksums; they lie in
folders of their names within `folder()`. Here files are fetched and compared, never opened.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Literal
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import BaseModel, ConfigDict, Field

from immabench.errors import ImmabenchError, NothingSelectedError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its name on PyPI
    import tomli as tomllib

VARIABLE = "IMMABENCH_ASSETS"
"""The environment variable that names the folder of assets."""

_INSTALLED = Path(__file__).parent / "data" / "assets.toml"
_SOURCE = Path(__file__).parents[2] / "models" / "assets.toml"

CHUNK = 1 << 20

Status = Literal["present", "missing", "incomplete", "damaged"]
Progress = Callable[[str, int, int], None]
"""Of a file: its name, bytes so far, bytes in all (0 where unknown)."""


class Asset(BaseModel):
    """One `[[assets]]` of the manifest. `files` have checksums: `sha256:`, `md5:`, or `sha256-prefix:` where a source
    states no more; a name that ends in a slash is a folder, whose checksum is of its files' (`checksum`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    kind: Literal["weights", "images", "text"]
    source: str
    licence: str
    files: Annotated[dict[str, str], Field(min_length=1)]
    urls: dict[str, str] = {}

    @property
    def fetchable(self) -> bool:
        """Whether all of it can be fetched."""
        return set(self.urls) == set(self.files)


@dataclass(frozen=True)
class AssetState:
    """What there is of an asset; `detail` says what is not right."""

    asset: Asset
    status: Status
    path: Path
    bytes: int
    detail: str = ""


def cache_folder() -> Path:
    """What immabench makes and may make again, such as models trained here: `immabench` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "immabench"


def folder() -> Path:
    """Where assets lie: `IMMABENCH_ASSETS`, which may be read-only, else `assets` in `cache_folder()`."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    return cache_folder() / "assets"


def known_assets() -> list[Asset]:
    """Every asset of the manifest."""
    path = _INSTALLED if _INSTALLED.is_file() else _SOURCE
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["assets"]
    return [Asset.model_validate(entry) for entry in entries]


def asset_named(name: str) -> Asset:
    """The asset called `name`. Raises NothingSelectedError with the nearest names."""
    by_name = {asset.name: asset for asset in known_assets()}
    if name not in by_name:
        raise NothingSelectedError.nearest("asset", name, by_name)
    return by_name[name]


def state_of(asset: Asset, *, compare: bool = False) -> AssetState:
    """What there is of an asset; with `compare` every byte is read and compared with its checksum."""
    path = folder() / asset.name
    there = {name: (path / name).exists() for name in asset.files}
    size = sum(one.stat().st_size for name, exists in there.items() if exists for one in _files(path / name))
    if not any(there.values()):
        return AssetState(asset, "missing", path, 0)
    absent = [name for name, exists in there.items() if not exists]
    if absent:
        return AssetState(asset, "incomplete", path, size, f"no {', '.join(absent)}")
    wrong = [name for name, expected in asset.files.items() if compare and not _matches(path / name, expected)]
    detail = f"{', '.join(wrong)}: not what the manifest has" if wrong else ""
    return AssetState(asset, "damaged" if wrong else "present", path, size, detail)


def fetch(asset: Asset, progress: Progress = lambda *_: None) -> AssetState:
    """Bring the files of an asset that are not there from their official addresses; whole ones stay as they are.

    A file takes its place when its checksum is right, so that an interrupted fetch leaves nothing that looks whole.
    Raises ImmabenchError for one that cannot be fetched, does not arrive, or is another one.
    """
    if not asset.fetchable:
        raise ImmabenchError(f"{asset.name} has no official address to fetch it from", f"it is from: {asset.source}")
    path = folder() / asset.name
    for name, expected in asset.files.items():
        if not ((path / name).is_file() and _matches(path / name, expected)):
            _fetch_file(asset.urls[name], path / name, expected, progress)
    return state_of(asset)


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The digest of a file; of a folder that of lines `digest  name`, its files' in the order of their names."""
    digest = hashlib.new(algorithm)
    if path.is_dir():
        for one in _files(path):
            digest.update(f"{checksum(one, algorithm)}  {one.relative_to(path).as_posix()}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or all files of a folder in the order of their names."""
    if path.is_dir():
        yield from sorted(one for one in path.rglob("*") if one.is_file())
    else:
        yield path


def _matches(path: Path, expected: str) -> bool:
    kind, _, digest = expected.partition(":")
    found = checksum(path, kind.removesuffix("-prefix"))
    return found.startswith(digest) if kind.endswith("-prefix") else found == digest


def _fetch_file(url: str, path: Path, expected: str, progress: Progress) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(url, timeout=60) as answer, partial.open("wb") as stream:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while piece := answer.read(CHUNK):
                stream.write(piece)
                done += len(piece)
                progress(path.name, done, total)
        if not _matches(partial, expected):
            raise ImmabenchError(f"{url} is not the file known by {expected}", "fetch it again, or ask its source")
        partial.replace(path)
    except (URLError, HTTPException) as error:
        why = getattr(error, "reason", error)
        raise ImmabenchError(f"{url} cannot be fetched ({why})", f"copy the file to {path} by hand") from error
    except OSError as error:
        raise ImmabenchError(f"{path} cannot be written ({error})", f"point {VARIABLE} at a writable folder") from error
    finally:
        partial.unlink(missing_ok=True)
