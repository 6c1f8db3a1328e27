"""Placing trees into folders and into huggingface_hub's cache; safetensors without copies."""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import snapshot_download, try_to_load_from_cache
from safetensors.numpy import save_file

from ipfs_accelerate.content import Cid, Codec, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.dag import Kind, Link, Node, UnixNode, links_of
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.dag.unixfs import encode
from ipfs_accelerate.content.importing import hash_file, hash_tree
from ipfs_accelerate.errors import (
    ContentNotFoundError,
    InputError,
    ModelFormatError,
    StoreError,
    UnsafeModelError,
)


@pytest.fixture(params=["unixfs-v1-2025", "unixfs-v0-2015"])
def tree(request, store, tmp_path):
    """A model folder in the store: (its CID, its files)."""
    model = tmp_path / "model"
    (model / "onnx").mkdir(parents=True)
    files = {
        "config.json": b"{}",
        "empty.txt": b"",
        "onnx/model.onnx": os.urandom(2**20 + 9),
        "weights.bin": os.urandom(3 * 2**20),
    }
    for name, data in files.items():
        (model / name).write_bytes(data)
    return add_tree(store, model, request.param), files


def add_tree(store, folder, profile="unixfs-v1-2025", mode="auto"):
    hashed = hash_tree(folder, profile_named(profile))
    for file in hashed.files:
        store.add_file(file.source, file.layout, file.interior, mode=mode)
    for cid, data in hashed.blocks:
        store.put(cid, data)
    return hashed.root


def node(kind, links=(), data=b""):
    block = encode_pb(Node(tuple(links), encode(UnixNode(kind, data))))
    return Cid.of(block, codec=Codec.DAG_PB), block


def test_a_tree_is_placed_as_hard_links(store, tree, tmp_path):
    root, files = tree
    placed = store.place_tree(root, tmp_path / "out")
    assert {p.how for p in placed} == {"hardlink"}
    for name, data in files.items():
        path = tmp_path / "out" / name
        assert path.read_bytes() == data
        assert path.stat().st_nlink >= 2
        assert path.stat().st_mode & 0o777 == 0o444
    assert {p.how for p in store.place_tree(root, tmp_path / "out")} == {"kept"}


def test_a_copy_is_the_users_to_change(store, tree, tmp_path):
    root, _ = tree
    placed = store.place_tree(root, tmp_path / "out", link="copy")
    assert {p.how for p in placed} <= {"copy"}
    path = tmp_path / "out" / "weights.bin"
    path.chmod(0o644)
    path.write_bytes(b"mine")
    assert store.check().is_sound
    with pytest.raises(InputError):
        store.place_tree(root, tmp_path / "out", link="copy")
    assert path.read_bytes() == b"mine"


def test_reflink_shares_or_says_that_it_cannot(store, tree, tmp_path):
    root, _ = tree
    try:
        placed = store.place_tree(root, tmp_path / "out", link="reflink")
    except StoreError:
        assert not any(p.is_file() for p in (tmp_path / "out").rglob("*"))
    else:
        assert {p.how for p in placed} == {"reflink"}


def test_another_file_system_gets_copies(store, tree, tmp_path):
    root, _ = tree
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        placed = store.place_tree(root, folder)
        assert {p.how for p in placed} == {"copy"}
        with pytest.raises(StoreError):
            store.place_tree(root, folder + "/more", link="hardlink")


def test_a_file_kept_by_reference_is_never_hard_linked(store, sample, tmp_path):
    file = sample()
    store.add_file(file.path, file.layout, file.interior, mode="reference")
    (placed,) = store.place_tree(file.layout.root, tmp_path / "out.bin")
    assert placed.how in {"reflink", "copy"}
    assert (tmp_path / "out.bin").stat().st_nlink == 1


def test_single_blocks_are_put_together_when_placed(store, other, tree, tmp_path):
    root, files = tree
    pending = [root]
    while pending:
        cid = pending.pop()
        block = store.get(cid)
        other.put(cid, block)
        pending += links_of(cid, block)
    other.place_tree(root, tmp_path / "out")
    for name, data in files.items():
        assert (tmp_path / "out" / name).read_bytes() == data


def test_an_incomplete_tree_is_an_error(store, other, tree, tmp_path):
    root, _ = tree
    other.put(root, store.get(root))
    with pytest.raises(ContentNotFoundError):
        other.place_tree(root, tmp_path / "out")


def test_symlinks_inside_the_tree_are_placed_and_those_out_of_it_refused(store, tmp_path):
    text, inside, outside = (
        b"hello",
        node(Kind.SYMLINK, data=b"a.txt"),
        node(Kind.SYMLINK, data=b"../../etc/passwd"),
    )
    file = Cid.of(text)
    for cid, data in ((file, text), inside, outside):
        store.put(cid, data)
    good = node(Kind.DIRECTORY, [Link("a.txt", file, 5), Link("link", inside[0], 1)])
    bad = node(Kind.DIRECTORY, [Link("a.txt", file, 5), Link("link", outside[0], 1)])
    store.put(*good)
    store.put(*bad)
    store.place_tree(good[0], tmp_path / "good")
    assert (tmp_path / "good" / "link").read_bytes() == text
    with pytest.raises(UnsafeModelError):
        store.place_tree(bad[0], tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_a_symlink_in_the_way_is_not_followed(store, tree, tmp_path):
    root, _ = tree
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeModelError):
        store.place_tree(root, tmp_path / "out")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_an_unknown_link_mode_is_refused(store, tree, tmp_path):
    with pytest.raises(InputError):
        store.place_tree(tree[0], tmp_path / "out", link="move")


