"""`check`, healing, and `rebuild_index`."""

from __future__ import annotations

import os
import sqlite3

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.errors import (
    ContentNotFoundError,
    InputError,
    SchemaTooNewError,
    StoreCorruptError,
)

PROFILES = ["unixfs-v1-2025", "unixfs-v0-2015"]


def keep(store, file):
    return store.add_file(file.path, file.layout, file.interior)


def test_a_sound_store_is_sound(store, sample):
    file = sample()
    keep(store, file)
    report = store.check()
    assert report.is_sound
    assert report.blocks == len(file.layout.leaves) + len(file.interior)
    assert report.damaged == ()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_flipped_bit_is_found_never_served_and_healed_in_place(
    store, other, sample, profile, flip
):
    file = sample(profile=profile)
    path, linked = keep(store, file), store.directory.parent / "linked"
    store.place_tree(file.layout.root, linked)
    keep(other, file)
    leaf = file.layout.leaves[1]
    flip(path, leaf.offset + 7)
    report = store.check()
    assert [cid.multihash for cid in report.damaged] == [leaf.cid.multihash]
    assert not report.is_sound
    assert not store.has(leaf.cid)
    assert store.has(file.layout.leaves[0].cid)
    assert store.file_path(file.layout.root) is None
    healed = store.check(heal_from=other)
    assert [cid.multihash for cid in healed.healed] == [leaf.cid.multihash]
    assert store.file_path(file.layout.root) == path
    assert linked.read_bytes() == path.read_bytes() == file.data
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.check().is_sound


def test_reading_with_verification_finds_a_flipped_bit_at_once(tmp_path, sample, flip):
    file = sample()
    with FileBlockStore(tmp_path / "s", verify_reads=True) as store:
        flip(keep(store, file), 3)
        leaf = file.layout.leaves[0]
        with pytest.raises(ContentNotFoundError):
            store.get(leaf.cid)


@pytest.mark.parametrize("damage", ["truncate", "remove", "write"])
def test_a_file_somebody_changed_is_healed_into_a_new_one(store, other, sample, damage):
    file = sample()
    path = keep(store, file)
    keep(other, file)
    placed = store.directory.parent / "placed"
    store.place_tree(file.layout.root, placed)
    placed.chmod(0o644)
    if damage == "truncate":
        os.truncate(placed, 2**20 + 10)
    elif damage == "remove":
        path.unlink()
    else:
        with placed.open("r+b") as stream:
            stream.write(b"mine")
    mine = placed.read_bytes()
    report = store.check(heal_from=other.get)
    assert report.is_sound
    fresh = store.file_path(file.layout.root)
    assert fresh != path
    assert fresh.read_bytes() == file.data
    assert placed.read_bytes() == mine
    assert len(list((store.directory / "files").rglob("*~*"))) == 1


def test_a_touched_file_is_accepted_again(store, sample):
    file = sample()
    path = keep(store, file)
    os.utime(path)
    assert not store.has(file.layout.leaves[0].cid)
    report = store.check()
    assert report.accepted == 1
    assert store.file_path(file.layout.root) == path


def test_a_damaged_large_block_is_never_served_and_healed(store, flip):
    data = os.urandom(100_000)
    cid = Cid.of(data)
    store.put(cid, data)
    (path,) = (store.directory / "files").rglob("*~*")
    flip(path, 5)
    with pytest.raises(ContentNotFoundError):
        store.get(cid)
    assert not store.has(cid)
    store.put(cid, data)
    assert store.get(cid) == data


def test_a_damaged_small_block_is_never_served_and_healed(store):
    cid = Cid.of(b"small block")
    store.put(cid, b"small block")
    store.flush()
    with sqlite3.connect(store.directory / "index.sqlite") as link:
        link.execute("UPDATE nodes SET data = x'00'")
    link.close()
    with pytest.raises(ContentNotFoundError):
        store.get(cid)
    assert not store.has(cid)
    report = store.check(heal_from=MemoryBlocks([(cid, b"small block")]))
    assert report.healed == (cid,)
    assert store.get(cid) == b"small block"


