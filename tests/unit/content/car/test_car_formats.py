"""Versions, indexes, streams."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, Codec, Hash, MemoryBlocks
from ipfs_accelerate.content.car import IndexedCar, export_car, import_car, read_car, write_car
from ipfs_accelerate.content.car.index import IndexKind, decode_index, encode_index
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.errors import ContentLimitError, ContentNotFoundError, InputError

A, B = Cid.of(b"a"), Cid.of(b"b")


class OneWay(io.RawIOBase):
    """A stream that cannot seek and hands out little at a time."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self._in = io.BytesIO(data)
        self.out = bytearray()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._in.read(min(size, 3))

    def write(self, data) -> int:
        self.out += data
        return len(data)


def test_version_1_is_header_then_sections() -> None:
    out = OneWay()
    write_car(out, [A], [(A, b"a")])
    header = cbor.encode({"roots": [A], "version": 1})
    assert bytes(out.out) == bytes([len(header)]) + header + b"\x25" + A.raw + b"a"
    reader = read_car(OneWay(bytes(out.out)))
    assert (reader.version, reader.roots, list(reader)) == (1, (A,), [(A, b"a")])


def test_version_2_holds_version_1_and_says_where() -> None:
    one, two = io.BytesIO(), io.BytesIO(b"before")
    two.seek(6)
    write_car(one, [A], [(A, b"a"), (B, b"b")])
    size = write_car(two, [A], [(A, b"a"), (B, b"b")], version=2)
    data = two.getvalue()[6:]
    assert len(data) == size
    assert data[:11] == bytes.fromhex("0aa16776657273696f6e02")
    _, start, length, index = struct.unpack("<16sQQQ", data[11:51])
    assert (start, length, index) == (51, len(one.getvalue()), 51 + length)
    assert data[start : start + length] == one.getvalue()


@pytest.mark.parametrize("kind", IndexKind)
def test_version_2_streams_in_with_either_index(kind, small_tree) -> None:
    root, store = small_tree
    out = io.BytesIO()
    export_car(root, store, out, version=2, index=kind)
    other = MemoryBlocks()
    imported = import_car(OneWay(out.getvalue()), other)
    assert imported.version == 2
    assert dict(other) == dict(store)


def test_the_sorted_index_has_the_published_layout() -> None:
    low, high = sorted((A, B), key=lambda cid: cid.digest)
    places = [(Hash.SHA2_256, high.digest, 99), (Hash.SHA2_256, low.digest, 59)]
    entries = low.digest + struct.pack("<Q", 59) + high.digest + struct.pack("<Q", 99)
    plain = struct.pack("<I", 1) + struct.pack("<IQ", 40, 80) + entries
    assert encode_index(places, IndexKind.SORTED) == b"\x80\x08" + plain
    coded = struct.pack("<IQ", 1, 0x12) + plain
    assert encode_index(places, IndexKind.MULTIHASH_SORTED) == b"\x81\x08" + coded


@pytest.mark.parametrize("kind", IndexKind)
def test_an_index_finds_every_digest_and_no_other(kind) -> None:
    cids = [Cid.of(b"%d" % i, hash_code=[0x12, 0x13][i % 2]) for i in range(99)]
    places = [(cid.hash_code, cid.digest, i * 7) for i, cid in enumerate(cids)]
    index = decode_index(memoryview(encode_index(places, kind)))
    for code, digest, offset in places:
        assert index.offset_of(code, digest) == offset
    assert index.offset_of(0x12, bytes(32)) is None
    assert index.offset_of(0x12, b"\xff" * 32) is None
    assert index.offset_of(0x12, bytes(20)) is None


@pytest.mark.parametrize("kind", IndexKind)
def test_blocks_of_a_car_on_disk_are_read_by_name(kind, small_tree, tmp_path: Path) -> None:
    root, store = small_tree
    path = tmp_path / "x.car"
    with path.open("wb") as out:
        export_car(root, store, out, version=2, index=kind)
    with IndexedCar(path) as car:
        assert car.roots == (root,)
        for cid, block in store:
            assert car.has(cid)
            assert car.get(cid) == block
        assert not car.has(A)
        with pytest.raises(ContentNotFoundError):
            car.get(A)


def test_identity_blocks_are_neither_indexed_nor_exported() -> None:
    inline = Cid.of(b"tiny", hash_code=Hash.IDENTITY)
    root_block = cbor.encode([inline])
    root = Cid.of(root_block, codec=Codec.DAG_CBOR)
    out = io.BytesIO()
    export_car(root, MemoryBlocks([(root, root_block)]), out, version=2)
    assert [cid for cid, _ in read_car(io.BytesIO(out.getvalue()))] == [root]


def test_roots_that_are_not_there_are_reported() -> None:
    out = io.BytesIO()
    write_car(out, [A, B], [(A, b"a")])
    out.seek(0)
    assert import_car(out, MemoryBlocks()).missing_roots == (B,)


def test_an_import_can_be_bounded() -> None:
    out = io.BytesIO()
    write_car(out, [A], [(A, b"a"), (B, b"b")])
    out.seek(0)
    with pytest.raises(ContentLimitError, match="more than 1 bytes"):
        import_car(out, MemoryBlocks(), max_bytes=1)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(InputError, match="0 roots"):
        write_car(io.BytesIO(), [], [])
    with pytest.raises(InputError, match="version 3"):
        write_car(io.BytesIO(), [A], [], version=3)
    with pytest.raises(InputError, match="seekable"):
        write_car(OneWay(), [A], [], version=2)
