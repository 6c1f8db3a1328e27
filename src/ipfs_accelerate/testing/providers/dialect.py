"""What a dialect is: it reads one service's requests and writes its answers as bytes.

Written from the services' public API descriptions alone, and independent of the gateway's own
translators, so that a mistake in one is found by the other.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.testing.providers.answers import Answer, Asked

__all__ = ["Dialect", "Failure", "Streamed", "event", "to_json"]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A streamed answer, cut into what is sent at once.

    Attributes:
        start: Before the first piece of the answer.
        pieces: One for each piece of text or tool call.
        end: The reason of the end, the usage, the end marker.
    """

    start: Sequence[bytes]
    pieces: Sequence[bytes]
    end: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a refusal is about.

    Attributes:
        status: Of HTTP.
        code: In place of the service's usual one.
        model: Set when the model is not there.
        form: See `Asked.form`.
    """

    status: int
    code: str | None = None
    model: str | None = None
    form: str = ""

    @property
    def message(self) -> str:
        """For people."""
        return f"The mock answers with status {self.status}."


class Dialect(ABC):
    """One service's protocol.

    Attributes:
        root: Path of the address which clients are given.
        stream_type: Media type of streams.
        has_filter: The protocol can tell that a content filter refused.
    """

    name: ClassVar[str]
    root: ClassVar[str] = ""
    stream_type: ClassVar[str] = "text/event-stream"
    has_filter: ClassVar[bool] = True

    @abstractmethod
    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """What is asked; ``None`` where the service has no such path.

        Args:
            method: Of HTTP.
            path: With the query.
            body: Empty where there is none.
        """

    @abstractmethod
    def whole(self, asked: Asked, answer: Answer) -> object:
        """An answer as JSON."""

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """A streamed answer."""
        raise NotImplementedError(f"{self.name} has no streams")

    @abstractmethod
    def failure(self, failure: Failure) -> object:
        """The body of a refusal, as JSON."""

    def broken_piece(self) -> bytes:
        """An event of a stream with half an object in it."""
        return b'data: {"id": "mock-1", "choi\n\n'

    def key(self, headers: Mapping[str, str], path: str) -> str | None:  # noqa: ARG002
        """The credential in a request.

        Args:
            headers: With names in lower case.
            path: With the query, where some services take keys too.
        """
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key else None


def to_json(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: object, name: str | None = None) -> bytes:
    """A server-sent event. Source: WHATWG HTML, section 9.2."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    data = value.encode() if isinstance(value, str) else to_json(value)
    return head + b"data: " + data + b"\n\n"
