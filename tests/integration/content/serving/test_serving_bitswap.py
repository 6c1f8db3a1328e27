"""What a store's trouble looks like to a peer over bitswap, and to whoever reads the log."""

from __future__ import annotations

import logging
import threading

import pytest

pytest.importorskip("libp2p")

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.serving.bitswap import BitswapServer
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources.bitswap import BitswapSource
from ipfs_accelerate.errors import ContentNotFoundError, StoreError

GOOD, UNREADABLE, CURSED = b"good", b"unreadable", b"cursed"


class AilingStore(MemoryBlocks):
    """Reads one block, cannot read another, and has a bug at a third."""

    def get(self, cid: Cid) -> bytes:
        if cid == Cid.of(UNREADABLE):
            raise StoreError("reading failed: I/O error")
        if cid == Cid.of(CURSED):
            raise TypeError("a bug of the store")
        return super().get(cid)


@pytest.mark.parametrize(
    ("data", "level", "reason"),
    [(UNREADABLE, "WARNING", "reading failed: I/O error"), (CURSED, "ERROR", "a bug of the store")],
)
def test_a_block_that_cannot_be_read_is_absent_to_the_peer_and_the_reason_is_logged(
    caplog: pytest.LogCaptureFixture, data: bytes, level: str, reason: str
) -> None:
    caplog.set_level(logging.WARNING, "ipfs_accelerate")
    got: list[bytes] = []

    def keep(_want: Want, data: bytes | memoryview) -> None:
        got.append(bytes(data))

    ended = threading.Event()
    with BitswapServer(AilingStore([(Cid.of(GOOD), GOOD)])) as server:
        source = BitswapSource(server.address)
        try:
            with pytest.raises(ContentNotFoundError):
                source.fetch([Want(Cid.of(data))], keep, cancel=ended, timeout_s=10)
            source.fetch([Want(Cid.of(GOOD))], keep, cancel=ended, timeout_s=10)
        finally:
            source.close()
    assert got == [GOOD]
    said = [r for r in caplog.records if str(Cid.of(data)) in r.getMessage()]
    assert [r.levelname for r in said] == [level]
    assert reason in (said[0].getMessage() + str(said[0].exc_info))