def test_a_source_that_lies_heals_nothing(store, sample, flip):
    file = sample()
    flip(keep(store, file), 0)
    report = store.check(heal_from=lambda _: b"lies")
    assert not report.is_sound
    assert not store.has(file.layout.leaves[0].cid)


def test_a_changed_reference_is_healed_into_a_file_of_the_stores_own(store, other, sample):
    file = sample()
    store.add_file(file.path, file.layout, file.interior, mode="reference")
    keep(other, file)
    file.path.write_bytes(b"new text")
    assert store.check(heal_from=other).is_sound
    path = store.file_path(file.layout.root)
    assert store.directory in path.parents
    assert path.read_bytes() == file.data
    assert file.path.read_bytes() == b"new text"


def test_a_sample_hashes_only_so_many_blocks(store, sample):
    file = sample(12 * 2**20)
    keep(store, file)
    report = store.check(sample=3, generator=np.random.default_rng(1))
    assert report.blocks == 3 + len(file.interior)
    with pytest.raises(InputError):
        store.check(sample=3)


def test_an_index_that_is_no_database_is_an_error_with_a_hint(tmp_path, sample):
    with FileBlockStore(tmp_path / "s") as store:
        keep(store, sample())
    for suffix in ("-wal", "-shm"):
        (tmp_path / "s" / f"index.sqlite{suffix}").unlink(missing_ok=True)
    (tmp_path / "s" / "index.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreCorruptError, match="rebuild"):
        FileBlockStore(tmp_path / "s")


def test_an_index_of_a_newer_version_is_refused(tmp_path):
    FileBlockStore(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s" / "index.sqlite") as link:
        link.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    link.close()
    with pytest.raises(SchemaTooNewError):
        FileBlockStore(tmp_path / "s")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("loss", ["deleted", "rubbish", "with-journal"])
def test_a_lost_index_is_rebuilt_from_the_files(tmp_path, sample, profile, loss):
    whole, partial = sample(seed=1, profile=profile), sample(seed=2)
    large = os.urandom(100_000)
    home = tmp_path / "s"
    with FileBlockStore(home) as store:
        keep(store, whole)
        store.put(Cid.of(large), large)
        for cid, data in partial.interior:
            store.put(cid, data)
        leaf = partial.layout.leaves[1]
        store.begin(partial.layout).write(
            leaf, partial.data[leaf.offset : leaf.offset + leaf.size_bytes]
        )
        store.pin(whole.layout.root, name="mine")
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    if loss == "rubbish":
        (home / "index.sqlite").write_bytes(b"rubbish" * 1000)
    if loss == "with-journal":
        (home / "nodes.journal").unlink()
    with pytest.raises(StoreCorruptError):
        FileBlockStore(home)
    report = FileBlockStore.rebuild_index(home)
    assert (report.files, report.pins) == (2, 1)
    with FileBlockStore(home) as store:
        assert store.file_path(whole.layout.root).read_bytes() == whole.data
        assert all(store.has(cid) for cid in whole.layout.interior)
        assert store.get(Cid.of(large)) == large
        assert store.pins()[0].name == "mine"
        if loss != "with-journal":
            assert report.partial == 1
            assert len(store.begin(partial.layout).missing()) == 3
        assert store.check().is_sound


def test_files_without_an_index_are_not_taken_for_a_new_store(tmp_path, sample):
    with FileBlockStore(tmp_path / "s") as store:
        path = keep(store, sample())
    for old in (tmp_path / "s").glob("index.sqlite*"):
        old.unlink()
    (tmp_path / "s" / "format").unlink()
    with pytest.raises(StoreCorruptError):
        FileBlockStore(tmp_path / "s")
    assert path.exists()
