"""Links of every codec, DAG-CBOR and walks."""

from __future__ import annotations

import json

import pytest

from ipfs_accelerate.content import Cid, Codec, Hash, MemoryBlocks
from ipfs_accelerate.content.dag import block_of, cbor, iter_dag, links_of, pb
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError, ContentNotFoundError

A, B = Cid.of(b"a"), Cid.of(b"b")


def test_dag_cbor_keeps_cids_and_is_canonical() -> None:
    value = {"bb": [A, {"x": B}], "a": b"\x00", "f": 1.5, "n": None}
    block = cbor.encode(value)
    assert cbor.decode(block) == value
    assert cbor.encode(dict(reversed(value.items()))) == block


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01\x01", id="something behind"),
        pytest.param(b"\x18\x01", id="integer not shortest"),
        pytest.param(b"\xa2\x61b\x01\x61a\x01", id="keys out of order"),
        pytest.param(b"\xf9\x7e\x00", id="not a number"),
        pytest.param(b"\xd8\x2a\x43\x00\x01\x55", id="tag that is no CID"),
        pytest.param(b"\x9b" + b"\xff" * 8, id="length that lies"),
        pytest.param(b"\xc0\x61a", id="another tag"),
    ],
)
def test_what_is_not_dag_cbor_is_refused(block: bytes) -> None:
    with pytest.raises(ContentFormatError):
        cbor.decode(block)


def test_dag_cbor_nested_as_deep_as_a_block_allows_does_no_harm() -> None:
    with pytest.raises(ContentFormatError):
        cbor.decode(b"\x81" * 300_000)
    deep = b"\x81" * 100_000 + b"\x01"
    assert links_of(Cid.of(deep, codec=Codec.DAG_CBOR), deep) == ()


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**70, float("nan"), {"a": {A}}])
def test_what_dag_cbor_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ContentFormatError):
        cbor.encode(value)


def cases() -> list[tuple[Codec, bytes, tuple[Cid, ...]]]:
    linked = json.dumps({"x": [{"/": str(A)}, {"/": {"bytes": "AA"}}], "y": {"/": str(B)}})
    return [
        (Codec.RAW, b"anything", ()),
        (Codec.JSON, b"{}", ()),
        (Codec.CBOR, b"\xa0", ()),
        (Codec.DAG_PB, pb.encode(pb.Node((pb.Link("", A, 1), pb.Link("", A, 1)))), (A, A)),
        (Codec.DAG_CBOR, cbor.encode({"z": A, "a": [B]}), (B, A)),
        (Codec.DAG_JSON, linked.encode(), (A, B)),
    ]


@pytest.mark.parametrize(("codec", "block", "expected"), cases())
def test_links_come_in_the_order_of_the_block(
    codec: Codec, block: bytes, expected: tuple[Cid, ...]
) -> None:
    assert links_of(Cid.of(block, codec=codec), block) == expected


@pytest.mark.parametrize(
    ("codec", "block"),
    [
        (Codec.DAG_JSON, b'{"/": "nope"}'),
        (Codec.DAG_JSON, b'{"a": 1, "a": 2}'),
        (Codec.DAG_JSON, b"{"),
        (Codec.DAG_JSON, b"[" * 200_000),
        (Codec.DAG_JSON, b"\xff"),
        (0x78, b"git"),
    ],
)
def test_blocks_that_are_not_of_their_codec_are_refused(codec: int, block: bytes) -> None:
    with pytest.raises(ContentFormatError):
        links_of(Cid.of(block, codec=codec), block)


def test_an_identity_cid_carries_its_block() -> None:
    cid = Cid.of(b"inline", hash_code=Hash.IDENTITY)
    assert block_of(cid, MemoryBlocks()) == b"inline"


def node(*links: Cid) -> tuple[Cid, bytes]:
    block = pb.encode(pb.Node(tuple(pb.Link("", cid, 1) for cid in links)))
    return Cid.of(block, codec=Codec.DAG_PB), block


def test_a_walk_visits_parents_first_and_each_block_once() -> None:
    child = node(A, B)
    root = node(child[0], A, child[0])
    store = MemoryBlocks([(A, b"a"), (B, b"b"), child, root])
    assert [cid for cid, _ in iter_dag(root[0], store)] == [root[0], child[0], A, B]
    often = [cid for cid, _ in iter_dag(root[0], store, has_duplicates=True)]
    assert often == [root[0], child[0], A, B, A, child[0], A, B]


def test_a_walk_that_lacks_a_block_says_which() -> None:
    root = node(A)
    with pytest.raises(ContentNotFoundError, match=str(A)):
        list(iter_dag(root[0], MemoryBlocks([root])))


class _Liar:
    """Answers every CID with the same node: a cycle that honest hashes cannot make."""

    def __init__(self, block: bytes) -> None:
        self.block = block

    def get(self, cid: Cid) -> bytes:
        return self.block

    def has(self, cid: Cid) -> bool:
        return True


def test_a_reader_that_answers_in_circles_cannot_hold_a_walk() -> None:
    me = Cid.of(b"me", codec=Codec.DAG_PB)
    block = pb.encode(pb.Node((pb.Link("", me, 1),)))
    assert len(list(iter_dag(me, _Liar(block)))) == 1
    with pytest.raises(ContentLimitError):
        list(iter_dag(me, _Liar(block), has_duplicates=True, max_blocks=1000))
