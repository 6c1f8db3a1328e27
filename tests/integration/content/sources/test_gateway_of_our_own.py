"""The gateway client against the product's own gateway, and a fetch from it into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content import MemoryBlocks
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.importing import hash_tree, iter_blocks
from ipfs_accelerate.content.profiles import PROFILES, profile_named
from ipfs_accelerate.content.reading import iter_file, iter_tree
from ipfs_accelerate.content.serving import GatewayServer
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.testing.conformance.source import SourceCase, SourceConformance, sample_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestOwnGateway(SourceConformance):
    @pytest.fixture
    def case(self) -> Iterator[SourceCase]:
        content = sample_file()
        with GatewayServer(MemoryBlocks(content.blocks.items()), token="own-token") as server:
            yield SourceCase(GatewaySource(server.url, token="own-token"), content)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_tree_of_any_profile_travels_from_store_to_store(tmp_path: Path, profile: str) -> None:
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "weights.bin").write_bytes(bytes(range(256)) * 12_000)
    (model / "deep" / "small.json").write_bytes(b"{}")
    (model / "empty").write_bytes(b"")
    (model / "link").symlink_to("weights.bin")
    tree = hash_tree(model, profile_named(profile))
    origin = MemoryBlocks(iter_blocks(tree))
    with (
        GatewayServer(origin, token=None) as server,
        FileBlockStore(tmp_path / "store") as store,
    ):
        source = GatewaySource(server.url)
        report = Exchange(store, [source]).fetch(tree.root)
        source.close()
        files = {e.path: e for e in iter_tree(tree.root, store) if e.kind == "file"}
        assert set(files) == {"weights.bin", "deep/small.json", "empty"}
        for path, entry in files.items():
            assert b"".join(iter_file(entry.cid, store)) == (model / path).read_bytes()
            kept = store.file_path(entry.cid)
            assert kept is not None
            assert kept.read_bytes() == (model / path).read_bytes()
    assert report.duplicate_bytes == 0
    assert report.files == 3
