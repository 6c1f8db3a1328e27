"""Reading files and ranges of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, Codec, Hash, MemoryBlocks
from ipfs_accelerate.content.dag import Kind, UnixNode, pb, unixfs
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.reading import file_layout, iter_file, leaf_of
from ipfs_accelerate.errors import ContentFormatError, ContentNotFoundError, InputError


@pytest.mark.parametrize("size", [0, 1, 64, 65, 192, 193, 1729, 5000])
def test_what_was_hashed_is_read_and_laid_out_alike(size, profile, add, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(data := np.random.default_rng(1).bytes(size))
    root, store = add(path, profile)
    assert b"".join(iter_file(root, store)) == data
    assert file_layout(root, store) == hash_file(path, profile)[0]


def test_a_layout_needs_the_interior_nodes_only(profile, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(np.random.default_rng(1).bytes(profile.chunk_bytes * 4 + 1))
    layout, interior = hash_file(tmp_path / "f", profile)
    assert file_layout(layout.root, MemoryBlocks(interior)) == layout


def test_a_layout_of_one_raw_block_needs_no_block_when_its_size_is_known() -> None:
    cid = Cid.of(b"hello")
    layout = file_layout(cid, MemoryBlocks(), size_bytes=5)
    assert layout == file_layout(cid, MemoryBlocks([(cid, b"hello")]))


class Counting(MemoryBlocks):
    """Remembers what was asked for."""

    def __init__(self, blocks) -> None:
        super().__init__(blocks)
        self.asked: list[Cid] = []

    def get(self, cid: Cid) -> bytes:
        self.asked.append(cid)
        return super().get(cid)


def test_a_range_reads_only_the_blocks_it_touches(add, profile, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data := np.random.default_rng(1).bytes(6400))
    root, store = add(tmp_path / "f", profile)
    counting = Counting(store)
    assert b"".join(iter_file(root, counting, 3010, 3020)) == data[3010:3020]
    levels = 1 if profile.chunk_bytes > 6400 else 6
    assert len(counting.asked) <= levels


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 3), (5000, None), (9999, 10_000), (7, 7)])
def test_an_empty_range_reads_no_bytes(start, end, add, profile, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(5000))
    root, store = add(tmp_path / "f", profile)
    assert list(iter_file(root, store, start, end)) == []


@pytest.mark.parametrize(("start", "end"), [(-1, None), (0, -1)])
def test_a_negative_range_is_refused(start, end) -> None:
    with pytest.raises(InputError, match="negative"):
        iter_file(Cid.of(b""), MemoryBlocks(), start, end)


def test_a_missing_block_is_named(add, profile, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    root, _ = add(tmp_path / "f", profile)
    with pytest.raises(ContentNotFoundError, match=str(root)):
        list(iter_file(root, MemoryBlocks()))


def test_inline_leaves_are_read_out_of_their_cids() -> None:
    leaves = [Cid.of(part, hash_code=Hash.IDENTITY) for part in (b"in", b"line")]
    payload = unixfs.encode(UnixNode(Kind.FILE, size_bytes=6, block_sizes=(2, 4)))
    links = tuple(pb.Link("", cid, 0) for cid in leaves)
    block = pb.encode(pb.Node(links, payload))
    root = Cid.of(block, codec=Codec.DAG_PB)
    assert b"".join(iter_file(root, MemoryBlocks([(root, block)]))) == b"inline"


def test_a_wrapped_leaf_whose_link_states_no_size_is_looked_at() -> None:
    leaf = unixfs.encode(UnixNode(Kind.RAW, b"abc", size_bytes=3))
    leaf_block = pb.encode(pb.Node((), leaf))
    leaf_cid = Cid.of(leaf_block, codec=Codec.DAG_PB)
    payload = unixfs.encode(UnixNode(Kind.FILE, size_bytes=6, block_sizes=(3, 3)))
    block = pb.encode(pb.Node((pb.Link("", leaf_cid, 0),) * 2, payload))
    root = Cid.of(block, codec=Codec.DAG_PB)
    store = MemoryBlocks([(root, block), (leaf_cid, leaf_block)])
    layout = file_layout(root, store)
    assert [leaf.offset for leaf in layout.leaves] == [0, 3]
    assert layout.interior == (root,)
    assert b"".join(iter_file(root, store)) == b"abcabc"


def test_leaves_of_unequal_depth_are_put_in_order() -> None:
    a, b = Cid.of(b"aa"), Cid.of(b"bb")
    inner = pb.encode(
        pb.Node(
            (pb.Link("", a, 2),),
            unixfs.encode(UnixNode(Kind.FILE, size_bytes=2, block_sizes=(2,))),
        )
    )
    inner_cid = Cid.of(inner, codec=Codec.DAG_PB)
    outer = pb.encode(
        pb.Node(
            (pb.Link("", inner_cid, 99), pb.Link("", b, 2)),
            unixfs.encode(UnixNode(Kind.FILE, size_bytes=4, block_sizes=(2, 2))),
        )
    )
    root = Cid.of(outer, codec=Codec.DAG_PB)
    store = MemoryBlocks([(a, b"aa"), (b, b"bb"), (inner_cid, inner), (root, outer)])
    assert [leaf.cid for leaf in file_layout(root, store).leaves] == [a, b]
    assert b"".join(iter_file(root, store, 1, 3)) == b"ab"


def test_a_leaf_of_another_size_than_its_parent_says_is_refused() -> None:
    with pytest.raises(ContentFormatError, match="holds 3 bytes, its parent says 4"):
        leaf_of(Cid.of(b"abc"), b"abc", 4)
