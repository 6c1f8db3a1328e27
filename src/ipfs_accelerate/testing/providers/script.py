"""What is done on the wire for one request: bytes to send, times to wait, and how it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers import faults as wrong
from ipfs_accelerate.testing.providers.answers import Answer
from ipfs_accelerate.testing.providers.dialect import Failure, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.testing.providers.answers import Asked
    from ipfs_accelerate.testing.providers.dialect import Dialect
    from ipfs_accelerate.testing.providers.faults import RequestFault

__all__ = ["End", "Latency", "Step", "head", "refusal", "script"]

_HTML = b"<!doctype html><title>Welcome</title><p>Please sign in to use this network."
_OTHER = {"jsonrpc": "2.0", "result": {"status": "ok"}}


class End(Enum):
    """How a connection ends, where it does not stay open for the next request."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    """Nothing more is sent until the client leaves or the server stops."""


Step = bytes | float | End
"""Bytes to send, seconds to wait, or an end."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a service takes.

    Attributes:
        first_s: Before the answer begins.
        gap_s: Between two pieces of a stream.
    """

    first_s: float = 0.0
    gap_s: float = 0.0


def script(
    dialect: Dialect,
    asked: Asked,
    answers: Callable[[Asked], Answer],
    *,
    fault: RequestFault | None = None,
    latency: Latency = Latency(),
) -> list[Step]:
    """The steps that answer one request; ``answers`` is called only when an answer is needed."""
    if isinstance(fault, wrong.ResetBeforeHeaders):
        return [End.RESET]
    wait: list[Step] = [latency.first_s] if latency.first_s else []
    if isinstance(fault, wrong.SlowFirst) and not fault.has_headers:
        wait.append(fault.wait_s)
    instead = _instead(dialect, asked, fault)
    if instead is not None:
        return [*wait, instead]
    answer = _empty(fault) or _shortened(answers(asked), fault)
    if asked.is_stream:
        return [*wait, *_streamed(dialect, asked, answer, fault, latency.gap_s)]
    return [*wait, *_whole(dialect, to_json(dialect.whole(asked, answer)), fault)]


def refusal(
    dialect: Dialect, failure: Failure, retry_after: float | datetime | str | None = None
) -> bytes:
    """A whole message that refuses."""
    body = to_json(dialect.failure(failure))
    more = {} if retry_after is None else {"Retry-After": _moment(retry_after)}
    return head(dialect.name, failure.status, len(body), more=more) + body


def head(
    name: str,
    status: int = 200,
    length: int | None = None,
    *,
    media_type: str = "application/json",
    more: dict[str, str] | None = None,
) -> bytes:
    """Status line and headers; without a length the body ends with the connection."""
    fields = {"Content-Type": media_type, "X-Mock-Provider": name, **(more or {})}
    if length is not None:
        fields["Content-Length"] = str(length)
    elif "Transfer-Encoding" not in fields:
        fields["Connection"] = "close"
    lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
    return f"HTTP/1.1 {status} {_phrase(status)}\r\n{lines}\r\n".encode()


def _instead(dialect: Dialect, asked: Asked, fault: RequestFault | None) -> bytes | None:
    """What is sent in place of an answer."""
    match fault:
        case wrong.Status():
            return refusal(
                dialect, Failure(fault.status, fault.code, form=asked.form), fault.retry_after
            )
        case wrong.ModelNotFound():
            return refusal(dialect, Failure(404, model=asked.model, form=asked.form))
        case wrong.HtmlPage():
            return head(dialect.name, 200, len(_HTML), media_type="text/html") + _HTML
        case wrong.OtherSchema():
            body = to_json(_OTHER)
            return head(dialect.name, 200, len(body)) + body
        case wrong.EmptyBody():
            return head(dialect.name, 200, 0)
        case _:
            return None


def _empty(fault: RequestFault | None) -> Answer | None:
    if isinstance(fault, wrong.RefuseContent):
        return Answer(finish="content_filter", completion_tokens=0)
    return Answer(completion_tokens=0) if isinstance(fault, wrong.EmptyAnswer) else None


def _shortened(answer: Answer, fault: RequestFault | None) -> Answer:
    if not isinstance(fault, wrong.WrongCount):
        return answer
    return replace(answer, vectors=answer.vectors[:-1], scores=answer.scores[:-1])


def _whole(dialect: Dialect, body: bytes, fault: RequestFault | None) -> list[Step]:
    half = body[: len(body) // 2]
    length: int | None = len(body)
    rest: list[Step] = [body]
    match fault:
        case wrong.SlowFirst():
            rest = [fault.wait_s, body]
        case wrong.StallMidStream():
            rest = [half, End.HANG]
        case wrong.CutMidStream():
            rest = [half, End.RESET]
        case wrong.MalformedChunk():
            length, rest = len(half), [half]
        case wrong.NoEndMarker():
            length, rest = None, [half, End.CLOSE]
        case wrong.WrongLength():
            length, rest = len(body) + fault.extra_bytes, [body, End.CLOSE]
    start = head(dialect.name, 200, length)
    first = rest[0]
    return [start + first, *rest[1:]] if isinstance(first, bytes) else [start, *rest]


def _streamed(
    dialect: Dialect, asked: Asked, answer: Answer, fault: RequestFault | None, gap_s: float
) -> list[Step]:
    parts = dialect.stream(asked, answer)
    if isinstance(fault, wrong.WrongLength):
        every = b"".join([*parts.start, *parts.pieces, *parts.end])
        length = len(every) + fault.extra_bytes
        start = head(dialect.name, 200, length, media_type=dialect.stream_type)
        return [start, every, End.CLOSE]
    encoding = {"Transfer-Encoding": "chunked"}
    begin: list[Step] = [head(dialect.name, media_type=dialect.stream_type, more=encoding)]
    if isinstance(fault, wrong.SlowFirst):
        begin.append(fault.wait_s)
    pieces = [chunk(piece) for piece in parts.pieces]
    after = getattr(fault, "after", len(pieces))
    steps: list[Step] = [b"".join(map(chunk, parts.start)), *pieces[:after]]
    steps += _turn(dialect, fault, pieces[after:], b"".join(map(chunk, parts.end)))
    return [*begin, *_paced([step for step in steps if step], gap_s)]


def _turn(
    dialect: Dialect, fault: RequestFault | None, rest: Sequence[bytes], end: bytes
) -> list[Step]:
    """How a stream goes on after the pieces that a fault lets through."""
    match fault:
        case wrong.StallMidStream():
            return [End.HANG]
        case wrong.CutMidStream():
            return [End.RESET]
        case wrong.NoEndMarker():
            return [b"0\r\n\r\n"]
        case wrong.MalformedChunk():
            return [chunk(dialect.broken_piece()), *rest, end + b"0\r\n\r\n"]
        case _:
            return [*rest, end + b"0\r\n\r\n"]


def _paced(steps: list[Step], gap_s: float) -> list[Step]:
    if not gap_s:
        return steps
    return [paced for step in steps for paced in (step, gap_s)][:-1]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body. Source: RFC 9112, section 7.1."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _moment(value: float | datetime | str) -> str:
    """Source: RFC 9110, section 10.2.3."""
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return value if isinstance(value, str) else f"{value:g}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
