"""CARs made by Kubo, and small ones of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks, profile_named
from ipfs_accelerate.content.importing import hash_tree, iter_blocks

KUBO = sorted((Path(__file__).parents[1] / "vectors" / "car").glob("*.car"))


@pytest.fixture(params=KUBO, ids=lambda path: path.stem)
def kubo_car(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def small_tree(tmp_path: Path) -> tuple[Cid, MemoryBlocks]:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_bytes(b"a" * 1000)
    (root / "sub" / "b").write_bytes(b"b")
    tree = hash_tree(root, profile_named("unixfs-v1-2025"))
    return tree.root, MemoryBlocks(iter_blocks(tree))
