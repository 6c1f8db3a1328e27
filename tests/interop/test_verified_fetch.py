"""Helia reads a real model from our gateway, and verifies it itself."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helia_node import HeliaError, HeliaNode

from ipfs_accelerate.content import Cid, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.release import add_tree
from ipfs_accelerate.content.serving import GatewayServer, Limits, Options

StartHelia = Callable[..., HeliaNode]

#: Helia asks for every leaf of a file at once, each on a connection of its own, and waits for ever
#: for one that was refused: a file of more leaves than the usual limit needs a higher one.
FOR_HELIA = Limits(connections=2048, connections_per_client=1024)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileBlockStore]:
    with FileBlockStore(tmp_path_factory.mktemp("store")) as store:
        yield store


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.needs("minilm")
@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_every_file_of_a_model_arrives_with_its_own_sha256(
    start_helia: StartHelia, shelf: FileBlockStore, minilm_directory: Path, profile: str
) -> None:
    tree = add_tree(minilm_directory, shelf, profile_named(profile))
    options = Options(deserialized=False)
    with GatewayServer(shelf, token=None, limits=FOR_HELIA, options=options) as server:
        helia = start_helia(server.url)
        for file in tree.files:
            got = helia.ask("verified_fetch", url=f"ipfs://{tree.root}/{file.path}")
            assert got["sha256"] == _sha256(file.source), file.path
    assert max(file.layout.size_bytes for file in tree.files) > 40_000_000


def test_a_gateway_with_a_token_serves_who_sends_it_and_nobody_else(
    start_helia: StartHelia, shelf: FileBlockStore, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(b"only for friends")
    root = add_tree(tmp_path / "data", shelf, profile_named("unixfs-v1-2025")).root
    with GatewayServer(shelf) as server:
        friend = start_helia(server.url, server.token)
        assert friend.ask("cat", cid=str(root), timeout_s=10)["sha256"] == _sha256(
            tmp_path / "data"
        )
        stranger = start_helia(server.url, "guess")
        with pytest.raises(HeliaError):
            stranger.ask("cat", cid=str(root), timeout_s=5)


def test_a_sharded_directory_is_listed_by_helia_as_it_is(
    start_helia: StartHelia, shelf: FileBlockStore, tmp_path: Path
) -> None:
    names = sorted(f"part-{i:05d}-of-00400.safetensors" for i in range(400))
    (tmp_path / "tree").mkdir()
    for name in names:
        (tmp_path / "tree" / name).write_bytes(b"same")
    profile = dataclasses.replace(
        profile_named("unixfs-v1-2025"), directory_threshold_bytes=4096, directory_fanout=16
    )
    root = add_tree(tmp_path / "tree", shelf, profile).root
    with GatewayServer(shelf, token=None) as server:
        entries = start_helia(server.url).ask("list", cid=str(root))["entries"]
    assert sorted(entry["name"] for entry in entries) == names
    assert {entry["cid"] for entry in entries} == {str(Cid.of(b"same"))}
