"""What the block store must refuse or find: flipped bits everywhere, lies, ways out of folders."""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, Codec
from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.dag import Kind, Link, Node, UnixNode
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.dag.unixfs import encode
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    StoreError,
    UnsafeModelError,
)


def test_every_flipped_bit_is_found_and_none_is_served(store, sample, flip):
    """Bits flipped all over files, large blocks and small ones: a check finds each block."""
    file = sample(2**20 + 2**18)
    path = store.add_file(file.path, file.layout, file.interior)
    draw = np.random.default_rng(7)
    for _ in range(25):
        offset = int(draw.integers(0, len(file.data)))
        flip(path, offset)
        leaf = next(x for x in reversed(file.layout.leaves) if x.offset <= offset)
        report = store.check()
        assert report.damaged == (leaf.cid,)
        assert not store.has(leaf.cid)
        with pytest.raises(ContentNotFoundError):
            store.get(leaf.cid)
        good = file.data[leaf.offset : leaf.offset + leaf.size_bytes]
        assert store.check(heal_from=lambda _, good=good: good).healed == (leaf.cid,)
        assert path.read_bytes() == file.data


def test_a_healing_source_that_sends_something_else_is_not_believed(store, sample, flip):
    file = sample()
    flip(store.add_file(file.path, file.layout, file.interior), 1)
    for lie in (b"", b"x", bytes(MAX_BLOCK_BYTES + 1), file.data[2**20 : 2 * 2**20]):
        report = store.check(heal_from=lambda _, lie=lie: lie)
        assert report.healed == ()
    assert not store.has(file.layout.leaves[0].cid)


@pytest.mark.parametrize(
    "leaves",
    [
        [(0, 10), (11, 5)],
        [(0, 10), (9, 6)],
        [(5, 10)],
        [(0, -5), (-5, 20)],
        [(0, 14)],
        [(0, 16)],
    ],
)
def test_a_layout_that_lies_is_refused(store, leaves):
    cid = Cid.of(b"leaf")
    layout = FileLayout(Cid.of(b"r"), 15, tuple(Leaf(cid, at, size) for at, size in leaves))
    with pytest.raises(ContentFormatError):
        store.begin(layout)
    assert not any((store.directory / "incoming").iterdir())


def test_a_layout_with_leaves_larger_than_blocks_is_refused(store):
    size = MAX_BLOCK_BYTES + 1
    with pytest.raises(ContentLimitError):
        store.begin(FileLayout(Cid.of(b"r"), size, (Leaf(Cid.of(b"l"), 0, size),)))


def test_a_leaf_block_that_holds_another_size_than_its_link_said_is_refused(store):
    data = b"four"
    block = encode_pb(Node((), encode(UnixNode(Kind.FILE, data, size_bytes=4))))
    cid = Cid.of(block, codec=Codec.DAG_PB)
    assembly = store.begin(FileLayout(Cid.of(b"r"), 2**20, (Leaf(cid, 0, 2**20),)))
    with pytest.raises(BlockMismatchError):
        assembly.write(assembly.layout.leaves[0], block)
    with pytest.raises(ContentFormatError):
        assembly.write(assembly.layout.leaves[0], b"\xff" * 50)


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/abs", "..", "a\0b", ""])
def test_a_tree_with_a_name_that_leads_out_is_not_placed(store, tmp_path, name):
    text = b"evil"
    file = Cid.of(text)
    store.put(file, text)
    block = encode_pb(Node((Link(name, file, 4),), encode(UnixNode(Kind.DIRECTORY))))
    root = Cid.of(block, codec=Codec.DAG_PB)
    store.put(root, block)
    with pytest.raises(AccelerateError):
        store.place_tree(root, tmp_path / "deep" / "er" / "out")
    assert not any(p.is_file() for p in (tmp_path / "deep").rglob("*"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "a/../../x", "", ".."])
