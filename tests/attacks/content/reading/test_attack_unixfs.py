"""DAGs made to exhaust memory, disk or time, or to write outside their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, Codec, Hash, MemoryBlocks
from ipfs_accelerate.content.dag import Kind, Link, Node, UnixNode, pb, unixfs
from ipfs_accelerate.content.reading import export, file_layout, iter_file, iter_tree
from ipfs_accelerate.errors import (
    AccelerateError,
    ContentFormatError,
    ContentLimitError,
    UnsafeModelError,
)


class Blocks(MemoryBlocks):
    """Names what it is given."""

    def file(self, *parts: tuple[Cid, int], **changes: object) -> Cid:
        sizes = tuple(size for _, size in parts)
        unix = {"size_bytes": sum(sizes), "block_sizes": sizes} | changes
        links = tuple(Link("", cid, size) for cid, size in parts)
        return self.node(Node(links, unixfs.encode(UnixNode(Kind.FILE, **unix))))  # type: ignore[arg-type]

    def folder(self, *links: tuple[str, Cid]) -> Cid:
        payload = unixfs.encode(UnixNode(Kind.DIRECTORY))
        return self.node(Node(tuple(Link(name, cid, 1) for name, cid in links), payload))

    def symlink(self, target: str) -> Cid:
        return self.node(Node((), unixfs.encode(UnixNode(Kind.SYMLINK, target.encode()))))

    def node(self, node: Node) -> Cid:
        block = pb.encode(node)
        cid = Cid.of(block, codec=Codec.DAG_PB)
        self.put(cid, block)
        return cid

    def leaf(self, data: bytes) -> Cid:
        cid = Cid.of(data)
        self.put(cid, data)
        return cid


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


class Liar:
    """Answers every CID with one block; honest hashes could make no cycle."""

    def __init__(self, block: bytes) -> None:
        self.block = block

    def get(self, cid: Cid) -> bytes:
        return self.block

    def has(self, cid: Cid) -> bool:
        return True


def test_a_tiny_dag_that_claims_an_exbibyte_is_refused_unread(blocks: Blocks) -> None:
    huge = blocks.file((blocks.leaf(b"x"), 2**60))
    with pytest.raises(ContentLimitError, match="claims 1152921504606846976 bytes"):
        file_layout(huge, blocks)
    with pytest.raises(ContentLimitError):
        next(iter_file(huge, blocks))


def test_many_links_to_one_leaf_are_bounded_by_bytes_and_by_count(
    blocks: Blocks, tmp_path: Path
) -> None:
    cid, size = blocks.leaf(b"x" * 1024), 1024
    for _ in range(6):
        cid, size = blocks.file(*[(cid, size)] * 32), size * 32
    with pytest.raises(ContentLimitError, match="the limit is 1048576"):
        file_layout(cid, blocks, max_bytes=2**20)
    with pytest.raises(ContentLimitError, match="more than 5000 blocks"):
        file_layout(cid, blocks, max_leaves=5000)
    with pytest.raises(ContentLimitError, match="claims 1099511627776 bytes"):
        export(cid, tmp_path / "out", blocks, max_bytes=2**30)
    assert list(tmp_path.iterdir()) == []


def test_a_range_of_a_bomb_costs_only_the_range(blocks: Blocks) -> None:
    cid, size = blocks.leaf(b"x" * 1024), 1024
    for _ in range(6):
        cid, size = blocks.file(*[(cid, size)] * 32), size * 32
    assert b"".join(iter_file(cid, blocks, size - 5)) == b"xxxxx"


def test_a_chain_deeper_than_any_file_is_refused(blocks: Blocks) -> None:
    cid = blocks.leaf(b"x")
    for _ in range(40):
        cid = blocks.file((cid, 1))
    for read in (file_layout, lambda root, reader: list(iter_file(root, reader))):
        with pytest.raises(ContentLimitError, match="deeper than 32 levels"):
            read(cid, blocks)


def test_wide_and_deep_at_once_is_bounded_by_visits(blocks: Blocks) -> None:
    cid = blocks.file((blocks.leaf(b"x"), 1))
    for _ in range(10):
        cid = blocks.file((cid, 1))
    wide = blocks.file(*[(cid, 1)] * 1000)
    with pytest.raises(ContentLimitError, match="more than 5000 blocks"):
        file_layout(wide, blocks, max_leaves=5000)


def test_a_reader_that_answers_in_circles_ends() -> None:
    me = Cid.of(b"me", codec=Codec.DAG_PB)
    circle = pb.encode(
        Node(
            (Link("", me, 0),),
            unixfs.encode(UnixNode(Kind.FILE, size_bytes=1, block_sizes=(1,))),
        )
    )
    for read in (file_layout, lambda root, reader: list(iter_file(root, reader))):
        with pytest.raises(ContentLimitError, match="deeper"):
            read(me, Liar(circle))
    folder = pb.encode(Node((Link("a", me, 0),), unixfs.encode(UnixNode(Kind.DIRECTORY))))
    with pytest.raises(ContentLimitError, match="deeper than 128 folders"):
        list(iter_tree(me, Liar(folder)))


def test_a_sharded_folder_in_circles_ends() -> None:
    me = Cid.of(b"me", codec=Codec.DAG_PB)
    payload = unixfs.encode(UnixNode(Kind.HAMT, b"\xff" * 32, hash_type=0x22, fanout=256))
    links = tuple(Link(f"{i:02X}", me, 0) for i in range(256))
    with pytest.raises(ContentLimitError, match="deeper than its hash"):
        list(iter_tree(me, Liar(pb.encode(Node(links, payload)))))


def test_folders_that_share_contents_cannot_multiply_without_end(blocks: Blocks) -> None:
    cid = blocks.leaf(b"x")
    for _ in range(20):
        cid = blocks.folder(*[(f"{i}", cid) for i in range(10)])
    with pytest.raises(ContentLimitError, match="more than 1000 entries"):
        list(iter_tree(cid, blocks, max_entries=1000))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_sizes": (3,)}, "2 links but 1 block sizes"),
        ({"block_sizes": (3, 4, 5)}, "2 links but 3 block sizes"),
        ({"size_bytes": 8}, "make 7 bytes, not the 8"),
        ({"block_sizes": (7, 0)}, "empty part"),
        ({"data": b"inline"}, "data beside links"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(
    changes: dict[str, object], message: str, blocks: Blocks
) -> None:
    root = blocks.file((blocks.leaf(b"abc"), 3), (blocks.leaf(b"defg"), 4), **changes)
    with pytest.raises(ContentFormatError, match=message):
        file_layout(root, blocks)
    with pytest.raises(ContentFormatError, match=message):
        list(iter_file(root, blocks))


@pytest.mark.parametrize("claimed", [(2, 4), (4, 4)])
def test_block_sizes_that_do_not_match_the_leaves_are_refused(
    claimed: tuple[int, int], blocks: Blocks
) -> None:
    root = blocks.file((blocks.leaf(b"abc"), claimed[0]), (blocks.leaf(b"defg"), claimed[1]))
    with pytest.raises(ContentFormatError, match="its parent says"):
        list(iter_file(root, blocks))


def test_a_child_that_is_smaller_than_its_parent_says_is_refused(blocks: Blocks) -> None:
    child = blocks.file((blocks.leaf(b"abc"), 3))
    root = blocks.file((child, 5))
    with pytest.raises(ContentFormatError, match="make 3 bytes, not the 5"):
        file_layout(root, blocks)


def test_a_folder_inside_a_file_is_refused(blocks: Blocks) -> None:
    root = blocks.file((blocks.folder(), 5))
    with pytest.raises(ContentFormatError, match="is a directory, not a file"):
        list(iter_file(root, blocks))


def test_blocks_of_another_codec_are_no_files(blocks: Blocks) -> None:
    cbor = Cid.of(b"\xa0", codec=Codec.DAG_CBOR)
    blocks.put(cbor, b"\xa0")
    for read in (file_layout, lambda root, reader: list(iter_tree(root, reader))):
        with pytest.raises(ContentFormatError, match="0x71"):
            read(cbor, blocks)


def test_raw_bytes_named_dag_pb_are_refused(blocks: Blocks) -> None:
    cid = Cid.of(b"not a node", codec=Codec.DAG_PB)
    blocks.put(cid, b"not a node")
    with pytest.raises(ContentFormatError):
        list(iter_file(cid, blocks))


def test_an_identity_cid_that_is_too_long_is_refused_before_it_is_used() -> None:
    with pytest.raises(ContentLimitError, match="identity"):
        Cid.from_bytes(b"\x01\x55\x00\x81\x01" + bytes(129))
    assert Cid.from_bytes(Cid.of(bytes(128), hash_code=Hash.IDENTITY).raw).digest == bytes(128)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../../x", "/etc/x", "a\\b", "..\\x", "nul\0byte", "./..", "x/y"],
)
def test_names_that_could_leave_their_folder_are_refused(
    name: str, blocks: Blocks, tmp_path: Path
) -> None:
    root = blocks.folder((name, blocks.leaf(b"evil")))
    with pytest.raises((ContentFormatError, UnsafeModelError)):
        export(root, tmp_path / "in" / "out", blocks)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == []


def test_names_that_are_there_twice_are_refused(blocks: Blocks, tmp_path: Path) -> None:
    a, b = blocks.leaf(b"a"), blocks.leaf(b"b")
    twice = blocks.folder(("same", a), ("same", b))
    by_detour = blocks.folder(("x", blocks.folder(("../y", a))), ("y", b))
    for root in (twice, by_detour):
        with pytest.raises(ContentFormatError, match="twice"):
            export(root, tmp_path / "out", blocks)


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "../../x", "a/../../x", ""])
def test_symlinks_out_of_the_tree_are_not_written(
    target: str, blocks: Blocks, tmp_path: Path
) -> None:
    root = blocks.folder(("link", blocks.symlink(target)))
    with pytest.raises(UnsafeModelError):
        export(root, tmp_path / "out", blocks)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_through_a_symlink(blocks: Blocks, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    link, evil = blocks.symlink("sub"), blocks.leaf(b"evil")
    through = blocks.folder(("link", link), ("link/x", evil), ("sub", blocks.folder()))
    with pytest.raises(ContentFormatError, match="no folder"):
        export(through, tmp_path / "out", blocks)
    same = blocks.folder(("link", link), ("link", blocks.folder(("x", evil))))
    with pytest.raises(ContentFormatError, match="twice"):
        export(same, tmp_path / "out", blocks)


def test_two_symlinks_cannot_lead_out_together(blocks: Blocks, tmp_path: Path) -> None:
    folder = blocks.folder(("up", blocks.symlink("..")))
    root = blocks.folder(("d", folder), ("out", blocks.symlink("d/up/..")))
    with pytest.raises(UnsafeModelError):
        export(root, tmp_path / "out", blocks)


def test_an_export_never_follows_a_symlink_at_its_destination(
    blocks: Blocks, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "out").symlink_to("victim")
    with pytest.raises(AccelerateError, match="exists already"):
        export(blocks.folder(("a", blocks.leaf(b"a"))), tmp_path / "out", blocks)
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_symlink_with_an_endless_target_is_refused(blocks: Blocks) -> None:
    with pytest.raises(ContentLimitError, match="target of 5000 bytes"):
        list(iter_tree(blocks.symlink("a" * 5000), blocks))
