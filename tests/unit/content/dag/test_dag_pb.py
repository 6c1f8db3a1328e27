"""dag-pb: canonical out, as lenient as Kubo in."""

from __future__ import annotations

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.content.dag import pb
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

CID = Cid.of(b"leaf")
LINK = pb.Link("a", CID, 4)


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def test_links_stand_before_data_and_names_are_always_there() -> None:
    block = pb.encode(pb.Node((pb.Link("", CID, 4),), b"\x08\x01"))
    body = b"\x0a\x24" + CID.raw + b"\x12\x00\x18\x04"
    assert block == b"\x12" + bytes([len(body)]) + body + b"\x0a\x02\x08\x01"


def test_a_node_comes_back_as_it_was() -> None:
    node = pb.Node((LINK, pb.Link("ä\udcff", CID, 2**40)), b"payload")
    assert pb.decode(pb.encode(node)) == node


def test_absent_data_is_not_empty_data() -> None:
    assert pb.decode(b"").data is None
    assert pb.decode(b"\x0a\x00").data == b""


def test_data_before_links_is_read_as_kubo_reads_it() -> None:
    block = field(1, b"x") + pb.link_bytes(LINK)
    assert pb.decode(block) == pb.Node((LINK,), b"x")


def test_a_link_without_name_and_size_is_read_as_kubo_reads_it() -> None:
    assert pb.decode(field(2, field(1, CID.raw))).links == (pb.Link("", CID, 0),)


def test_a_varint_longer_than_needed_is_read_as_kubo_reads_it() -> None:
    link = field(1, CID.raw) + b"\x18\x84\x00"
    assert pb.decode(field(2, link)).links[0].size_bytes == 4


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(field(1, b"x") + field(1, b"y"), id="data twice"),
        pytest.param(
            pb.link_bytes(LINK) + field(1, b"x") + pb.link_bytes(LINK), id="links not together"
        ),
        pytest.param(field(3, b"x"), id="unknown field"),
        pytest.param(b"\x08\x01", id="data as varint"),
        pytest.param(field(2, b""), id="link without hash"),
        pytest.param(field(2, field(2, b"a") + field(1, CID.raw)), id="name before hash"),
        pytest.param(field(2, field(1, CID.raw) + field(1, CID.raw)), id="hash twice"),
        pytest.param(field(2, field(1, CID.raw) + field(4, b"")), id="unknown link field"),
        pytest.param(field(2, field(1, CID.raw + b"x")), id="bytes behind a CID"),
        pytest.param(field(2, field(1, b"")), id="empty CID"),
        pytest.param(b"\x12\x7f" + CID.raw, id="length past the end"),
        pytest.param(b"\x12", id="cut after the tag"),
        pytest.param(b"\x0b", id="group"),
        pytest.param(b"\x12" + b"\xff" * 10 + b"\x01", id="endless varint"),
    ],
)
def test_what_is_not_dag_pb_is_refused(block: bytes) -> None:
    with pytest.raises(ContentFormatError):
        pb.decode(block)


def test_more_links_than_fit_a_block_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pb, "MAX_LINKS", 2)
    with pytest.raises(ContentLimitError, match="more than 2 links"):
        pb.decode(pb.link_bytes(LINK) * 3)
