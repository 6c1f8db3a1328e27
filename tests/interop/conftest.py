"""What every test beside a real Helia shares."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helia_node import HeliaNode, node_binary


@pytest.fixture(scope="session")
def helia_is_here() -> None:
    if node_binary() is None:
        pytest.skip("no node22 here (scripts/setup dev)")


@pytest.fixture(scope="session")
def libp2p_is_here() -> None:
    if importlib.util.find_spec("libp2p") is None:
        pytest.skip("no libp2p here (pip install 'ipfs-accelerate[p2p]')")


@pytest.fixture(scope="module")
def start_helia(helia_is_here: None) -> Iterator[Callable[..., HeliaNode]]:
    """Start a node, with a gateway and its token where given; it ends with the module's tests."""
    started: list[HeliaNode] = []

    def start(gateway: str | None = None, token: str | None = None) -> HeliaNode:
        started.append(HeliaNode(gateway, token))
        return started[-1]

    yield start
    for node in started:
        node.close()
