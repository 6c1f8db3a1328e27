"""Content identifiers."""

from __future__ import annotations

import hashlib

import pytest

from ipfs_accelerate.content import Cid, Codec, Hash
from ipfs_accelerate.content.cid import read_varint, varint
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ModelReferenceError,
)

V0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
V1 = "bafybeig6ka5mlwkl4subqhaiatalkcleo4jgnr3hqwvpmsqfca27cijp3i"


@pytest.mark.parametrize("text", [V0, V1, "bafkqabtimvwgy3yk"])
def test_text_survives_the_round_trip(text: str) -> None:
    assert str(Cid.parse(text)) == text


def test_parts_are_those_of_the_specification() -> None:
    v0, v1 = Cid.parse(V0), Cid.parse(V1)
    assert (v0.version, v0.codec, v0.hash_code, len(v0.digest)) == (0, Codec.DAG_PB, 0x12, 32)
    assert (v1.version, v1.codec, v1.hash_code) == (1, Codec.DAG_PB, Hash.SHA2_256)
    assert v0.to_v1().multihash == v0.multihash


def test_every_multibase_of_one_cid_is_equal() -> None:
    cid = Cid.of(b"data")
    assert Cid.parse("f" + cid.raw.hex()) == cid


@pytest.mark.parametrize("text", ["", "garbage", "bafy", V0[:-1], "z" + V0, "b" + V0, V1 + "aa"])
def test_what_is_no_cid_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ModelReferenceError, match="content identifier"):
        Cid.parse(text)


def test_one_flipped_bit_is_caught() -> None:
    data = bytearray(b"x" * 1000)
    cid = Cid.of(data)
    cid.verify(data)
    data[500] ^= 1
    with pytest.raises(BlockMismatchError):
        cid.verify(data)


@pytest.mark.parametrize("code", [Hash.SHA2_256, Hash.SHA2_512, Hash.BLAKE3, Hash.IDENTITY])
def test_each_hash_function_verifies_its_own(code: Hash) -> None:
    cid = Cid.of(b"abc", hash_code=code)
    Cid.from_bytes(cid.raw).verify(b"abc")
    with pytest.raises(BlockMismatchError):
        cid.verify(b"abd")


def test_identity_cids_are_bounded() -> None:
    Cid.from_bytes(Cid.of(b"i" * 128, hash_code=Hash.IDENTITY).raw)
    with pytest.raises(ContentLimitError):
        Cid.from_bytes(Cid.of(b"i" * 129, hash_code=Hash.IDENTITY).raw)


def test_blocks_are_bounded() -> None:
    data = bytes(MAX_BLOCK_BYTES + 1)
    cid = Cid.of_digest(hashlib.sha256(data).digest())
    with pytest.raises(ContentLimitError):
        cid.verify(data)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x01",
        b"\x01\x55\x12\x1f" + bytes(31),
        b"\x01\x55\x12\x20" + bytes(31),
        b"\x02\x55\x12\x20" + bytes(32),
        b"\x01\xd5\x00\x12\x20" + bytes(32),
        b"\x12\x20" + bytes(33),
    ],
)
def test_malformed_binary_cids_are_refused(raw: bytes) -> None:
    with pytest.raises(ContentFormatError):
        Cid.from_bytes(raw)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**62])
def test_varints_survive_the_round_trip(value: int) -> None:
    assert read_varint(varint(value) + b"rest", 0) == (value, len(varint(value)))
