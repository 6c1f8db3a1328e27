"""`FileBlockStore`: blocks in and out, files in and out."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, Codec, Hash
from ipfs_accelerate.content.blockstore import FileBlockStore, Guard
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    InputError,
    IntegrityError,
    StoreError,
)

PROFILES = ["unixfs-v1-2025", "unixfs-v0-2015"]


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 2**20, MAX_BLOCK_BYTES])
def test_a_block_comes_back_as_it_went_in(store, size):
    data = os.urandom(size)
    cid = Cid.of(data)
    assert not store.has(cid)
    store.put(cid, memoryview(data))
    assert store.has(cid)
    assert store.get(cid) == data
    store.flush()
    assert store.get(cid) == data


def test_blocks_survive_closing(tmp_path):
    blocks = [(Cid.of(data), data) for data in (b"small", os.urandom(100_000))]
    with FileBlockStore(tmp_path / "s") as store:
        for cid, data in blocks:
            store.put(cid, data)
    with FileBlockStore(tmp_path / "s") as store:
        assert [store.get(cid) for cid, _ in blocks] == [data for _, data in blocks]


def test_a_closed_store_refuses_instead_of_forgetting(tmp_path):
    store = FileBlockStore(tmp_path / "s")
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.put(Cid.of(b"late"), b"late")
    with pytest.raises(StoreError):
        store.get(Cid.of(b"late"))
    assert not any((tmp_path / "s" / "leases").iterdir())


def test_closing_leaves_no_thread_behind(tmp_path):
    before = threading.active_count()
    with FileBlockStore(tmp_path / "s") as store:
        store.put(Cid.of(b"x"), b"x")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_bytes_not_synced_before_a_restart_of_the_machine_are_hashed_first(tmp_path, sample):
    """An unfinished file and a large block of an earlier boot, both damaged by the power cut."""
    file, block = sample(), os.urandom(100_000)
    with FileBlockStore(tmp_path / "s") as store:
        store.put(Cid.of(block), block)
        assembly = store.begin(file.layout)
        for leaf in file.layout.leaves[:2]:
            assembly.write(leaf, file.data[leaf.offset : leaf.offset + leaf.size_bytes])
    (part,) = (tmp_path / "s" / "incoming").iterdir()
    with part.open("r+b") as stream:
        stream.write(bytes(100))
    with sqlite3.connect(tmp_path / "s" / "index.sqlite") as link:
        link.execute("UPDATE extents SET boot = 'an earlier one'")
    link.close()
    with FileBlockStore(tmp_path / "s") as store:
        lost, kept = file.layout.leaves[:2]
        assert not store.has(lost.cid)
        assert store.get(kept.cid) == file.data[kept.offset : kept.offset + kept.size_bytes]
        assert store.get(Cid.of(block)) == block
        assert [leaf.offset for leaf in store.begin(file.layout).missing()] == [
            leaf.offset for leaf in file.layout.leaves if leaf.offset != kept.offset
        ]


def test_a_block_is_found_under_any_cid_of_its_multihash(store):
    data = b"\x0a\x04\x08\x02\x18\x00"
    v0 = Cid.of(data, codec=Codec.DAG_PB, version=0)
    store.put(v0, data)
    assert store.has(v0.to_v1())
    assert store.get(Cid.of(data)) == data


def test_an_identity_block_needs_no_room(store):
    cid = Cid.of(b"hello", hash_code=Hash.IDENTITY)
    store.put(cid, b"hello")
    assert store.has(cid)
    assert store.get(cid) == b"hello"


def test_wrong_bytes_are_refused(store):
    with pytest.raises(BlockMismatchError):
        store.put(Cid.of(b"right"), b"wrong")
    assert not store.has(Cid.of(b"right"))


def test_a_block_over_the_limit_is_refused_even_when_called_verified(store):
    data = bytes(MAX_BLOCK_BYTES + 1)
    with pytest.raises(ContentLimitError):
        store.put(Cid.of(data), data, is_verified=True)


def test_a_missing_block_is_an_error_with_its_name(store):
    cid = Cid.of(b"nowhere")
    with pytest.raises(ContentNotFoundError) as caught:
        store.get(cid)
    assert caught.value.details["cid"] == str(cid)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("size", [0, 1, 2**18, 2**20, 2**20 + 1, 5_000_001])
def test_every_block_of_an_added_file_is_served(store, sample, profile, size):
    file = sample(size, profile)
    path = store.add_file(file.path, file.layout, file.interior)
    assert path.read_bytes() == file.data
    assert store.file_path(file.layout.root) == path
    for cid in [leaf.cid for leaf in file.layout.leaves] + list(file.layout.interior):
        assert store.has(cid)
        cid.verify(store.get(cid))


def test_a_raw_leaf_is_located_inside_the_file(store, sample):
    file = sample()
    store.add_file(file.path, file.layout, file.interior)
    leaf = file.layout.leaves[1]
    path, offset, size = store.locate(leaf.cid)
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        leaf.cid.verify(stream.read(size))
    assert store.locate(file.layout.root) is None


def test_a_wrapped_leaf_has_no_location(store, sample):
    file = sample(profile="unixfs-v0-2015")
    store.add_file(file.path, file.layout, file.interior)
    assert store.locate(file.layout.leaves[0].cid) is None


def test_a_kept_file_is_a_read_only_copy(store, sample):
    file = sample()
    path = store.add_file(file.path, file.layout, file.interior)
    assert path.stat().st_mode & 0o777 == 0o444
    file.path.write_bytes(b"changed")
    assert path.read_bytes() == file.data
    assert store.has(file.layout.leaves[0].cid)


def test_adding_again_keeps_one_copy(store, sample):
    file = sample()
    first = store.add_file(file.path, file.layout, file.interior)
    assert store.add_file(file.path, file.layout, file.interior) == first
    assert len(list(first.parent.iterdir())) == 1


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_a_file_that_is_not_the_one_hashed_is_refused(store, sample, mode):
    file = sample()
    file.path.write_bytes(file.data[:-1] + bytes([file.data[-1] ^ 1]))
    with pytest.raises(BlockMismatchError):
        store.add_file(file.path, file.layout, file.interior, mode=mode)
    file.path.write_bytes(file.data + b"x")
    with pytest.raises(IntegrityError):
        store.add_file(file.path, file.layout, file.interior, mode=mode)
    assert store.file_path(file.layout.root) is None
    assert not store.has(file.layout.leaves[0].cid)
    assert not any((store.directory / "incoming").iterdir())


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_a_file_changed_since_it_was_looked_at_is_refused(store, sample, mode):
    file = sample()
    seen = Guard.of(file.path)
    os.utime(file.path, ns=(1, 1))
    with pytest.raises(IntegrityError):
        store.add_file(file.path, file.layout, file.interior, mode=mode, unchanged_since=seen)
    fresh = Guard.of(file.path)
    store.add_file(file.path, file.layout, file.interior, mode=mode, unchanged_since=fresh)
    assert store.has(file.layout.leaves[-1].cid)


def test_a_reference_costs_no_second_copy_and_ends_with_a_change(store, sample):
    file = sample()
    path = store.add_file(file.path, file.layout, file.interior, mode="reference")
    assert path == file.path
    assert not any((store.directory / "files").rglob("*~*"))
    leaf = file.layout.leaves[2]
    leaf.cid.verify(store.get(leaf.cid))
    with file.path.open("r+b") as stream:
        stream.write(b"x")
    assert not store.has(leaf.cid)
    assert store.locate(leaf.cid) is None
    assert store.file_path(file.layout.root) is None
    with pytest.raises(ContentNotFoundError):
        store.get(leaf.cid)


def test_an_unknown_mode_is_refused(store, sample):
    file = sample(10)
    with pytest.raises(InputError):
        store.add_file(file.path, file.layout, file.interior, mode="move")


def test_a_layout_with_a_gap_is_refused(store, sample):
    file = sample()
    torn = dataclasses.replace(file.layout, leaves=file.layout.leaves[1:])
    with pytest.raises(ContentFormatError):
        store.begin(torn)
    with pytest.raises(ContentFormatError):
        store.add_file(file.path, torn, file.interior)


@pytest.mark.parametrize("change", ["write", "truncate", "replace", "remove"])
def test_a_kept_file_that_somebody_changed_counts_as_missing(store, sample, change):
    file = sample()
    path = store.add_file(file.path, file.layout, file.interior)
    path.chmod(0o644)
    if change == "write":
        with path.open("r+b") as stream:
            stream.write(b"x")
    elif change == "truncate":
        os.truncate(path, 100)
    elif change == "replace":
        copy = path.with_suffix(".copy")
        copy.write_bytes(file.data)
        seen = path.stat()
        os.utime(copy, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        copy.replace(path)
    else:
        path.unlink()
    assert not any(store.has(leaf.cid) for leaf in file.layout.leaves)
    assert store.file_path(file.layout.root) is None