@pytest.mark.parametrize("revision", ["main", "refs/pr/1", "a" * 40])
def test_huggingface_hub_finds_what_was_placed(store, tree, tmp_path, revision):
    root, files = tree
    cache = tmp_path / "cache"
    snapshot = store.place_in_hub_cache("org/model", revision, tree_root=root, cache_dir=cache)
    for name, data in files.items():
        found = try_to_load_from_cache("org/model", name, cache_dir=cache, revision=revision)
        assert isinstance(found, str)
        assert Path(found).read_bytes() == data
    local = snapshot_download(
        "org/model", revision=revision, cache_dir=cache, local_files_only=True
    )
    assert snapshot.samefile(local)
    info = huggingface_hub.scan_cache_dir(cache)
    assert [repo.repo_id for repo in info.repos] == ["org/model"]
    assert not info.warnings
    store.place_in_hub_cache("org/model", revision, tree_root=root, cache_dir=cache)


@pytest.mark.parametrize("repo", ["../x", "a/b/c", "", "a--b", "/abs"])
def test_a_repository_name_that_is_none_is_refused(store, tree, tmp_path, repo):
    with pytest.raises(InputError):
        store.place_in_hub_cache(repo, "main", tree_root=tree[0], cache_dir=tmp_path / "c")


@pytest.mark.parametrize("revision", ["../../x", "", "/abs", "a/../b", "a\nb"])
def test_a_revision_that_is_none_is_refused(store, tree, tmp_path, revision):
    with pytest.raises(InputError):
        store.place_in_hub_cache("o/m", revision, tree_root=tree[0], cache_dir=tmp_path / "c")


def tensors_file(path, megabytes=1):
    tensors = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "big": np.ones((megabytes, 2**18), dtype=np.float32),
        "c": np.array([True, False]),
        "empty": np.zeros((0, 4), dtype=np.float16),
    }
    save_file(tensors, path, metadata={"format": "np"})
    return tensors


def kept(store, path):
    layout, interior = hash_file(path, profile_named("unixfs-v1-2025"))
    store.add_file(path, layout, interior)
    return layout.root


def test_tensors_are_views_that_equal_the_librarys(store, tmp_path):
    expected = tensors_file(tmp_path / "m.safetensors")
    with store.open_safetensors(kept(store, tmp_path / "m.safetensors")) as tensors:
        assert set(tensors) == set(expected)
        assert tensors.metadata == {"format": "np"}
        for name, value in expected.items():
            np.testing.assert_array_equal(tensors[name], value)
            assert tensors[name].dtype == value.dtype
            assert not tensors[name].flags.writeable
        base = tensors["a"]
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(getattr(base, "obj", base), mmap.mmap)
        assert tensors.stored_dtype("a") == "F32"
        del base


def anonymous_bytes():
    """Memory that is this process's own, without pages of mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


@pytest.mark.needs("linux")
def test_opening_tensors_takes_no_memory(store, tmp_path):
    tensors_file(tmp_path / "m.safetensors", megabytes=64)
    root = kept(store, tmp_path / "m.safetensors")
    before = anonymous_bytes()
    with store.open_safetensors(root) as tensors:
        total = float(tensors["big"][:, ::1024].sum())
        grown = anonymous_bytes() - before
    assert total == 64 * 256
    assert grown < 8 * 2**20


def test_views_outlive_the_mapping_object(store, tmp_path):
    tensors_file(tmp_path / "m.safetensors")
    with store.open_safetensors(kept(store, tmp_path / "m.safetensors")) as tensors:
        view = tensors["a"]
    store.collect()
    assert view[1, 2] == 5.0


def raw(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        raw({}, length=2**63),
        raw({}, length=3),
        raw(b"not json"),
        raw(b"[1]"),
        raw(b"[" * 100_000),
        raw({"a": 1}, b"1234"),
        raw({"a": {**ENTRY, "dtype": "F99"}}, b"1234"),
        raw({"a": {**ENTRY, "dtype": ["F32"]}}, b"1234"),
        raw({"a": {**ENTRY, "shape": [2]}}, b"1234"),
        raw({"a": {**ENTRY, "shape": [-1]}}, b"1234"),
        raw({"a": {**ENTRY, "shape": [True]}}, b"1234"),
        raw({"a": {**ENTRY, "shape": 1}}, b"1234"),
        raw({"a": {**ENTRY, "data_offsets": [4, 8]}}, b"12345678"),
        raw({"a": {**ENTRY, "data_offsets": [0]}}, b"1234"),
        raw({"a": ENTRY}, b"123"),
        raw({"a": ENTRY}, b"12345"),
        raw({"a": ENTRY, "b": ENTRY}, b"1234"),
        raw({"__metadata__": 3, "a": ENTRY}, b"1234"),
    ],
)
def test_a_header_that_lies_is_refused(store, tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError):
        store.open_safetensors(kept(store, path))


def test_a_store_closed_twice_or_never_used_leaves_nothing_behind(tmp_path):
    with FileBlockStore(tmp_path / "s"):
        pass
    assert not any((tmp_path / "s" / "leases").iterdir())
