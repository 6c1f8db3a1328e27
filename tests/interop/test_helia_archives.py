"""CAR files and names of Helia are ours, and ours are Helia's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from helia_node import HeliaError, HeliaNode

from ipfs_accelerate.content import Cid, MemoryBlocks, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.car import export_car, import_car
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.naming import parse_name, publish, verify
from ipfs_accelerate.content.reading import iter_file
from ipfs_accelerate.content.release import add_tree
from ipfs_accelerate.errors import SignatureError

PROFILES = ["unixfs-v1-2025", "unixfs-v0-2015"]


@pytest.fixture(scope="module")
def helia(start_helia: Callable[..., HeliaNode]) -> HeliaNode:
    return start_helia()


@pytest.fixture(scope="module")
def other(start_helia: Callable[..., HeliaNode]) -> HeliaNode:
    """A node that has nothing but what a test gives it."""
    return start_helia()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(np.random.default_rng(3).bytes(3_500_001))
    return path


@pytest.mark.parametrize("profile", PROFILES)
def test_archives_go_both_ways(
    helia: HeliaNode, other: HeliaNode, data: Path, profile: str
) -> None:
    theirs, ours = data.with_name("theirs.car"), data.with_name("ours.car")
    root = Cid.parse(helia.ask("add", path=str(data), profile=profile)["cid"])
    helia.ask("export_car", cid=str(root), path=str(theirs))

    store = MemoryBlocks()
    with theirs.open("rb") as stream:
        imported = import_car(stream, store)
    assert imported.roots == (root,) == (hash_file(data, profile_named(profile))[0].root,)
    assert not imported.missing_roots
    assert b"".join(iter_file(root, store)) == data.read_bytes()

    with ours.open("wb") as stream:
        export_car(root, store, stream)
    assert other.ask("import_car", path=str(ours))["roots"] == [str(root)]
    got = other.ask("cat", cid=str(root), timeout_s=10)
    assert got["size_bytes"] == data.stat().st_size
    assert ours.read_bytes() == theirs.read_bytes()


def test_helia_reads_a_tree_from_our_archive(other: HeliaNode, data: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "ünï%20code").write_bytes(b"x")
    (tree / "weights").write_bytes(data.read_bytes())
    with FileBlockStore(tmp_path / "store") as store:
        root = add_tree(tree, store, profile_named("unixfs-v1-2025")).root
        with (tmp_path / "tree.car").open("wb") as stream:
            export_car(root, store, stream)
    other.ask("import_car", path=str(tmp_path / "tree.car"))
    assert {e["name"] for e in other.ask("list", cid=str(root))["entries"]} == {"sub", "weights"}


def test_a_name_that_helia_published_verifies_here(helia: HeliaNode, data: Path) -> None:
    path = data.with_name("record")
    value = f"/ipfs/{Cid.of(b'x')}"
    name = parse_name(helia.ask("create_name", value=value, path=str(path))["name"])
    record = verify(name, path.read_bytes())
    assert (record.value, record.sequence) == (value, 7)
    other, _ = publish(b"2" * 32, value, sequence=1, lifetime=timedelta(hours=1))
    with pytest.raises(SignatureError):
        verify(other, path.read_bytes())


def test_a_name_that_we_published_verifies_with_helia(helia: HeliaNode, data: Path) -> None:
    path = data.with_name("record")
    value = f"/ipfs/{Cid.of(b'x')}/model"
    name, record = publish(b"1" * 32, value, sequence=41, lifetime=timedelta(hours=1))
    path.write_bytes(record.raw)
    checked = helia.ask("check_name", name=str(name), path=str(path))
    assert (checked["value"], checked["sequence"]) == (value, 41)
    assert checked["validity"] == record.validity
    path.write_bytes(record.raw.replace(b"model", b"nodel"))
    with pytest.raises(HeliaError):
        helia.ask("check_name", name=str(name), path=str(path))
