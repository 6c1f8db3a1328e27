"""What the forms of an answer have in common: caching, names to save under, ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ipfs_accelerate.content.serving.byte_ranges import Span, span_of
from ipfs_accelerate.content.serving.routes import FileRange, Request, Response

if TYPE_CHECKING:
    from ipfs_accelerate.content.serving.blocks import ServedBlocks
    from ipfs_accelerate.content.serving.negotiation import Wanted
    from ipfs_accelerate.content.serving.paths import ContentPath
    from ipfs_accelerate.content.serving.resolving import Resolved

__all__ = ["Context", "disposition", "is_unchanged"]

_PLAIN_NAME = re.compile(r"[\w .,+=()\[\]-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Context:
    """One request for content that is here.

    Attributes:
        request: As it came.
        path: Its path, read.
        wanted: What it asks for.
        found: Where the path leads.
        headers: That every answer to it carries.
        blocks: Where blocks come from.
    """

    request: Request
    path: ContentPath
    wanted: Wanted
    found: Resolved
    headers: dict[str, str]
    blocks: ServedBlocks

    def respond(
        self, etag: str, headers: dict[str, str], body: bytes | FileRange, *, label: str
    ) -> Response:
        """The answer with a body of known size: all of it, the range asked for, or 304."""
        headers = {**self.headers, "Etag": etag, "Accept-Ranges": "bytes", **headers}
        if is_unchanged(self.request, etag):
            return Response(304, headers, label=label)
        size_bytes = len(body) if isinstance(body, bytes) else body.size_bytes
        span = self.span(etag, size_bytes)
        if span is None:
            return Response(200, headers, body, label=label)
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size_bytes}"
        if isinstance(body, bytes):
            return Response(206, headers, body[span.start : span.end], label=label)
        return Response(206, headers, body.slice(span.start, span.end), label=label)

    def span(self, etag: str, size_bytes: int) -> Span | None:
        """The range asked for; ``None`` for everything, also when it is of another version."""
        condition = self.request.headers.get("if-range")
        if condition is not None and condition != etag:
            return None
        return span_of(self.request.headers.get("range"), size_bytes)


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the client has this version; compares weakly, as RFC 9110 (13.1.2) wants."""
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    bare = etag.removeprefix("W/")
    return any(item.strip().removeprefix("W/") in {bare, "*"} for item in known.split(","))


def disposition(kind: str, filename: str) -> str:
    """A ``Content-Disposition`` that no file name can break out of. Source: RFC 6266."""
    if _PLAIN_NAME.fullmatch(filename):
        return f'{kind}; filename="{filename}"'
    filename = filename[:255]
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "_" for char in filename)
    encoded = quote(filename.encode("utf-8", "surrogateescape"), safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
