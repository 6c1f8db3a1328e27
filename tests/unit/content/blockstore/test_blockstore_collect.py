"""Pins and collection: what stays, what goes, in which order."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content import Cid, Codec
from ipfs_accelerate.content.blockstore import FileBlockStore, Pin
from ipfs_accelerate.content.dag import Link, Node
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode, encode
from ipfs_accelerate.errors import ContentNotFoundError, QuotaExceededError


def folder_of(store, *files):
    """A directory block that links to files; returns its CID."""
    links = tuple(
        Link(f"f{n}", file.layout.root, file.layout.size_bytes) for n, file in enumerate(files)
    )
    block = encode_pb(Node(links, encode(UnixNode(Kind.DIRECTORY))))
    cid = Cid.of(block, codec=Codec.DAG_PB)
    store.put(cid, block)
    return cid


def keep(store, file):
    return store.add_file(file.path, file.layout, file.interior)


def is_whole(store, file):
    cids = [leaf.cid for leaf in file.layout.leaves] + list(file.layout.interior)
    return all(store.has(cid) for cid in cids) and store.file_path(file.layout.root) is not None


def is_gone(store, file):
    cids = [leaf.cid for leaf in file.layout.leaves] + list(file.layout.interior)
    return not any(store.has(cid) for cid in cids)


def test_pins_have_names_and_modes(store):
    cid = Cid.of(b"x")
    store.pin(cid, name="a")
    store.pin(cid, name="b", is_recursive=False)
    assert store.pins() == [Pin(cid, "a", True), Pin(cid, "b", False)]
    store.unpin(cid, name="a")
    assert store.pins() == [Pin(cid, "b", False)]
    with pytest.raises(ContentNotFoundError):
        store.unpin(cid, name="a")


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
def test_collecting_keeps_what_is_pinned_and_removes_the_rest(store, sample, profile):
    kept, lost = sample(seed=1, profile=profile), sample(seed=2, profile=profile)
    path = keep(store, lost)
    keep(store, kept)
    store.pin(folder_of(store, kept))
    loose = Cid.of(b"loose")
    store.put(loose, b"loose")
    report = store.collect()
    assert is_whole(store, kept)
    assert is_gone(store, lost)
    assert not path.exists()
    assert not store.has(loose)
    assert report.removed_files == 1
    assert {lost.layout.root, loose} == set(report.removed)
    assert report.after_bytes == store.stats().size_bytes < report.before_bytes


def test_a_direct_pin_keeps_one_block(store, sample):
    file = sample()
    keep(store, file)
    tree = folder_of(store, file)
    store.pin(tree, is_recursive=False)
    store.collect()
    assert store.has(tree)
    assert is_gone(store, file)


def test_the_least_recently_used_root_goes_first(store, sample):
    files = [sample(2**20 + 1, seed=seed) for seed in range(4)]
    for file in files:
        keep(store, file)
    store.file_path(files[0].layout.root)  # used again
    store.collect(2 * (2**20 + 1) + 5000)
    assert [is_whole(store, file) for file in files] == [True, False, False, True]
    assert is_gone(store, files[1])


def test_nothing_goes_while_the_quota_is_met(store, sample):
    file = sample()
    keep(store, file)
    report = store.collect(2**30)
    assert report.removed == ()
    assert is_whole(store, file)


def test_a_quota_below_the_pins_is_refused_and_removes_nothing(store, sample):
    pinned, other = sample(seed=1), sample(seed=2)
    keep(store, pinned)
    keep(store, other)
    store.pin(pinned.layout.root)
    with pytest.raises(QuotaExceededError):
        store.collect(2**20)
    assert is_whole(store, other)


def test_a_file_being_fetched_is_protected_until_closed(store, sample):
    file = sample()
    for cid, data in file.interior:
        store.put(cid, data)
    leaf = file.layout.leaves[0]
    assembly = store.begin(file.layout)
    assembly.write(leaf, file.data[: leaf.size_bytes])
    store.collect()
    assert store.has(leaf.cid)
    assert all(store.has(cid) for cid in file.layout.interior)
    assembly.close()
    store.collect()
    assert not store.has(leaf.cid)
    assert not any((store.directory / "incoming").iterdir())


def test_a_tree_being_fetched_is_protected(store, sample):
    file = sample()
    with store.protecting(file.layout.root):
        keep(store, file)
        store.collect()
    assert is_whole(store, file)
    store.collect()
    assert is_gone(store, file)


def test_blocks_another_live_process_keeps_are_not_collected(tmp_path, sample):
    file = sample()
    with FileBlockStore(tmp_path / "s") as one, FileBlockStore(tmp_path / "s") as two:
        keep(two, file)
        one.collect()
        assert is_whole(two, file)
        two.collect()
        assert is_gone(one, file)


def test_leaves_shared_with_an_unpinned_file_survive_it(store, sample):
    file = sample()
    keep(store, file)
    leaf = file.layout.leaves[0]
    block = encode_pb(
        Node(
            (Link("", leaf.cid, leaf.size_bytes),),
            encode(UnixNode(Kind.FILE, size_bytes=2**20, block_sizes=(2**20,))),
        )
    )
    other = Cid.of(block, codec=Codec.DAG_PB)
    store.put(other, block)
    store.put(leaf.cid, file.data[: 2**20])
    store.pin(other)
    store.collect()
    assert store.get(leaf.cid) == file.data[: 2**20]


def test_a_users_own_file_is_never_removed(store, sample):
    file = sample()
    store.add_file(file.path, file.layout, file.interior, mode="reference")
    store.collect()
    assert is_gone(store, file)
    assert file.path.read_bytes() == file.data


def test_an_open_file_stays_readable_after_its_collection(store, sample):
    file = sample()
    with keep(store, file).open("rb") as stream:
        store.collect()
        assert stream.read() == file.data


def test_roots_are_what_nothing_links_to(store, sample):
    file = sample(profile="unixfs-v0-2015")
    keep(store, file)
    assert store.roots() == [file.layout.root]
    tree = folder_of(store, file)
    assert store.roots() == [tree]


def test_a_store_with_a_quota_collects_to_make_room_and_then_refuses(tmp_path, sample):
    files = [sample(2**20 + 1, seed=seed) for seed in range(4)]
    with FileBlockStore(tmp_path / "s", quota_bytes=5 * 2**19) as store:
        for file in files[:3]:
            keep(store, file)
        assert is_gone(store, files[0])
        assert is_whole(store, files[2])
        for file in files[1:3]:
            keep(store, file)
            store.pin(file.layout.root)
        with pytest.raises(QuotaExceededError):
            keep(store, files[3])
        with pytest.raises(QuotaExceededError):
            store.begin(files[3].layout)
        assert all(is_whole(store, file) for file in files[1:3])
        assert store.stats().size_bytes <= 5 * 2**19


def test_rubbish_of_dead_processes_goes(store, tmp_path):
    (store.directory / "incoming" / "junk~1").write_bytes(b"x")
    (store.directory / "files" / "ab").mkdir()
    (store.directory / "files" / "ab" / "junk~2").write_bytes(b"x")
    report = store.collect()
    assert report.rubbish == 2
    assert not any((store.directory / "incoming").iterdir())


def test_statistics_count_what_is_there(store, sample):
    file = sample()
    keep(store, file)
    store.pin(file.layout.root)
    stats = store.stats()
    assert (stats.files, stats.unfinished, stats.pins, stats.references) == (1, 0, 1, 0)
    assert stats.blocks == len(file.layout.leaves) + len(file.interior)
    assert stats.size_bytes == len(file.data) + sum(len(data) for _, data in file.interior)
