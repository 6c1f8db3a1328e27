"""What a mock is asked and what it answers, in no service's spelling."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Answer", "Asked", "Call", "invented"]

Kind = Literal["chat", "completion", "embedding", "rerank", "models"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as a mock understands it.

    Attributes:
        texts: The last words of the user, the prompts, the inputs, or the documents.
        query: Of a rerank.
        begun: The beginning of the answer which the service shall continue.
        wants_usage: Counts of tokens are to come with a stream.
        form: What the dialect has to remember for its answer, e.g. which path was asked.
    """

    kind: Kind
    model: str = "mock"
    is_stream: bool = False
    texts: tuple[str, ...] = ()
    query: str = ""
    begun: str = ""
    wants_usage: bool = True
    form: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool the mock wants called; ``arguments`` is a JSON object as text."""

    name: str
    arguments: str = "{}"
    id: str = "call_mock_1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a mock says.

    Attributes:
        pieces: Text; each piece is one event of a stream.
        texts: One for each prompt of a completion, in place of ``pieces`` for all.
        vectors: One for each input of an embedding request.
        scores: One for each document of a rerank.
        completion_tokens: As counted by a service; the number of pieces when ``None``.
    """

    pieces: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    finish: Finish = "stop"
    vectors: tuple[tuple[float, ...], ...] = ()
    scores: tuple[float, ...] = ()
    prompt_tokens: int = 7
    completion_tokens: int | None = None

    @property
    def text(self) -> str:
        """All pieces, joined."""
        return "".join(self.pieces)

    @property
    def spent_tokens(self) -> int:
        """Tokens of the answer."""
        told = self.completion_tokens
        return len(self.pieces) + len(self.calls) if told is None else told

    @classmethod
    def of(cls, text: str) -> Answer:
        """A text in pieces of a word each, with the space before it, as models write."""
        return cls(tuple(re.findall(r"\s*\S+|\s+$", text)))


def invented(asked: Asked) -> Answer:
    """An answer that depends on the request alone, so that all mocks answer alike."""
    if asked.kind == "embedding":
        return Answer(vectors=tuple(map(_vector, asked.texts)))
    if asked.kind == "rerank":
        return Answer(scores=tuple(_likeness(asked.query, text) for text in asked.texts))
    said = [
        f"This is a mock; you said: {text}" if text else "This is a mock." for text in asked.texts
    ]
    last = Answer.of(said[-1] if said else "This is a mock.")
    return replace(last, texts=tuple(said)) if asked.kind == "completion" else last


def _vector(text: str) -> tuple[float, ...]:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return tuple(byte / 128 - 1 for byte in digest)


def _likeness(query: str, text: str) -> float:
    """Share of the query's words that the text has."""
    words = set(query.lower().split())
    return len(words & set(text.lower().split())) / len(words) if words else 0.0
