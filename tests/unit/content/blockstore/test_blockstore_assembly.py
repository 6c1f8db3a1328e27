"""`Assembly`: files that arrive leaf by leaf."""

from __future__ import annotations

import shutil
import threading

import pytest

from ipfs_accelerate.content import Cid, Codec
from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.dag import Kind, Node, UnixNode, wrap_leaf
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.dag.unixfs import encode
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentNotFoundError,
    DiskFullError,
    InputError,
)


def block_of(file, leaf):
    data = file.data[leaf.offset : leaf.offset + leaf.size_bytes]
    return wrap_leaf(data) if leaf.cid.codec == Codec.DAG_PB else data


@pytest.mark.parametrize("profile", ["unixfs-v1-2025", "unixfs-v0-2015"])
@pytest.mark.parametrize("size", [0, 1, 2**20, 3 * 2**20 + 5])
def test_leaves_in_any_order_make_the_file(store, sample, profile, size):
    file = sample(size, profile)
    with store.begin(file.layout) as assembly:
        for leaf in reversed(assembly.missing()):
            assembly.write(leaf, block_of(file, leaf))
        path = assembly.finish()
    assert path.read_bytes() == file.data
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.file_path(file.layout.root) == path
    assert not any((store.directory / "incoming").iterdir())
    for leaf in file.layout.leaves:
        assert store.get(leaf.cid) == block_of(file, leaf)


def test_what_has_arrived_is_served_before_the_file_is_whole(store, sample):
    file = sample()
    assembly = store.begin(file.layout)
    first, second, *_ = file.layout.leaves
    assembly.write(first, block_of(file, first))
    assert store.has(first.cid)
    assert store.get(first.cid) == block_of(file, first)
    assert store.locate(first.cid) is not None
    assert not store.has(second.cid)
    assert store.file_path(file.layout.root) is None


def test_an_unfinished_file_resumes_in_another_store_object(tmp_path, sample):
    file = sample()
    with FileBlockStore(tmp_path / "s") as store:
        assembly = store.begin(file.layout)
        assembly.write(file.layout.leaves[1], block_of(file, file.layout.leaves[1]))
    with FileBlockStore(tmp_path / "s") as store:
        assembly = store.begin(file.layout)
        missing = assembly.missing()
        assert [leaf.offset for leaf in missing] == [0, 2 * 2**20, 3 * 2**20]
        for leaf in missing:
            assembly.write(leaf, block_of(file, leaf))
        assert assembly.finish().read_bytes() == file.data


def test_finishing_too_early_says_what_is_missing(store, sample):
    file = sample()
    assembly = store.begin(file.layout)
    with pytest.raises(ContentNotFoundError) as caught:
        assembly.finish()
    assert caught.value.details["missing"] == 4
    assembly.write(file.layout.leaves[0], block_of(file, file.layout.leaves[0]))
    assert len(assembly.missing()) == 3


def test_beginning_a_file_that_is_here_has_nothing_missing(store, sample):
    file = sample()
    path = store.add_file(file.path, file.layout, file.interior)
    assembly = store.begin(file.layout)
    assert assembly.missing() == []
    assembly.write(file.layout.leaves[0], block_of(file, file.layout.leaves[0]))
    assert assembly.finish() == path


def test_leaves_of_other_files_and_single_blocks_are_taken_locally(store, sample, tmp_path):
    old = sample(4 * 2**20)
    store.add_file(old.path, old.layout, old.interior)
    loose = b"a new end"
    store.put(Cid.of(loose), loose)
    leaves = (*old.layout.leaves[:3], Leaf(Cid.of(loose), 3 * 2**20, len(loose)))
    layout = FileLayout(Cid.of(b"a root of its own"), 3 * 2**20 + len(loose), leaves)
    assembly = store.begin(layout)
    assert assembly.missing() == []
    assert assembly.finish().read_bytes() == old.data[: 3 * 2**20] + loose


def test_a_damaged_local_leaf_is_not_taken_over(store, sample, flip):
    old = sample(2 * 2**20)
    path = store.add_file(old.path, old.layout, old.interior)
    flip(path, 5)
    layout = FileLayout(Cid.of(b"root"), 2 * 2**20, old.layout.leaves)
    assert [leaf.offset for leaf in store.begin(layout).missing()] == [0]


def test_a_leaf_that_occurs_twice_is_written_everywhere_at_once(store):
    zeros, end = bytes(2**20), b"end"
    leaves = (
        Leaf(Cid.of(zeros), 0, 2**20),
        Leaf(Cid.of(zeros), 2**20, 2**20),
        Leaf(Cid.of(end), 2**21, 3),
    )
    assembly = store.begin(FileLayout(Cid.of(b"root"), 2**21 + 3, leaves))
    assembly.write(leaves[0], zeros)
    assert assembly.missing() == [leaves[2]]
    assembly.write(leaves[2], end)
    assert assembly.finish().read_bytes() == zeros + zeros + end


def test_a_leaf_of_another_file_or_of_the_wrong_size_is_refused(store, sample):
    file = sample()
    assembly = store.begin(file.layout)
    with pytest.raises(InputError):
        assembly.write(Leaf(Cid.of(b"x"), 0, 1), b"x")
    with pytest.raises(BlockMismatchError):
        assembly.write(file.layout.leaves[0], b"x")


def test_a_foreign_form_of_a_wrapped_leaf_is_served_as_it_came(store):
    unix = UnixNode(Kind.RAW, b"payload", size_bytes=7)
    block = encode_pb(Node((), encode(unix)))
    cid = Cid.of(block, codec=Codec.DAG_PB)
    layout = FileLayout(cid, 7, (Leaf(cid, 0, 7),))
    assembly = store.begin(layout)
    assembly.write(layout.leaves[0], block)
    assert assembly.finish().read_bytes() == b"payload"
    assert store.get(cid) == block


def test_threads_write_leaves_at_the_same_time(store, sample):
    file = sample(12 * 2**20 + 1, "unixfs-v0-2015")
    assembly = store.begin(file.layout)
    leaves = iter(file.layout.leaves)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                leaf = next(leaves, None)
            if leaf is None:
                return
            assembly.write(leaf, block_of(file, leaf))
            assert store.has(leaf.cid)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert assembly.finish().read_bytes() == file.data


def test_two_stores_share_one_assembly(tmp_path, sample):
    file = sample()
    with FileBlockStore(tmp_path / "s") as one, FileBlockStore(tmp_path / "s") as two:
        first, second = one.begin(file.layout), two.begin(file.layout)
        for leaf in file.layout.leaves[:2]:
            first.write(leaf, block_of(file, leaf))
        one.flush()
        assert second.missing() == list(file.layout.leaves[2:])
        for leaf in file.layout.leaves:
            second.write(leaf, block_of(file, leaf))
        path = second.finish()
        assert first.is_finished()
        first.write(file.layout.leaves[3], block_of(file, file.layout.leaves[3]))
        assert first.finish() == path
        assert one.file_path(file.layout.root) == path
        assert one.has(file.layout.leaves[0].cid)
        assert len(list((tmp_path / "s" / "files").rglob("*~*"))) == 1


def test_a_file_larger_than_the_disk_is_refused_before_a_byte_is_written(store):
    cid = Cid.of(b"zero")
    count = shutil.disk_usage(store.directory).free // 2**21 + 1
    leaves = tuple(Leaf(cid, n * 2**21, 2**21) for n in range(count))
    with pytest.raises(DiskFullError):
        store.begin(FileLayout(Cid.of(b"bomb"), count * 2**21, leaves))
    assert not any((store.directory / "incoming").iterdir())
