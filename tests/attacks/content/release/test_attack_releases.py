"""Releases made to deceive: forged, re-signed, mislabelled, or sent by a liar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.release import (
    Draft,
    SignedRelease,
    SigningKey,
    Trust,
    fetch,
    publish,
    sign_release,
)
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.errors import BlockMismatchError, ContentFormatError, SignatureError
from ipfs_accelerate.models.placing import place
from ipfs_accelerate.testing.gateway_server import FakeGateway

FILES = {"config.json": b"{}", "evil.safetensors.py": b"import os", "weights.pkl": b"\x80\x04."}


@pytest.fixture
def store(tmp_path: Path):
    with FileBlockStore(tmp_path / "store") as made:
        yield made


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def release(tmp_path: Path, store: FileBlockStore, key: SigningKey) -> SignedRelease:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    kinds = {"config.json": "config", "evil.safetensors.py": "config", "weights.pkl": "safetensors"}
    return publish(folder, store, [key], draft=Draft("m", "2025-01-01T00:00:00Z", kinds))


def test_a_gateway_that_sends_another_release_is_refused_and_nothing_is_kept(
    tmp_path: Path, release: SignedRelease, key: SigningKey
) -> None:
    forged = sign_release(replace(release.release, name="x"), [SigningKey.generate()])
    blocks = {release.cid: forged.block}
    with FakeGateway(blocks) as gateway, FileBlockStore(tmp_path / "b") as target:
        source = GatewaySource(gateway.url)
        with pytest.raises(BlockMismatchError):
            fetch(release.cid, target, [source], trust=Trust.of([key.public]))
        source.close()
        assert not target.has(release.cid)
        assert not target.has(forged.cid)


def test_the_name_of_a_trusted_publisher_is_no_signature(
    store: FileBlockStore, release: SignedRelease, key: SigningKey
) -> None:
    forged = sign_release(release.release, [SigningKey.generate()])
    store.put(forged.cid, forged.block)
    with pytest.raises(SignatureError, match="untrusted"):
        fetch(forged.cid, store, [], trust=Trust.of([key.public]))


def test_a_trusted_signature_over_another_tree_is_refused(
    store: FileBlockStore, release: SignedRelease, key: SigningKey
) -> None:
    lying = sign_release(replace(release.release, files=release.release.files[:1]), [key])
    store.put(lying.cid, lying.block)
    with pytest.raises(ContentFormatError, match="disagree"):
        fetch(lying.cid, store, [], trust=Trust.of([key.public]))


def test_a_stated_kind_places_neither_pickle_nor_code(
    tmp_path: Path, store: FileBlockStore, release: SignedRelease, key: SigningKey
) -> None:
    found = fetch(release.cid, store, [], trust=Trust.of([key.public]))
    safe = {p: d for p, d in FILES.items() if p == "config.json"}
    with_weights = tuple(f for f in found.contents.entries(store) if f.path != "weights.pkl")
    placed = place(found.contents, with_weights, store, tmp_path / "out")
    assert set(placed.files) == set(safe)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["config.json"]