def test_a_symlink_out_of_the_tree_is_not_placed(store, tmp_path, target):
    link = encode_pb(Node((), encode(UnixNode(Kind.SYMLINK, target.encode()))))
    link_cid = Cid.of(link, codec=Codec.DAG_PB)
    block = encode_pb(Node((Link("l", link_cid, 1),), encode(UnixNode(Kind.DIRECTORY))))
    root = Cid.of(block, codec=Codec.DAG_PB)
    store.put(link_cid, link)
    store.put(root, block)
    with pytest.raises(AccelerateError):
        store.place_tree(root, tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out" / "l")


def test_symlinks_that_lead_out_only_together_are_not_placed(store, tmp_path):
    def kept(kind, links=(), data=None):
        block = encode_pb(Node(tuple(links), encode(UnixNode(kind, data))))
        cid = Cid.of(block, codec=Codec.DAG_PB)
        store.put(cid, block)
        return cid

    inner = kept(Kind.DIRECTORY, [Link("up", kept(Kind.SYMLINK, data=b".."), 1)])
    out = kept(Kind.SYMLINK, data=b"d/up/..")
    root = kept(Kind.DIRECTORY, [Link("d", inner, 1), Link("out", out, 1)])
    with pytest.raises(UnsafeModelError, match="'out'"):
        store.place_tree(root, tmp_path / "out")
    assert not any((tmp_path / "out").glob("*"))


def test_a_block_that_is_not_of_its_codec_does_not_stop_a_collection(store):
    data = b"\xff not dag-pb"
    cid = Cid.of(data, codec=Codec.DAG_PB)
    odd = Cid.of(b"odd", codec=0x300001)
    store.put(cid, data)
    store.put(odd, b"odd")
    store.pin(cid)
    store.collect()
    assert store.has(cid)
    assert not store.has(odd)


@pytest.mark.parametrize("seed", range(6))
def test_a_journal_damaged_anywhere_never_yields_a_wrong_block(tmp_path, seed):
    draw = np.random.default_rng(seed)
    blocks = {Cid.of(data): data for data in (draw.bytes(300) for _ in range(20))}
    with FileBlockStore(tmp_path / "s") as store:
        for cid, data in blocks.items():
            store.put(cid, data)
    journal = tmp_path / "s" / "nodes.journal"
    damaged = bytearray(journal.read_bytes())
    for at in draw.integers(0, len(damaged), 5):
        damaged[at] ^= 1 << int(draw.integers(0, 8))
    journal.write_bytes(damaged[: -int(draw.integers(1, 400))])
    (tmp_path / "s" / "index.sqlite").unlink()
    FileBlockStore.rebuild_index(tmp_path / "s")
    with FileBlockStore(tmp_path / "s") as store:
        found = [cid for cid in blocks if store.has(cid)]
        assert all(store.get(cid) == blocks[cid] for cid in found)
        assert len(found) < len(blocks)


@pytest.mark.parametrize("seed", range(8))
def test_an_index_damaged_anywhere_never_serves_a_wrong_block(tmp_path, sample, seed):
    """Random bytes overwritten in the index: an error or a missing block, never a wrong one."""
    file = sample(2**20 + 5)
    home = tmp_path / "s"
    with FileBlockStore(home) as store:
        store.add_file(file.path, file.layout, file.interior)
    draw = np.random.default_rng(seed)
    damaged = bytearray((home / "index.sqlite").read_bytes())
    for at in draw.integers(100, len(damaged), 200):
        damaged[at] = int(draw.integers(0, 256))
    (home / "index.sqlite").write_bytes(damaged)
    cids = [leaf.cid for leaf in file.layout.leaves] + list(file.layout.interior)
    with suppress(StoreError), FileBlockStore(home, verify_reads=True) as store:
        for cid in cids:
            with suppress(ContentNotFoundError):
                cid.verify(store.get(cid))
    FileBlockStore.rebuild_index(home)
    with FileBlockStore(home) as store:
        assert store.file_path(file.layout.root).read_bytes() == file.data
        assert all(store.has(cid) for cid in cids)


def test_a_raw_name_of_a_files_root_node_names_the_node_not_the_file(store, sample, tmp_path):
    file = sample()
    store.add_file(file.path, file.layout, file.interior)
    node = file.interior[0][1]
    raw = Cid.of(node)
    assert raw.multihash == file.layout.root.multihash
    assert store.file_path(raw) is None
    store.place_tree(raw, tmp_path / "node")
    store.place_tree(file.layout.root, tmp_path / "file")
    assert (tmp_path / "node").read_bytes() == node
    assert (tmp_path / "file").read_bytes() == file.data
    assert store.file_path(raw) != store.file_path(file.layout.root)
    assert store.check().is_sound
