"""`s3://` references become verified model folders."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.content.objects import ObjectPool
from ipfs_accelerate.content.objects.folders import fetch_folder, kept_folder, list_folder
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConnectivityError,
    IntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
)
from ipfs_accelerate.models import ModelRef, resolve
from ipfs_accelerate.models.manifest import MANIFEST_NAME, Expected, read_manifest, write_manifest
from ipfs_accelerate.models.resolve_s3 import fetch_model, ipfs_accelerate_resolve
from ipfs_accelerate.testing.s3_server import S3Fault

CONFIG = json.dumps({"model_type": "bert", "architectures": ["BertModel"]}).encode()


def weights(seed=0):
    return save({"embeddings": np.random.default_rng(seed).random((4096,), dtype=np.float32)})


FILES = {
    "config.json": CONFIG,
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": weights(),
    "pytorch_model.bin": b"\x80\x02K\x01.",
    "modeling_custom.py": b"import os",
    "1_Pooling/config.json": b"{}",
}
SAFE = {"config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"}


@pytest.fixture
def put(server):
    def write(folder, files, bucket="east-models"):
        for name, data in files.items():
            server.put(bucket, f"{folder}/{name}", data)

    return write


@pytest.fixture
def registered(monkeypatch, east):
    """The hook in place, and the environment pointing at the east endpoint."""
    from ipfs_accelerate.models import resolve_s3
    from ipfs_accelerate.plugins import plugin_manager

    monkeypatch.setenv("AWS_ENDPOINT_URL", east.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    manager, is_new = plugin_manager(), not plugin_manager().is_registered(resolve_s3)
    if is_new:
        manager.register(resolve_s3)
    yield
    if is_new:
        manager.unregister(resolve_s3)


def placed(directory):
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


def test_a_reference_becomes_a_verified_model(registered, put):
    put("org/model", FILES)
    artifact = resolve("s3://east-models/org/model")
    assert placed(artifact.directory) == SAFE | {MANIFEST_NAME}
    assert (artifact.directory / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_nothing_is_fetched_twice_and_offline_uses_what_is_here(registered, put, east, monkeypatch):
    put("org/twice", FILES)
    first = resolve("s3://east-models/org/twice")
    before = len([r for r in east.requests if r.range])
    assert resolve("s3://east-models/org/twice").directory == first.directory
    assert len([r for r in east.requests if r.range]) == before
    monkeypatch.setenv("IPFS_ACCELERATE_OFFLINE", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert resolve("s3://east-models/org/twice").directory == first.directory
    with pytest.raises(ConnectivityError, match="offline"):
        resolve("s3://east-models/org/never")


def test_a_new_version_fetches_only_what_changed(pool, put, east, tmp_path):
    for bucket in ("east-models", "west-models"):
        put("org/new", FILES, bucket)
    old = fetch_model(pool, "org/new", tmp_path)
    for bucket in ("east-models", "west-models"):
        put("org/new", {"config.json": CONFIG + b" "}, bucket)
    before = {row.name: row.read_bytes for row in pool.statistics()}
    new = fetch_model(pool, "org/new", tmp_path)
    read = sum(row.read_bytes - before[row.name] for row in pool.statistics())
    assert new.directory != old.directory
    assert read == len(CONFIG) + 1
    assert (old.directory / "config.json").read_bytes() == CONFIG
    for name in ("model.safetensors", "tokenizer.json"):
        assert (new.directory / name).samefile(old.directory / name)
    assert kept_folder(tmp_path).version == new.version


def test_one_file_brings_what_belongs_to_it(pool, put, tmp_path):
    put(
        "org/files", {**FILES, "model_int8.onnx": b"x", "model.onnx": b"y", "model.onnx_data": b"z"}
    )
    found = fetch_model(pool, "org/files/model.onnx", tmp_path)
    assert set(found.files) == {"config.json", "tokenizer.json", "model.onnx", "model.onnx_data",
                                "model.safetensors"}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"config.json": CONFIG, "pytorch_model.bin": b"\x80\x02K\x01."}, UnsafeModelError),
        ({"config.json": CONFIG, "README.md": b"#"}, IntegrityError),
        ({}, ModelNotFoundError),
    ],
)
def test_what_is_no_safe_model_is_refused(pool, put, tmp_path, files, error):
    put(f"org/{error.__name__}", files)
    with pytest.raises(error):
        fetch_model(pool, f"org/{error.__name__}", tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def manifest(tmp_path, rows):
    path = tmp_path / "made.json"
    write_manifest(path, rows)
    return path.read_bytes()


def test_the_folders_own_manifest_is_enforced(pool, put, tmp_path):
    right = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    row = Expected("model.safetensors", len(FILES["model.safetensors"]), right)
    put("org/listed", {**FILES, MANIFEST_NAME: manifest(tmp_path, [row])})
    found = fetch_model(pool, "org/listed", tmp_path / "a")
    assert found.files["model.safetensors"].sha256 == right
    assert read_manifest(found.directory / MANIFEST_NAME)["model.safetensors"].sha256 == right

    wrong = Expected("model.safetensors", None, "0" * 64)
    put("org/listed", {MANIFEST_NAME: manifest(tmp_path, [wrong])})
    with pytest.raises(IntegrityError, match="at every endpoint"):
        fetch_model(pool, "org/listed", tmp_path / "b")
    missing = Expected("model-00002.safetensors", 5)
    put("org/listed", {MANIFEST_NAME: manifest(tmp_path, [row, missing])})
    with pytest.raises(IntegrityError, match="not in the store"):
        fetch_model(pool, "org/listed", tmp_path / "c")
    short = Expected("model.safetensors", 5)
    put("org/listed", {MANIFEST_NAME: manifest(tmp_path, [short])})
    with pytest.raises(IntegrityError, match="as its manifest says"):
        fetch_model(pool, "org/listed", tmp_path / "d")


def test_a_cut_fetch_is_continued(endpoints, put, tmp_path, east):
    put("org/cut", FILES)
    east.fail(S3Fault(status=500), times=99, path="model.safetensors", method="GET")
    with ObjectPool(endpoints[:1], attempts=1) as pool, pytest.raises(ConnectivityError):
        fetch_model(pool, "org/cut", tmp_path)
    assert kept_folder(tmp_path) is None
    east.heal()
    before = len(east.requests)
    with ObjectPool(endpoints[:1]) as pool:
        found = fetch_model(pool, "org/cut", tmp_path)
    assert set(found.files) == SAFE
    assert before < len(east.requests)


def test_no_credentials_say_what_to_set(registered, put, monkeypatch):
    put("org/keyless", FILES)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AccessDeniedError, match="AWS_ACCESS_KEY_ID"):
        resolve("s3://east-models/org/keyless")


def test_endpoints_come_from_the_settings_file(registered, put, east, tmp_path, monkeypatch):
    put("org/settings", FILES)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ipfs-accelerate.toml").write_text(
        f'[s3.endpoints.lab]\nurl = "{east.url}"\nbucket = "east-models"\nmax_concurrency = 2\n'
    )
    assert (resolve("s3://east-models/org/settings").directory / "config.json").is_file()
    assert east.requests


def test_other_schemes_are_left_to_others(tmp_path):
    assert ipfs_accelerate_resolve(ModelRef.parse("random://bert"), tmp_path) is None


FETCH = """
import sys
from pathlib import Path
from ipfs_accelerate.content.objects import Endpoint, Keys, ObjectPool
from ipfs_accelerate.models.resolve_s3 import fetch_model
endpoint = Endpoint("east", "east-models", url=sys.argv[1], keys=Keys("a", "b"))
with ObjectPool([endpoint]) as pool:
    print(fetch_model(pool, "org/shared", Path(sys.argv[2])).version)
