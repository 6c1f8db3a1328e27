from __future__ import annotations

import hashlib

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.release.keys import SigningKey
from ipfs_accelerate.content.release.manifest import HubCommit, Release, ReleaseFile


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
