"""Files and trees in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from ipfs_accelerate.content import PROFILES, Cid, ImportProfile, MemoryBlocks
from ipfs_accelerate.content.importing import hash_tree, iter_blocks

SMALL = {
    "v0": dataclasses.replace(PROFILES["unixfs-v0-2015"], chunk_bytes=64, file_links=3),
    "v1": dataclasses.replace(PROFILES["unixfs-v1-2025"], chunk_bytes=64, file_links=3),
    "sharded": dataclasses.replace(PROFILES["unixfs-v1-2025"], directory_threshold_bytes=0),
}


@pytest.fixture(params=SMALL.values(), ids=SMALL)
def profile(request: pytest.FixtureRequest) -> ImportProfile:
    return request.param


@pytest.fixture
def add() -> Callable[[Path, ImportProfile], tuple[Cid, MemoryBlocks]]:
    def run(path: Path, profile: ImportProfile) -> tuple[Cid, MemoryBlocks]:
        tree = hash_tree(path, profile)
        return tree.root, MemoryBlocks(iter_blocks(tree))

    return run
