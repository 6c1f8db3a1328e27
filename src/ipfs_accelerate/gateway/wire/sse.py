"""Server-sent events, read as they come.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Two things are stricter here,
since a model's answer is no place for guesses: bytes that are not UTF-8 are an error instead of
U+FFFD, and lines and events have a largest size. As there, an event whose empty line never came is
not an event.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.errors import MalformedAnswerError
from ipfs_accelerate.gateway.wire.lines import MOST_LINE_BYTES, LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SseEvent", "SseParser"]

_BOM = codecs.BOM_UTF8


class SseEvent(NamedTuple):
    """One event.

    Attributes:
        data: Its lines, joined by LF.
        event: Its type.
        id: The last one that was sent, in this event or before.
    """

    data: str
    event: str = "message"
    id: str = ""


class SseParser:
    """Events out of bytes, however they are cut.

    Args:
        most_bytes: Largest line, and largest sum of an event's data.

    Attributes:
        retry_ms: The pause before a reconnection that the server asks for.
    """

    def __init__(self, most_bytes: int = MOST_LINE_BYTES) -> None:
        self.retry_ms: int | None = None
        self._most_bytes = most_bytes
        self._lines = LineSplitter(most_bytes)
        self._head: bytes | None = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._event = b""
        self._id = ""

    def feed(self, data: bytes) -> Iterator[SseEvent]:
        """The events that are complete now; iterate to the end before feeding more.

        Raises:
            MalformedAnswerError: A line or event is too long, or not UTF-8.
        """
        if self._head is not None:
            data = self._without_bom(self._head + data)
        for line in self._lines.feed(data):
            if not line:
                event = self._dispatch()
                if event is not None:
                    yield event
            elif line.startswith(b"data:"):
                self._append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line.startswith(b":"):
                name, _, value = line.partition(b":")
                self._take(name, value.removeprefix(b" "))

    @property
    def is_inside(self) -> bool:
        """Whether an event or a line has begun that is not complete."""
        return bool(self._data or self._lines.rest() or self._head)

    def _without_bom(self, data: bytes) -> bytes:
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._head = data
            return b""
        self._head = None
        return data.removeprefix(_BOM)

    def _append(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._most_bytes + 1:
            raise MalformedAnswerError(
                f"an event of a stream is larger than {self._most_bytes} bytes",
                details={"limit_bytes": self._most_bytes},
            )

    def _take(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._id = _text(value)
        elif name == b"retry" and value.isdigit() and len(value) < 16:
            self.retry_ms = int(value)

    def _dispatch(self) -> SseEvent | None:
        event, self._event = self._event, b""
        if not self._data:
            return None
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._data_bytes = 0
        return SseEvent(_text(data), _text(event) if event else "message", self._id)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedAnswerError("an event of a stream is not UTF-8") from error
