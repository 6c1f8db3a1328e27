from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.config import Settings, load_settings
from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.profiles import UNIXFS_V0_2015, UNIXFS_V1_2025
from ipfs_accelerate.content.release import (
    Draft,
    HubCommit,
    SignedRelease,
    SigningKey,
    add_tree,
    publish,
)
from ipfs_accelerate.content.serving import GatewayServer
from ipfs_accelerate.errors import (
    ContentNotFoundError,
    IntegrityError,
    ModelReferenceError,
    SignatureError,
    UnsafeModelError,
)
from ipfs_accelerate.models import resolve
from ipfs_accelerate.models.kinds import kinds_of
from ipfs_accelerate.testing.hub_server import HubServer, Repository

WEIGHTS = save({"w": np.arange(700_000, dtype=np.float32)})
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "README.md": b"# a model",
    "modeling.py": b"raise SystemExit",
    "optimizer.pt": b"\x80\x04.",
}
PLACED = ["README.md", "config.json", "model.safetensors"]


def folder(base: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_bytes(data)
    return base


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[FileBlockStore]:
    with FileBlockStore(tmp_path / "origin") as store:
        yield store


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def release(tmp_path: Path, origin: FileBlockStore, key: SigningKey) -> SignedRelease:
    directory = folder(tmp_path / "model", FILES)
    draft = Draft("org/model", "2025-01-01T00:00:00Z", kinds_of(FILES), tag="v1")
    return publish(directory, origin, [key], draft=draft)


@contextmanager
def served(store: FileBlockStore, home: Path, **changes: object) -> Iterator[Settings]:
    with GatewayServer(store, token=None) as server:
        yield load_settings({"home": home, "content_gateways": [server.url], **changes})


def test_a_release_is_fetched_verified_and_placed(
    origin: FileBlockStore, release: SignedRelease, key: SigningKey, tmp_path: Path
) -> None:
    with served(origin, tmp_path / "b", content_trusted_keys=[str(key.public)]) as settings:
        artifact = resolve(f"ipfs://{release.cid}", settings=settings)
    assert {f.path: f.cid for f in artifact.files} == {
        f.path: str(f.root) for f in release.release.files if f.path in PLACED
    }
    assert {f.sha256 for f in artifact.files} <= {f.sha256 for f in release.release.files}
    placed = sorted(p.name for p in artifact.directory.iterdir())
    assert placed == PLACED
    assert artifact.provenance.settings["release"] == "org/model"
    assert artifact.provenance.settings["signer"] == str(key.public)


def test_the_weights_are_not_copied_a_second_time(
    origin: FileBlockStore, release: SignedRelease, key: SigningKey, tmp_path: Path
) -> None:
    with served(origin, tmp_path / "b", content_trusted_keys=[str(key.public)]) as settings:
        artifact = resolve(f"ipfs://{release.cid}", settings=settings)
    with FileBlockStore(settings.content_path) as store:
        weights = next(f for f in release.release.files if f.path == "model.safetensors")
        kept = store.file_path(weights.root)
        assert kept is not None
        assert (artifact.directory / "model.safetensors").samefile(kept)


def test_a_second_start_needs_nobody(
    origin: FileBlockStore, release: SignedRelease, key: SigningKey, tmp_path: Path
) -> None:
    trusted = {"content_trusted_keys": [str(key.public)]}
    with served(origin, tmp_path / "b", **trusted) as settings:
        first = resolve(f"ipfs://{release.cid}", settings=settings)
    alone = load_settings({"home": tmp_path / "b", "offline": True})
    again = resolve(f"ipfs://{release.cid}", settings=alone)
    assert again.identity == first.identity


def test_an_untrusted_release_is_refused_before_its_files(
    origin: FileBlockStore, release: SignedRelease, tmp_path: Path
) -> None:
    with served(origin, tmp_path / "b") as settings:
        with pytest.raises(SignatureError, match="untrusted"):
            resolve(f"ipfs://{release.cid}", settings=settings)
        with pytest.raises(SignatureError, match="untrusted"):
            resolve(f"ipfs://{release.cid}/config.json", settings=settings)
    with FileBlockStore(settings.content_path) as store:
        assert not any(store.has(f.root) for f in release.release.files)


@pytest.mark.parametrize("profile", [UNIXFS_V1_2025, UNIXFS_V0_2015])
def test_a_bare_tree_needs_no_signature(origin, tmp_path: Path, profile) -> None:
    made = add_tree(folder(tmp_path / "model", FILES), origin, profile)
    with served(origin, tmp_path / "b") as settings:
        artifact = resolve(f"ipfs://{made.root}", settings=settings)
    roots = {f.path: str(f.layout.root) for f in made.files}
    assert {f.path: f.cid for f in artifact.files} == {path: roots[path] for path in PLACED}


def test_a_folder_or_a_file_in_a_tree_can_be_named(origin, tmp_path: Path) -> None:
    files = {f"models/small/{path}": data for path, data in FILES.items()} | {"big.bin": b"x" * 99}
    made = add_tree(folder(tmp_path / "model", files), origin, UNIXFS_V1_2025)
    with served(origin, tmp_path / "b") as settings:
        artifact = resolve(f"ipfs://{made.root}/models/small", settings=settings)
        single = resolve(f"ipfs://{made.root}/models/small/model.safetensors", settings=settings)
        with pytest.raises(ContentNotFoundError, match="no 'models/none'"):
            resolve(f"ipfs://{made.root}/models/none", settings=settings)
    assert artifact.parameters == single.parameters == 700_000
    with FileBlockStore(settings.content_path) as store:
        assert not store.has(Cid.of(b"x" * 99))


def test_only_pickles_are_refused_unless_they_are_allowed(origin, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "pytorch_model.bin": b"PK\x03\x04 not read by us"}
    made = add_tree(folder(tmp_path / "model", files), origin, UNIXFS_V1_2025)
    with served(origin, tmp_path / "b") as settings:
        with pytest.raises(UnsafeModelError, match="only pickled weights"):
            resolve(f"ipfs://{made.root}", settings=settings)
        artifact = resolve(f"ipfs://{made.root}", settings=settings, allow_pickle=True)
    assert artifact.formats == {"pytorch_bin"}


def test_what_nobody_has_names_who_was_asked(origin, tmp_path: Path) -> None:
    absent = Cid.of(b"absent", codec=0x71)
    with served(origin, tmp_path / "b") as settings, pytest.raises(ContentNotFoundError) as caught:
        resolve(f"ipfs://{absent}", settings=settings)
    assert settings.content_gateways[0] in str(caught.value)


def test_offline_asks_nobody(origin, release: SignedRelease, tmp_path: Path) -> None:
    with (
        served(origin, tmp_path / "b", offline=True) as settings,
        pytest.raises(ContentNotFoundError, match="not here"),
    ):
        resolve(f"ipfs://{release.cid}", settings=settings)


def test_a_file_without_a_name_is_refused_with_advice(origin, tmp_path: Path) -> None:
    made = add_tree(folder(tmp_path / "m", {"a.json": b"{}"}) / "a.json", origin, UNIXFS_V1_2025)
    with (
        served(origin, tmp_path / "b") as settings,
        pytest.raises(ModelReferenceError, match="no name"),
    ):
        resolve(f"ipfs://{made.root}", settings=settings)


def test_the_hub_of_a_release_serves_its_leaves(
    tmp_path: Path, origin: FileBlockStore, key: SigningKey
) -> None:
    """The gateway has the nodes only; every byte of the weights comes from the hub."""
    repository = Repository({"config.json": FILES["config.json"], "model.safetensors": WEIGHTS})
    directory = folder(tmp_path / "model", repository.files)
    hub_commit = HubCommit("org/model", repository.commit)
    draft = Draft("org/model", "2025-01-01T00:00:00Z", kinds_of(repository.files), hub=hub_commit)
    signed = publish(directory, origin, [key], draft=draft)
    with FileBlockStore(tmp_path / "nodes") as nodes:
        for cid in [signed.cid, signed.release.tree, *(f.root for f in signed.release.files)]:
            if cid.codec != 0x55:
                nodes.put(cid, origin.get(cid))
        trusted = [str(key.public)]
        with HubServer({"org/model": repository}) as hub:
            with served(
                nodes, tmp_path / "b", content_trusted_keys=trusted, hub_endpoint=hub.endpoint
            ) as settings:
                artifact = resolve(f"ipfs://{signed.cid}", settings=settings)
            assert hub.count("/cdn/") >= 1
    assert artifact.parameters == 700_000


def test_a_damaged_copy_is_found_although_its_size_is_right(
    origin: FileBlockStore, release: SignedRelease, key: SigningKey, tmp_path: Path
) -> None:
    with served(origin, tmp_path / "b", content_trusted_keys=[str(key.public)]) as settings:
        artifact = resolve(f"ipfs://{release.cid}", settings=settings)
        file = artifact.directory / "config.json"
        file.unlink()
        file.write_bytes(b'{"model_type": "gpt2"}')
        with pytest.raises(IntegrityError):
            resolve(f"ipfs://{release.cid}", settings=settings)


def test_the_receipt_says_what_was_left_out(
    origin: FileBlockStore, release: SignedRelease, key: SigningKey, tmp_path: Path
) -> None:
    with served(origin, tmp_path / "b", content_trusted_keys=[str(key.public)]) as settings:
        artifact = resolve(f"ipfs://{release.cid}", settings=settings)
    receipt = json.loads(
        artifact.directory.with_name(artifact.directory.name + ".json").read_bytes()
    )
    assert set(receipt["left_out"]) == {"modeling.py", "optimizer.pt"}