"""


def test_two_processes_fetch_a_model_once(put, east, tmp_path):
    put("org/shared", FILES)
    command = [sys.executable, "-c", FETCH, east.url, str(tmp_path / "home")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    versions = {process.communicate(timeout=60)[0] for process in running}
    assert len(versions) == 1
    ranges = [r for r in east.requests if r.range and "model.safetensors" in r.path]
    assert len(ranges) == 1


@pytest.mark.parametrize("key", ["org/odd/a\\b.json", "org/odd/a//b.json"])
def test_keys_that_are_no_paths_inside_are_refused(pool, key, monkeypatch):
    from ipfs_accelerate.content.objects import ObjectInfo

    rows = iter([ObjectInfo(key, 1, None, None)])
    monkeypatch.setattr(pool, "iter_objects", lambda _: rows)
    with pytest.raises(UnsafeModelError):
        list_folder(pool, "org/odd")


def test_a_folder_is_not_kept_until_all_of_it_is_here(pool, put, tmp_path):
    put("org/finish", FILES)
    files = list_folder(pool, "org/finish")

    def fail(folder):
        raise RuntimeError("at the last step")

    with pytest.raises(RuntimeError):
        fetch_folder(pool, files, tmp_path, finish=fail)
    assert kept_folder(tmp_path) is None
