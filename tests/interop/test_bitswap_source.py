"""We read from a running Helia over bitswap: the suite of every source, against the real thing."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helia_node import HeliaNode

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.reading import file_layout
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources.bitswap import BitswapSource
from ipfs_accelerate.errors import ConfigurationError, ConnectivityError
from ipfs_accelerate.testing.conformance.source import (
    SampleFile,
    SourceCase,
    SourceConformance,
    sample_file,
)

pytestmark = pytest.mark.usefixtures("libp2p_is_here")

_NOBODY = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWDhsHM9vUZu87gWhXcz7PZoEpjpnJDaZtZm8vjpSAMotN"


class Helia:
    """A node that holds the sample, put right again after each test that disturbed it."""

    def __init__(self) -> None:
        self.content: SampleFile = sample_file()
        self._start()

    def _start(self) -> None:
        self.node = HeliaNode()
        self.address = self.node.address
        for cid, data in self.content.blocks.items():
            self.put(cid, data)

    def put(self, cid: Cid, data: bytes) -> None:
        self.node.ask("put_block", cid=str(cid), data=base64.b64encode(data).decode())

    def corrupt(self, cid: Cid) -> None:
        right = self.content.blocks[cid]
        self.put(cid, bytes([right[0] ^ 1]) + right[1:])

    def recover(self) -> None:
        self.node.close()
        self._start()


@pytest.fixture(scope="module")
def helia(helia_is_here: None) -> Iterator[Helia]:
    found = Helia()
    yield found
    found.node.close()


class TestBitswap(SourceConformance):
    @pytest.fixture
    def case(self, helia: Helia) -> Iterator[SourceCase]:
        disturbed = threading.Event()

        def disturb(how: object, *values: object) -> None:
            disturbed.set()
            how(*values)  # type: ignore[operator]

        yield SourceCase(
            BitswapSource(helia.address),
            helia.content,
            silence=lambda: disturb(helia.node.freeze),
            corrupt=lambda cid: disturb(helia.corrupt, cid),
            stop=lambda: disturb(helia.node.kill),
            unreachable=BitswapSource(_NOBODY),
        )
        helia.node.thaw()
        if disturbed.is_set():
            helia.recover()


def _file(path: Path, size_bytes: int) -> bytes:
    data = np.random.default_rng(1).bytes(size_bytes)
    path.write_bytes(data)
    return data


class _Fetching(MemoryBlocks):
    """Reads through a source."""

    def __init__(self, source: BitswapSource) -> None:
        super().__init__()
        self._source = source

    def fetch(self, cids: list[Cid]) -> None:
        def keep(want: Want, data: bytes | memoryview) -> None:
            self.put(want.cid, data)

        wants = [Want(cid) for cid in cids]
        self._source.fetch(wants, keep, cancel=threading.Event(), timeout_s=10)

    def get(self, cid: Cid) -> bytes:
        if not self.has(cid):
            self.fetch([cid])
        return super().get(cid)


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_a_file_that_helia_added_arrives_whole(helia: Helia, tmp_path: Path, profile: str) -> None:
    data = _file(tmp_path / "data", 6_000_001)
    root = Cid.parse(helia.node.ask("add", path=str(tmp_path / "data"), profile=profile)["cid"])
    source = BitswapSource(helia.address)
    try:
        blocks = _Fetching(source)
        layout = file_layout(root, blocks)
        blocks.fetch([leaf.cid for leaf in layout.leaves])
    finally:
        source.close()
    assert layout.size_bytes == len(data)
    assert all(blocks.has(leaf.cid) for leaf in layout.leaves)


def test_an_exchange_puts_a_file_together_from_a_helia_node(helia: Helia, tmp_path: Path) -> None:
    data = _file(tmp_path / "data", 9_000_001)
    cid = helia.node.ask("add", path=str(tmp_path / "data"), profile="unixfs-v1-2025")["cid"]
    source = BitswapSource(helia.address)
    try:
        with FileBlockStore(tmp_path / "store") as store:
            Exchange(store, [source]).fetch(Cid.parse(cid))
            whole = store.file_path(Cid.parse(cid))
            assert whole is not None
            assert whole.read_bytes() == data
    finally:
        source.close()


def test_the_same_blocks_can_be_fetched_again_at_once(helia: Helia) -> None:
    source = BitswapSource(helia.address)
    try:
        for _ in range(3):
            blocks = _Fetching(source)
            blocks.fetch([leaf.cid for leaf in helia.content.layout.leaves])
    finally:
        source.close()


def test_presence_is_what_the_node_says(helia: Helia) -> None:
    source = BitswapSource(helia.address)
    try:
        wants = [*helia.content.wants, Want(Cid.of(b"nobody has this"))]
        assert source.available(wants) == [True] * len(helia.content.wants) + [False]
    finally:
        source.close()


def test_a_node_that_came_back_as_another_is_not_taken_for_the_first(helia: Helia) -> None:
    source = BitswapSource(helia.address)
    try:
        helia.recover()
        with pytest.raises(ConnectivityError):
            source.fetch(
                helia.content.wants, lambda *_: None, cancel=threading.Event(), timeout_s=5
            )
    finally:
        source.close()


@pytest.mark.parametrize("address", ["", "nonsense", "/ip4/127.0.0.1/tcp/4001", "/p2p/Qm"])
def test_an_address_that_names_no_peer_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigurationError, match="multiaddr"):
        BitswapSource(address).fetch(
            [Want(Cid.of(b"x"))], lambda *_: None, cancel=threading.Event(), timeout_s=1
        )
