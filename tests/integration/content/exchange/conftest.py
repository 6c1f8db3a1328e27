"""Stores, gateways and sources of one test, all closed after it; no thread may be left."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import ExchangeSettings
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.testing.gateway_server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ipfs_accelerate.content.sources import SourceKind
    from ipfs_accelerate.testing.conformance.source import SampleFile


class Bench:
    """Makes what a test needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = ExchangeSettings(
            silence_s=3.0, stall_s=0.3, first_backoff_s=0.02, max_backoff_s=0.2, max_failures=3
        )
        self.stack = ExitStack()
        self.store = self.open_store()

    def open_store(self, name: str = "store") -> FileBlockStore:
        return self.stack.enter_context(FileBlockStore(self.folder / name))

    def gateway(self, content: SampleFile, **options: object) -> FakeGateway:
        server = FakeGateway(content.blocks, [content.layout], **options)
        return self.stack.enter_context(server)

    def source(
        self, server: FakeGateway, kind: SourceKind | None = None, **options: object
    ) -> GatewaySource:
        if kind is not None:
            options["kind"] = kind
        source = GatewaySource(server.url, **options)
        self.stack.callback(source.close)
        return source


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    before = set(threading.enumerate())
    bench = Bench(tmp_path)
    with bench.stack:
        yield bench
    left = [t for t in threading.enumerate() if t not in before]
    assert not left, f"threads are left: {left}"
