"""CARs whose lengths, hashes and indexes lie."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, Codec, MemoryBlocks
from ipfs_accelerate.content.car import IndexedCar, import_car, read_car, write_car
from ipfs_accelerate.content.car.index import IndexKind, decode_index
from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
)

A, B = Cid.of(b"a"), Cid.of(b"b")


def car(version: int = 1) -> bytes:
    out = io.BytesIO()
    write_car(out, [A], [(A, b"a"), (B, b"b")], version=version)
    return out.getvalue()


def header(value: object) -> bytes:
    block = cbor.encode(value)
    return varint(len(block)) + block


GOOD = header({"roots": [A], "version": 1})


def drained(data: bytes) -> list[tuple[Cid, bytes]]:
    return list(read_car(io.BytesIO(data)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="empty header"),
        pytest.param(b"\xff\xff\xff\xff\x7f", id="header of gigabytes"),
        pytest.param(b"\x05\xa1", id="header cut short"),
        pytest.param(header([1]), id="header no map"),
        pytest.param(header({"roots": [A]}), id="no version"),
        pytest.param(header({"roots": [A], "version": 3}), id="version 3"),
        pytest.param(header({"roots": ["x"], "version": 1}), id="root no CID"),
        pytest.param(header({"roots": A, "version": 1}), id="roots no list"),
        pytest.param(header({"roots": [A], "version": 1, "x": 1}), id="unknown field"),
        pytest.param(header({"version": 2}), id="version 2 cut short"),
        pytest.param(header({"version": 2}) + bytes(40), id="version 2 of zeros"),
    ],
)
def test_what_is_no_car_is_refused(data: bytes) -> None:
    with pytest.raises(ContentFormatError):
        read_car(io.BytesIO(data))


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(varint(2**40), id="terabyte"),
        pytest.param(varint(3 * 2**20) + A.raw, id="larger than a block"),
        pytest.param(varint(100) + A.raw + b"a", id="more than there is"),
        pytest.param(varint(20) + A.raw[:20], id="shorter than its CID"),
        pytest.param(b"\x00", id="empty section"),
        pytest.param(b"\x80", id="length cut short"),
        pytest.param(b"\x80\x00" + A.raw, id="length not shortest"),
        pytest.param(b"\xff" * 12, id="endless length"),
        pytest.param(varint(37) + b"\x02" + A.raw, id="no CID"),
    ],
)
def test_sections_whose_lengths_lie_are_refused(section: bytes) -> None:
    with pytest.raises(ContentFormatError):
        drained(GOOD + section)


def test_a_claimed_length_reserves_no_memory() -> None:
    data = GOOD + varint(2 * 2**20) + A.raw
    tracemalloc.start()
    with pytest.raises(ContentFormatError):
        drained(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 2**20


def test_a_block_that_does_not_hash_to_its_name_is_refused_and_not_kept() -> None:
    data = GOOD + varint(37) + A.raw + b"b"
    store = MemoryBlocks()
    with pytest.raises(BlockMismatchError):
        import_car(io.BytesIO(data), store)
    assert len(store) == 0


def test_a_block_over_two_mebibytes_is_refused() -> None:
    big = bytes(2 * 2**20 + 1)
    cid = Cid.of(big)
    with pytest.raises(ContentLimitError):
        drained(GOOD + varint(len(cid.raw) + len(big)) + cid.raw + big)


def test_every_cut_of_a_car_is_noticed_or_ends_between_blocks() -> None:
    data = car()
    whole = drained(data)
    for end in range(len(data)):
        try:
            found = drained(data[:end])
        except AccelerateError:
            continue
        assert found in (whole[:0], whole[:1]), "only whole verified blocks come out"


def test_every_cut_of_the_data_of_version_2_is_noticed() -> None:
    data = car(2)
    start, size = struct.unpack_from("<QQ", data, 27)
    for end in range(start + size):
        with pytest.raises(AccelerateError):
            drained(data[:end])


def test_no_flipped_bit_of_a_block_gets_through() -> None:
    data = car()
    whole = drained(data)
    begin = len(GOOD)
    for position in range(begin, len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            try:
                found = drained(bytes(flipped))
            except AccelerateError:
                continue
            # a changed codec or version still names the same bytes
            assert [block for _, block in found] == [block for _, block in whole]
            assert [cid.multihash for cid, _ in found] == [cid.multihash for cid, _ in whole]


@pytest.mark.parametrize(
    ("position", "value"),
    [(27, 0), (27, 50), (27, 2**40), (35, 0), (35, 2**63), (43, 60)],
    ids=["data at 0", "inside header", "far away", "no data", "endless", "index inside data"],
)
def test_a_version_2_header_that_lies_is_refused(position: int, value: int) -> None:
    data = bytearray(car(2))
    struct.pack_into("<Q", data, position, value)
    with pytest.raises(ContentFormatError):
        drained(bytes(data))


@pytest.mark.parametrize("size", [2**40, 10])
def test_data_of_another_size_than_claimed_is_refused(size: int) -> None:
    data = bytearray(car(2))
    struct.pack_into("<Q", data, 35, size)
    struct.pack_into("<Q", data, 43, 0)
    with pytest.raises(ContentFormatError):
        drained(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x05", id="unknown kind"),
        pytest.param(b"\x80\x08", id="cut short"),
        pytest.param(b"\x80\x08" + struct.pack("<I", 2**31), id="endless buckets"),
        pytest.param(b"\x80\x08" + struct.pack("<IIQ", 1, 40, 2**60), id="endless entries"),
        pytest.param(b"\x80\x08" + struct.pack("<IIQ", 1, 0, 0), id="width of nothing"),
        pytest.param(b"\x80\x08" + struct.pack("<IIQ", 1, 40, 41) + bytes(41), id="half entry"),
        pytest.param(
            b"\x80\x08" + struct.pack("<I", 2) + struct.pack("<IQ", 40, 0) * 2, id="width twice"
        ),
        pytest.param(b"\x80\x08" + struct.pack("<I", 0) + b"x", id="bytes behind"),
        pytest.param(b"\x81\x08" + struct.pack("<IQ", 1, 0x12), id="coded cut short"),
    ],
)
def test_an_index_that_lies_is_refused(data: bytes) -> None:
    with pytest.raises(ContentFormatError):
        decode_index(memoryview(data))


def written(path: Path, change: tuple[int, int] | None = None, version: int = 2) -> Path:
    data = bytearray(car(version))
    if change:
        struct.pack_into("<Q", data, *change)
    path.write_bytes(data)
    return path


def test_an_index_that_points_at_another_block_is_refused(tmp_path: Path) -> None:
    data = bytearray(car(2))
    first = data.rindex(min(A.digest, B.digest)) + 32
    second = first + 40
    data[first : first + 8], data[second : second + 8] = (
        data[second : second + 8],
        data[first : first + 8],
    )
    (tmp_path / "x.car").write_bytes(data)
    with IndexedCar(tmp_path / "x.car") as opened, pytest.raises(BlockMismatchError):
        opened.get(A)


@pytest.mark.parametrize("offset", [2**63, 10_000, 3])
def test_an_index_that_points_nowhere_is_refused(offset: int, tmp_path: Path) -> None:
    data = bytearray(car(2))
    place = data.rindex(A.digest) + 32
    struct.pack_into("<Q", data, place, offset)
    (tmp_path / "x.car").write_bytes(data)
    with IndexedCar(tmp_path / "x.car") as opened, pytest.raises(AccelerateError):
        opened.get(A)


@pytest.mark.parametrize("change", [(43, 0), (43, 2**50), (35, 2**40)])
def test_a_file_whose_index_is_not_where_it_says_is_refused(
    change: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(ContentFormatError):
        IndexedCar(written(tmp_path / "x.car", change))


def test_version_1_has_no_index(tmp_path: Path) -> None:
    with pytest.raises(ContentFormatError, match="version 1"):
        IndexedCar(written(tmp_path / "x.car", version=1))


def test_a_damaged_block_on_disk_is_noticed(tmp_path: Path) -> None:
    data = car(2)
    (tmp_path / "x.car").write_bytes(data.replace(A.raw + b"a", A.raw + b"X"))
    with IndexedCar(tmp_path / "x.car") as opened, pytest.raises(BlockMismatchError):
        opened.get(A)


def test_a_codec_that_does_not_fit_its_block_is_noticed_when_it_is_walked() -> None:
    from ipfs_accelerate.content.dag import iter_dag

    wrong = Cid.of(b"plain text", codec=Codec.DAG_CBOR)
    with pytest.raises(ContentFormatError):
        list(iter_dag(wrong, MemoryBlocks([(wrong, b"plain text")])))
    assert IndexKind.SORTED == 0x0400
