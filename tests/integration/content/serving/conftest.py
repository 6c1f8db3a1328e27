"""One server with everything in the gateway conformance vectors."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ipfs_accelerate.content import MemoryBlocks
from ipfs_accelerate.content.car import read_car
from ipfs_accelerate.content.serving import GatewayServer

VECTORS = Path(__file__).parents[3] / "unit" / "content" / "vectors" / "car"


@pytest.fixture(scope="session")
def vectors() -> MemoryBlocks:
    blocks = MemoryBlocks()
    for path in VECTORS.glob("*.car"):
        with path.open("rb") as stream:
            for cid, data in read_car(stream):
                blocks.put(cid, data)
    return blocks


@pytest.fixture(scope="session")
def gateway(vectors: MemoryBlocks):
    with GatewayServer(vectors, token=None) as server:
        yield server


@pytest.fixture(scope="session")
def web(gateway: GatewayServer):
    with httpx.Client(base_url=gateway.url) as client:
        yield client
