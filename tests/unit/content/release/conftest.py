from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ipfs_accelerate.content import Cid, ImportProfile, MemoryBlocks
from ipfs_accelerate.content.dag.unixfs import wrap_leaf
from ipfs_accelerate.content.importing import HashedTree, hash_tree
from ipfs_accelerate.content.release.keys import SigningKey
from ipfs_accelerate.content.release.manifest import HubCommit, Release, ReleaseFile
from ipfs_accelerate.content.release.signing import SignedRelease, sign_release

#: Small chunks, so that small files have nodes above their leaves.
SMALL = ImportProfile("small", cid_version=1, chunk_bytes=100, file_links=4)
WRAPPED = ImportProfile(
    "wrapped", cid_version=0, chunk_bytes=100, raw_leaves=False, file_links=4,
    threshold_counts="links",
)  # fmt: skip


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def release() -> Release:
    data = {"config.json": b"{}", "model.safetensors": b"weights"}
    files = tuple(
        ReleaseFile(path, len(content), hashlib.sha256(content).hexdigest(), Cid.of(content))
        for path, content in data.items()
    )
    return Release(
        name="org/model",
        tree=Cid.of(b"tree", codec=0x70),
        profile="unixfs-v1-2025",
        created="2025-01-01T00:00:00Z",
        files=files,
        tag="v1",
        hub=HubCommit("org/model", "0" * 40),
        conversions=({"from": "config.json", "parity": {"max_abs": 1e-6}},),
    )


class Trees:
    """Folders as blocks in memory, and releases of them."""

    def __init__(self, folder: Path, key: SigningKey) -> None:
        self.blocks = MemoryBlocks()
        self.key = key
        self._folder = folder
        self._made = 0

    def folder(self, files: Mapping[str, bytes]) -> Path:
        self._made += 1
        base = self._folder / str(self._made)
        base.mkdir()
        for path, data in files.items():
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_bytes(data)
        return base

    def tree(self, files: Mapping[str, bytes], profile: ImportProfile = SMALL) -> HashedTree:
        made = hash_tree(self.folder(files), profile)
        for cid, block in made.blocks:
            self.blocks.put(cid, block)
        for file in made.files:
            for cid, block in file.interior:
                self.blocks.put(cid, block)
            data = file.source.read_bytes()
            for leaf in file.layout.leaves:
                part = data[leaf.offset : leaf.offset + leaf.size_bytes]
                self.blocks.put(leaf.cid, wrap_leaf(part) if leaf.cid.codec == 0x70 else part)
        return made

    def release(
        self, files: Mapping[str, bytes], profile: ImportProfile = SMALL, /, **changes: Any
    ) -> SignedRelease:
        made = self.tree(files, profile)
        rows = tuple(
            ReleaseFile(f.path, f.layout.size_bytes, sha256(files[f.path]), f.layout.root)
            for f in sorted(made.files, key=lambda f: f.path)
        )
        whole = Release("org/model", made.root, profile.name, "2025-01-01T00:00:00Z", rows)
        signed = sign_release(replace(whole, **changes), [self.key])
        self.blocks.put(signed.cid, signed.block)
        return signed


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def trees(tmp_path: Path, key: SigningKey) -> Trees:
    return Trees(tmp_path, key)
