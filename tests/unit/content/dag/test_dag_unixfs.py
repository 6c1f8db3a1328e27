"""UnixFS messages."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content import Cid, Codec
from ipfs_accelerate.content.dag import Kind, UnixNode, unixfs, wrap_leaf
from ipfs_accelerate.errors import ContentFormatError


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (UnixNode(Kind.DIRECTORY), "0801"),
        (UnixNode(Kind.FILE, size_bytes=0), "08021800"),
        (UnixNode(Kind.SYMLINK, b"foo"), "08041203666f6f"),
        (UnixNode(Kind.FILE, size_bytes=3, block_sizes=(2, 1)), "0802180320022001"),
        (UnixNode(Kind.HAMT, b"\x03", hash_type=0x22, fanout=256), "08051201032822308002"),
    ],
)
def test_messages_are_those_of_kubo(node: UnixNode, expected: str) -> None:
    assert unixfs.encode(node).hex() == expected
    assert unixfs.decode(bytes.fromhex(expected)) == node


def test_mode_and_times_come_back_even_before_1970() -> None:
    node = UnixNode(Kind.FILE, b"x", size_bytes=1, mode=0o644, mtime_s=-1, mtime_ns=999_999_999)
    assert unixfs.decode(unixfs.encode(node)) == node


def test_packed_block_sizes_are_read() -> None:
    assert unixfs.decode(bytes.fromhex("08022203" + "018001")).block_sizes == (1, 128)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 262144, 2**20])
def test_a_wrapped_leaf_has_the_announced_size_and_comes_back(size: int) -> None:
    data = bytes(size)
    block = wrap_leaf(data)
    assert len(block) == unixfs.wrapped_bytes(size)
    assert unixfs.leaf_data(block, is_raw=False) == data
    node, unix = unixfs.decode_block(block)
    assert node.links == ()
    assert unix == UnixNode(Kind.FILE, data, size_bytes=size)


def test_the_empty_file_of_2015_has_its_known_name() -> None:
    cid = Cid.of(wrap_leaf(b""), codec=Codec.DAG_PB, version=0)
    assert str(cid) == "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("", id="no type"),
        pytest.param("0806", id="unknown type"),
        pytest.param("0a00", id="type as bytes"),
        pytest.param("08021001", id="data as varint"),
        pytest.param("08024200", id="time without seconds"),
        pytest.param("080242070801" + "15" + "ffffffff", id="too many nanoseconds"),
        pytest.param("0802120501", id="cut short"),
        pytest.param("08022201ff", id="packed sizes cut short"),
    ],
)
def test_what_is_not_unixfs_is_refused(message: str) -> None:
    with pytest.raises(ContentFormatError):
        unixfs.decode(bytes.fromhex(message))


@pytest.mark.parametrize(
    "node",
    [
        UnixNode(Kind.DIRECTORY),
        UnixNode(Kind.SYMLINK, b"x"),
        UnixNode(Kind.FILE, b"x", size_bytes=2),
        UnixNode(Kind.FILE, b"x", size_bytes=1, block_sizes=(1,)),
    ],
)
def test_a_leaf_that_is_none_is_refused(node: UnixNode) -> None:
    payload = unixfs.encode(node)
    with pytest.raises(ContentFormatError):
        unixfs.leaf_data(b"\x0a" + bytes([len(payload)]) + payload, is_raw=False)


def test_a_node_without_payload_is_no_unixfs() -> None:
    with pytest.raises(ContentFormatError, match="payload"):
        unixfs.decode_block(b"")
