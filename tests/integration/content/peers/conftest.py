from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.peers import Node
from ipfs_accelerate.content.profiles import UNIXFS_V1_2025
from ipfs_accelerate.content.serving import GatewayServer
from ipfs_accelerate.content.sources.gateway import GatewaySource

if TYPE_CHECKING:
    from ipfs_accelerate.content import Cid

TOKEN = "a token of the team, long enough"
CHUNK_BYTES = 64 * 1024
LEAVES = 40


@dataclass
class Team:
    """An origin with a model, and nodes that may be added to."""

    directory: Path
    model: Path
    root: Cid
    origin: GatewayServer
    stack: ExitStack
    nodes: list[Node]

    def store(self, name: str) -> FileBlockStore:
        return self.stack.enter_context(FileBlockStore(self.directory / name))

    def with_model(self, name: str) -> FileBlockStore:
        store = self.store(name)
        store.add_file(self.model, *laid_out(self.model))
        return store

    def node(self, store: object, *, has_origin: bool = True, **options: object) -> Node:
        origins = [GatewaySource(self.origin.url, token=TOKEN)] if has_origin else []
        peers = [node.url for node in self.nodes]
        node = Node(
            store, **({"token": TOKEN, "peers": peers, "origin_sources": origins} | options)
        )
        self.nodes.append(self.stack.enter_context(node))
        return node

    def sent_ratio(self) -> float:
        return sum(self.origin.statistics().sent_bytes.values()) / self.model.stat().st_size


def laid_out(model: Path):
    return hash_file(model, replace(UNIXFS_V1_2025, chunk_bytes=CHUNK_BYTES))


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    before = set(threading.enumerate())
    model = tmp_path / "model.bin"
    model.write_bytes(np.random.default_rng(0).bytes(LEAVES * CHUNK_BYTES - 100))
    with ExitStack() as stack:
        store = stack.enter_context(FileBlockStore(tmp_path / "origin"))
        layout, interior = laid_out(model)
        store.add_file(model, layout, interior)
        origin = stack.enter_context(GatewayServer(store, token=TOKEN))
        yield Team(tmp_path, model, layout.root, origin, stack, [])
    assert set(threading.enumerate()) <= before


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], bool]:
    """Whether something comes true within ten seconds."""
    pause = threading.Event()
    return lambda holds: any(holds() or pause.wait(0.02) for _ in range(500))
