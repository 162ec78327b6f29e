"""The manifest of assets, what there is of them, and files that are fetched only whole."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from immabench import assets
from immabench.assets import Asset, asset_named, checksum, fetch, known_assets, state_of
from immabench.errors import ImmabenchError, NothingSelectedError

CONTENT = b"codes"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(assets.VARIABLE, str(tmp_path / "assets"))
    return tmp_path / "assets"


def digest(content: bytes, kind: str = "sha256") -> str:
    return f"{kind}:{hashlib.new(kind, content).hexdigest()}"


def asset(**changes: Any) -> Asset:
    entry = {"name": "tiny", "title": "Tiny", "kind": "text", "source": "a test", "licence": "none"}
    return Asset(**{**entry, "files": {"a.txt": digest(CONTENT)}, **changes})


def official(tmp_path: Path, content: bytes = CONTENT, expected: bytes = CONTENT) -> Asset:
    (tmp_path / "source.txt").write_bytes(content)
    url = (tmp_path / "source.txt").as_uri()
    return asset(files={"a.txt": digest(expected)}, urls={"a.txt": url})


def test_the_manifest_states_every_file_with_a_checksum() -> None:
    names = [one.name for one in known_assets()]
    assert len(set(names)) == len(names)
    forms = {"sha256": 64, "md5": 32, "sha256-prefix": 8}
    for one in known_assets():
        for stated in one.files.values():
            kind, _, value = stated.partition(":")
            assert re.fullmatch(r"[0-9a-f]+", value)
            assert len(value) == forms[kind]


def test_official_addresses_are_torchvisions() -> None:
    from immabench.models.torch_compat import import_torchvision, is_installed

    if not is_installed("torchvision"):
        pytest.skip("torchvision is not installed: pip install 'immabench[models]'")
    torchvision: Any = import_torchvision()
    weights = asset_named("resnet18-torchvision")
    assert list(weights.urls.values()) == [torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url]
    # torchvision reads the pickled version of CIFAR-10; ours is the binary one, beside it.
    folder = torchvision.datasets.CIFAR10.url.rpartition("/")[0]
    assert list(asset_named("cifar10-official").urls.values()) == [f"{folder}/cifar-10-binary.tar.gz"]


def test_official_addresses_stay_what_they_are() -> None:
    """https, and of the Hub a revision: what a branch holds may change."""
    addresses = [url for one in known_assets() for url in one.urls.values()]
    assert all(url.startswith("https://") for url in addresses)
    hub = [url for url in addresses if "huggingface.co" in url]
    assert hub
    assert all(re.search(r"/resolve/[0-9a-f]{40}/", url) for url in hub)


def test_what_there_is_of_an_asset(here: Path) -> None:
    two = asset(files={"a.txt": digest(CONTENT), "b/": digest(f"{digest(CONTENT)[7:]}  c.txt\n".encode())})
    assert state_of(two).status == "missing"
    (here / "tiny" / "b").mkdir(parents=True)
    (here / "tiny" / "b" / "c.txt").write_bytes(CONTENT)
    state = state_of(two)
    assert (state.status, state.detail, state.bytes) == ("incomplete", "no a.txt", len(CONTENT))
    (here / "tiny" / "a.txt").write_bytes(CONTENT)
    assert state_of(two, compare=True).status == "present"
    (here / "tiny" / "a.txt").write_bytes(b"other")
    assert state_of(two).status == "present", "without comparing, files are there"
    state = state_of(two, compare=True)
    assert (state.status, state.detail) == ("damaged", "a.txt: not what the manifest has")


def test_a_folders_checksum_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    (tmp_path / "y").write_bytes(b"2")
    before = checksum(tmp_path)
    (tmp_path / "x").rename(tmp_path / "z")
    renamed = checksum(tmp_path)
    (tmp_path / "z").rename(tmp_path / "x")
    assert checksum(tmp_path) == before != renamed
    (tmp_path / "y").write_bytes(b"3")
    assert checksum(tmp_path) not in (before, renamed)


def test_fetched_files_are_whole(here: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    state = fetch(official(tmp_path), lambda *step: seen.append(step))
    assert (state.status, (here / "tiny" / "a.txt").read_bytes()) == ("present", CONTENT)
    assert seen == [("a.txt", len(CONTENT), len(CONTENT))]
    (tmp_path / "source.txt").unlink()
    assert fetch(official(tmp_path)).status == "present", "what is whole is not fetched again"


def test_another_file_is_refused_and_leaves_nothing(here: Path, tmp_path: Path) -> None:
    with pytest.raises(ImmabenchError, match="is not the file known by sha256:"):
        fetch(official(tmp_path, content=b"another"))
    assert list((here / "tiny").iterdir()) == []


def test_a_damaged_file_is_replaced(here: Path, tmp_path: Path) -> None:
    (here / "tiny").mkdir(parents=True)
    (here / "tiny" / "a.txt").write_bytes(b"half")
    assert fetch(official(tmp_path)).status == "present"
    assert (here / "tiny" / "a.txt").read_bytes() == CONTENT


def test_a_prefix_is_enough_where_a_source_states_no_more(here: Path, tmp_path: Path) -> None:
    whole = official(tmp_path)
    short = whole.model_copy(update={"files": {"a.txt": "sha256-prefix:" + digest(CONTENT)[7:15]}})
    assert fetch(short).status == "present"


def test_what_has_no_address_or_does_not_answer_is_one_line(here: Path, tmp_path: Path) -> None:
    with pytest.raises(ImmabenchError, match="tiny has no official address to fetch it from; it is from: a test"):
        fetch(asset())
    absent = (tmp_path / "absent").as_uri()
    with pytest.raises(ImmabenchError, match=r"cannot be fetched .*; copy the file to .*a.txt by hand"):
        fetch(asset(urls={"a.txt": absent}))


def test_unknown_names_have_neighbours() -> None:
    with pytest.raises(NothingSelectedError, match="nearest: resnet18-imagenet"):
        asset_named("resnet18-imagnet")


def test_without_a_variable_the_cache_is_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(assets.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert assets.folder() == tmp_path / "immabench" / "assets"
    assert assets.cache_folder() == tmp_path / "immabench"


def test_what_is_made_here_never_goes_to_the_assets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent))
    assert assets.folder() == here
    assert assets.cache_folder() == here.parent / "immabench"


@pytest.mark.skipif(assets.VARIABLE not in os.environ, reason=f"point {assets.VARIABLE} at the weights and data sets")
def test_assets_of_this_machine_are_those_of_the_manifest() -> None:
    states = [state_of(one, compare=True) for one in known_assets()]
    assert [state.detail for state in states if state.status in ("damaged", "incomplete")] == []
    assert any(state.status == "present" for state in states)
