"""Helia reads from us over bitswap."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.release import add_tree
from ipfs_accelerate.content.serving.bitswap import BitswapServer
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources.bitswap import BitswapSource
from ipfs_accelerate.errors import ConfigurationError, ContentNotFoundError

if TYPE_CHECKING:
    from helia_node import HeliaNode

pytestmark = pytest.mark.usefixtures("libp2p_is_here")


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_helia_reads_a_file_from_our_store(
    start_helia: Callable[..., HeliaNode], tmp_path: Path, profile: str
) -> None:
    data = np.random.default_rng(5).bytes(9_000_001)
    (tmp_path / "data").write_bytes(data)
    helia = start_helia()
    with FileBlockStore(tmp_path / "store") as store:
        root = add_tree(tmp_path / "data", store, profile_named(profile)).root
        with BitswapServer(store) as server:
            helia.ask("dial", address=server.address)
            got = helia.ask("cat", cid=str(root), timeout_s=30)
    assert got["sha256"] == hashlib.sha256(data).hexdigest()


def test_our_source_reads_from_our_server_and_hears_what_is_absent() -> None:
    blocks = {Cid.of(bytes([i]) * 100_000): bytes([i]) * 100_000 for i in range(12)}
    absent, got = Cid.of(b"nobody has this"), {}
    with BitswapServer(MemoryBlocks(blocks.items())) as server:
        source = BitswapSource(server.address)
        try:
            wants = [Want(cid) for cid in blocks]
            assert source.available([*wants, Want(absent)]) == [True] * 12 + [False]

            def keep(want: Want, data: bytes | memoryview) -> None:
                want.cid.verify(data)
                got[want.cid] = bytes(data)

            source.fetch(wants, keep, cancel=threading.Event(), timeout_s=10)
            with pytest.raises(ContentNotFoundError):
                source.fetch([Want(absent)], keep, cancel=threading.Event(), timeout_s=10)
        finally:
            source.close()
    assert got == blocks


@pytest.mark.parametrize("listen", ["nonsense", "/ip4/203.0.113.1/tcp/0"])
def test_an_address_that_cannot_be_listened_on_is_a_configuration_error(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="listen"):
        BitswapServer(MemoryBlocks(), listen=listen)
