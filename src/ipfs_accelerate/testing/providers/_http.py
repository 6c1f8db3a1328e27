"""HTTP/1.1 requests off a socket, and nothing more: every byte of an answer is the mock's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Incoming", "read_request"]

_MOST_BODY_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request; names of ``headers`` are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Incoming | None:
    """The next request; ``None`` when the client has closed the connection.

    Raises:
        ValueError: It is not HTTP, or too large.

    Source: RFC 9112, sections 3, 5, 6 and 7.1.
    """
    try:
        top = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise ValueError("the headers are too long") from error
    first, *lines = top.decode("latin-1").split("\r\n")
    method, path, _version = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Incoming(method, path, headers, await _chunks(reader))
    length = int(headers.get("content-length", "0"))
    _check(length)
    return Incoming(method, path, headers, await reader.readexactly(length) if length else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        _check(len(found) + length)
        found += await reader.readexactly(length)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        """Trailers say nothing to us."""
    return bytes(found)


def _check(length: int) -> None:
    if not 0 <= length <= _MOST_BODY_BYTES:
        raise ValueError("the body is too long")
