"""Sharded directories."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content import Cid, Codec, MemoryBlocks
from ipfs_accelerate.content.dag import hamt, pb, unixfs
from ipfs_accelerate.content.dag._murmur3 import murmur3_x64_64
from ipfs_accelerate.errors import ContentFormatError

LEAF = Cid.of(b"x")


def name_block(block: bytes) -> Cid:
    return Cid.of(block, codec=Codec.DAG_PB)


def entries(count: int) -> list[pb.Link]:
    return [pb.Link(f"file-{i:05}.bin", Cid.of(b"%d" % i), i) for i in range(count)]


def opened(links: list[pb.Link], fanout: int) -> tuple[pb.Node, unixfs.UnixNode, MemoryBlocks]:
    root, blocks = hamt.build(links, fanout, name_block)
    assert blocks[0][0] == root.cid
    store = MemoryBlocks(blocks)
    return *unixfs.decode_block(store.get(root.cid)), store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 0),
        (b"hello", 0xCBD8A7B341BD9B02),
        (b"The quick brown fox jumps over the lazy dog", 0xE34BBC7BBC071B6C),
    ],
)
def test_murmur3_gives_the_published_values(text: bytes, expected: int) -> None:
    assert murmur3_x64_64(text) == expected


@pytest.mark.parametrize("fanout", [8, 16, 256, 1024])
@pytest.mark.parametrize("count", [1, 2, 257, 1500])
def test_every_entry_is_found_and_listed_once(fanout: int, count: int) -> None:
    links = entries(count)
    node, unix, store = opened(links, fanout)
    listed = list(hamt.iter_entries(node, unix, store))
    assert sorted(listed, key=lambda link: link.name) == links
    for link in links[:: max(1, count // 40)]:
        assert hamt.find_entry(node, unix, link.name, store) == link
    assert hamt.find_entry(node, unix, "absent", store) is None


def test_the_order_of_entries_does_not_matter() -> None:
    links = entries(600)
    assert hamt.build(links, 256, name_block) == hamt.build(links[::-1], 256, name_block)


def test_the_size_of_the_root_is_that_of_all_below() -> None:
    links = entries(600)
    root, blocks = hamt.build(links, 256, name_block)
    assert root.size_bytes == sum(len(b) for _, b in blocks) + sum(
        link.size_bytes for link in links
    )


@pytest.mark.parametrize("fanout", [0, 1, 4, 100, 2048])
def test_a_fanout_that_is_no_power_of_two_in_range_is_refused(fanout: int) -> None:
    with pytest.raises(ContentFormatError, match="fanout"):
        hamt.build(entries(3), fanout, name_block)


def shard(links: list[pb.Link], field: bytes, **changes: int) -> tuple[pb.Node, unixfs.UnixNode]:
    unix = unixfs.UnixNode(
        unixfs.Kind.HAMT,
        field,
        hash_type=changes.get("hash_type", 0x22),
        fanout=changes.get("fanout", 256),
    )
    return pb.Node(tuple(links)), unix


PLACE = murmur3_x64_64(b"name0") >> 56
GOOD = pb.Link(f"{PLACE:02X}name0", LEAF, 1)
FIELD = (1 << PLACE).to_bytes(PLACE // 8 + 1, "big")


def test_the_shard_the_refusals_start_from_is_good() -> None:
    assert GOOD.name[:2] != GOOD.name[:2].lower()
    assert [link.name for link in hamt.iter_entries(*shard([GOOD], FIELD), MemoryBlocks())] == [
        "name0"
    ]


@pytest.mark.parametrize(
    ("node", "unix"),
    [
        pytest.param(*shard([GOOD, GOOD], FIELD), id="bucket twice"),
        pytest.param(*shard([GOOD], b"\x01"), id="bucket not in the field"),
        pytest.param(*shard([GOOD], b"\xff" * 32), id="field has more buckets"),
        pytest.param(*shard([GOOD], b"\x00" + FIELD.rjust(32, b"\0")), id="field too long"),
        pytest.param(*shard([GOOD], FIELD, hash_type=0x12), id="another hash"),
        pytest.param(*shard([GOOD], FIELD, fanout=3), id="odd fanout"),
        pytest.param(
            *shard([pb.Link(GOOD.name.lower(), LEAF, 1)], FIELD), id="bucket in lower case"
        ),
        pytest.param(*shard([pb.Link("7", LEAF, 1)], FIELD), id="no bucket"),
    ],
)
def test_a_shard_that_contradicts_itself_is_refused(node: pb.Node, unix: unixfs.UnixNode) -> None:
    with pytest.raises(ContentFormatError):
        list(hamt.iter_entries(node, unix, MemoryBlocks()))


def test_an_entry_in_the_wrong_bucket_is_refused() -> None:
    wrong = (PLACE + 1) % 256
    field = (1 << wrong).to_bytes(wrong // 8 + 1, "big")
    node, unix = shard([pb.Link(f"{wrong:02X}name0", LEAF, 1)], field)
    with pytest.raises(ContentFormatError, match="not in the bucket"):
        list(hamt.iter_entries(node, unix, MemoryBlocks()))


def test_a_child_of_another_fanout_or_kind_is_refused() -> None:
    _, blocks = hamt.build(entries(20), 16, name_block)
    other = pb.encode(pb.Node((), unixfs.encode(unixfs.UnixNode(unixfs.Kind.DIRECTORY))))
    for cid, block in (blocks[0], (name_block(other), other)):
        node, unix = shard([pb.Link("00", cid, 1)], b"\x01")
        with pytest.raises(ContentFormatError, match="no HAMT node of the same fanout"):
            list(hamt.iter_entries(node, unix, MemoryBlocks([(cid, block)])))


def test_an_empty_directory_may_be_sharded_but_no_node_below_it_is_empty() -> None:
    root, blocks = hamt.build([], 256, name_block)
    assert list(hamt.iter_entries(*unixfs.decode_block(blocks[0][1]), MemoryBlocks())) == []
    node, unix = shard([pb.Link("00", root.cid, 1)], b"\x01")
    with pytest.raises(ContentFormatError, match="empty HAMT node"):
        list(hamt.iter_entries(node, unix, MemoryBlocks(blocks)))
