"""Byte ranges: of HTTP (``Range``) and of trustless gateways (``entity-bytes``). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ipfs_accelerate.content.serving.routes import RefusedError
from ipfs_accelerate.errors import InputError

__all__ = ["EntityBytes", "Span", "parse_entity_bytes", "span_of"]

_ENTITY = re.compile(r"(-?\d{1,18}):(-?\d{1,18}|\*)")
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` up to, without, ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EntityBytes:
    """``from:to``, both inclusive; negative counts from the end.

    Attributes:
        first: First byte.
        last: Last byte; ``None`` for ``*``.

    Source: specs.ipfs.tech/http-gateways/trustless-gateway (entity-bytes).
    """

    first: int
    last: int | None

    def within(self, size_bytes: int) -> Span | None:
        """The part inside an entity of this size; ``None`` when there is none."""
        start = self.first if self.first >= 0 else max(0, size_bytes + self.first)
        last = size_bytes - 1 if self.last is None else self.last
        end = min(size_bytes, (last if last >= 0 else size_bytes + last) + 1)
        return Span(start, end) if start < end else None


def parse_entity_bytes(value: str) -> EntityBytes:
    """Read the parameter.

    Raises:
        InputError: It is not ``from:to``.
    """
    found = _ENTITY.fullmatch(value)
    if found is None:
        raise InputError(
            f"entity-bytes={value[:60]!r} is not from:to", hint="0:*, 10:99 or -1024:*"
        )
    return EntityBytes(int(found[1]), None if found[2] == "*" else int(found[2]))


def span_of(header: str | None, size_bytes: int) -> Span | None:
    """The first range a ``Range`` header asks for; ``None`` for everything.

    Of several ranges only the first is served, as RFC 9110 (14.2) allows: a request never costs
    more than the bytes once.

    Raises:
        RefusedError: With status 416: it begins behind the end.
    """
    if header is None or not header.startswith("bytes="):
        return None
    found = _RANGE.fullmatch(header[6:].split(",", 1)[0].strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size_bytes - int(found[2])), size_bytes
    else:
        start = int(found[1])
        end = min(size_bytes, int(found[2]) + 1 if found[2] else size_bytes)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise RefusedError(
            416, f"{header[:60]!r} is behind the end", Content_Range=f"bytes */{size_bytes}"
        )
    return Span(start, end)
