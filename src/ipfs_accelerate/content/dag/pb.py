"""dag-pb: the node format of UnixFS.

Encoding is canonical: links, then data; of a link hash, name, size, the name always present.
Decoding is as strict as Kubo's: known fields only, none twice, the fields of a link in order, links
together. What is accepted beyond the canonical form, because Kubo accepts it: data before links,
links in any order, absent names and sizes, varints longer than needed.

Source: ipld.io/specs/codecs/dag-pb/spec.
"""

from __future__ import annotations

from dataclasses import dataclass

from ipfs_accelerate.content.cid import Bytes, Cid, varint
from ipfs_accelerate.content.dag.wire import BYTES, VARINT, bytes_field, fields
from ipfs_accelerate.content.limits import MAX_LINKS
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

__all__ = ["Link", "Node", "decode", "encode", "link_bytes", "name_bytes"]


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a node.

    Attributes:
        name: Name within a directory; empty within a file. Bytes that are not UTF-8 are kept as
            surrogates, as Python does for file names.
        cid: What it points at.
        size_bytes: Claimed size of everything below it, the blocks included (Tsize); a hint that
            nobody verifies. 0 where absent.
    """

    name: str
    cid: Cid
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Node:
    """A dag-pb node.

    Attributes:
        links: In the order of the block.
        data: The payload; ``None`` where absent, which is not the same as empty.
    """

    links: tuple[Link, ...] = ()
    data: bytes | None = None


def name_bytes(name: str) -> bytes:
    """The bytes of a name as they are in the block; what names are sorted by."""
    return name.encode("utf-8", "surrogateescape")


def link_bytes(link: Link) -> bytes:
    """One link as it stands in the block, tag and length included."""
    raw, name = link.cid.raw, name_bytes(link.name)
    body = b"".join(
        (
            b"\x0a",
            varint(len(raw)),
            raw,
            b"\x12",
            varint(len(name)),
            name,
            b"\x18",
            varint(link.size_bytes),
        )
    )
    return b"\x12" + varint(len(body)) + body


def encode(node: Node) -> bytes:
    """The canonical block of a node; links in the order given."""
    parts = [link_bytes(link) for link in node.links]
    if node.data is not None:
        parts.append(bytes_field(1, node.data))
    return b"".join(parts)


def decode(data: Bytes) -> Node:
    """Read a node.

    Raises:
        ContentFormatError: It is not dag-pb; the module says what is let through.
        ContentLimitError: It has more than `MAX_LINKS` links.
    """
    links: list[Link] = []
    payload: bytes | None = None
    are_links_over = False
    for number, wire, value in fields(memoryview(data)):
        if wire != BYTES or isinstance(value, int):
            raise ContentFormatError(f"dag-pb field {number} has wire type {wire}, not 2")
        if number == 2:
            if are_links_over:
                raise ContentFormatError("dag-pb links are not together")
            if len(links) == MAX_LINKS:
                raise ContentLimitError(f"a dag-pb node has more than {MAX_LINKS} links")
            links.append(_link(value))
        elif number == 1 and payload is None:
            payload = bytes(value)
            are_links_over = bool(links)
        else:
            raise ContentFormatError(f"dag-pb field {number} is unknown or there twice")
    return Node(tuple(links), payload)


def _link(data: memoryview) -> Link:
    cid: Cid | None = None
    name, size_bytes, before = "", 0, 0
    for number, wire, value in fields(data):
        if number <= before:
            raise ContentFormatError(f"dag-pb link field {number} is twice or out of order")
        before = number
        if number == 1 and wire == BYTES and not isinstance(value, int):
            cid = Cid.from_bytes(bytes(value))
        elif number == 2 and wire == BYTES and not isinstance(value, int):
            name = bytes(value).decode("utf-8", "surrogateescape")
        elif number == 3 and wire == VARINT and isinstance(value, int):
            size_bytes = value
        else:
            raise ContentFormatError(f"dag-pb link field {number} of wire type {wire} is unknown")
    if cid is None:
        raise ContentFormatError("a dag-pb link has no hash")
    return Link(name, cid, size_bytes)
