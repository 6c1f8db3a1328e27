"""What a handler is given and gives back; no HTTP library is visible here.

Handlers are plain functions that run on worker threads, off the event loop. They describe a body
instead of sending it: bytes, a range of a file (sent by the kernel, never read into memory), or an
iterable of both that is pulled piece by piece as the client reads. Small pieces are gathered; an
empty one sends what has been gathered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Body",
    "FileRange",
    "Handler",
    "Piece",
    "RefusedError",
    "Request",
    "Response",
    "Route",
    "text",
]


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of a file that the kernel sends.

    Attributes:
        path: The file; must not shrink while it is sent.
        offset: First byte.
        size_bytes: How many.
        instead: Gives the same bytes where the file is gone by the time it is opened.
    """

    path: Path
    offset: int
    size_bytes: int
    instead: Callable[[], bytes] | None = field(default=None, compare=False)

    def slice(self, start: int, end: int) -> FileRange:
        """The part from ``start`` up to ``end``, both within this range."""
        whole = self.instead
        instead = None if whole is None else lambda: whole()[start:end]
        return FileRange(self.path, self.offset + start, end - start, instead)


Piece = bytes | memoryview | FileRange
Body = bytes | FileRange | Iterable[Piece]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, admitted and read.

    Attributes:
        method: ``GET``, ``HEAD``, ``POST``, …
        path: As sent: still percent-encoded, without the query.
        query: As sent, without the question mark.
        headers: Names in lower case.
        client: Address the connection came from.
        body: Empty unless the route allows one.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer. A HEAD request gets the same headers and no body.

    Attributes:
        status: HTTP status.
        headers: Without framing: length and transfer encoding come from ``body``.
        body: See the module; an iterable that raises cuts the connection, so that the client
            cannot mistake a part for the whole.
        size_bytes: Length of an iterable body where known; else it is sent in chunks.
        label: Under what `Statistics.sent_bytes` counts it.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = b""
    size_bytes: int | None = None
    label: str = "other"


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """Hands requests under a path to a handler, behind the same token and limits as the rest.

    Attributes:
        method: ``GET`` (answers ``HEAD`` too) or another; others get status 405.
        path_prefix: ``/peer/v1/`` takes everything below; the longest match wins.
        handler: Runs on a worker thread; must not wait for other requests of this server.
        max_body_bytes: Larger request bodies get status 413.
        needs_token: Whether the server's token is asked for.
    """

    method: str
    path_prefix: str
    handler: Handler
    max_body_bytes: int = 0
    needs_token: bool = True


def text(status: int, message: str, **headers: str) -> Response:
    """A short plain answer; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        status,
        {
            "Content-Type": "text/plain; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        | named,
        message.encode() + b"\n",
        label="message",
    )


class RefusedError(Exception):
    """Raised by a handler where an answer other than the asked one is due.

    Attributes:
        response: What to answer.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.response = text(status, message, **headers)
