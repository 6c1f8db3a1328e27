"""Ollama's own API: JSON lines; a stream unless told not to.

Source: Ollama documentation, "API reference": ``/api/chat``, ``/api/generate``, ``/api/embed``,
``/api/tags``; "Streaming", "Errors".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialect import Dialect, Failure, Streamed, to_json
from ipfs_accelerate.testing.providers.dialects._reading import last_turn, named, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer

__all__ = ["DIALECT"]

_CREATED = "2024-01-01T00:00:00.000000Z"


class Ollama(Dialect):
    """The service."""

    name = "ollama"
    stream_type = "application/x-ndjson"
    has_filter = False

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        if method == "GET":
            return Asked("models") if path == "/api/tags" else None
        is_stream = body.get("stream", True) is not False
        if path == "/api/chat":
            return Asked("chat", named(body), is_stream, (last_turn(body.get("messages"))[0],))
        if path == "/api/generate":
            return Asked("completion", named(body), is_stream, texts(body.get("prompt")))
        if path == "/api/embed":
            return Asked("embedding", named(body), texts=texts(body.get("input")))
        return None

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            return {"models": [{"name": "mock:latest", "model": "mock:latest", "size": 1}]}
        if asked.kind == "embedding":
            vectors = [list(vector) for vector in answer.vectors]
            tokens = answer.prompt_tokens
            return {"model": asked.model, "embeddings": vectors, "prompt_eval_count": tokens}
        return {**_said(asked, answer.text, _calls(answer)), **_done(answer)}

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`."""
        pieces = [_line({**_said(asked, piece), "done": False}) for piece in answer.pieces]
        if answer.calls:
            pieces.append(_line({**_said(asked, "", _calls(answer)), "done": False}))
        return Streamed([], pieces, [_line({**_said(asked, ""), **_done(answer)})])

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        if failure.model is not None:
            return {"error": f"model '{failure.model}' not found"}
        return {"error": failure.code or failure.message}

    def broken_piece(self) -> bytes:
        """See `Dialect.broken_piece`."""
        return b'{"model":"mock","message":{"role":"assi\n'


def _line(value: object) -> bytes:
    return to_json(value) + b"\n"


def _said(asked: Asked, text: str, calls: list[object] | None = None) -> dict[str, object]:
    head: dict[str, object] = {"model": asked.model, "created_at": _CREATED}
    if asked.kind == "completion":
        return {**head, "response": text}
    message: dict[str, object] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    return {**head, "message": message}


def _calls(answer: Answer) -> list[object]:
    return [
        {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}
        for call in answer.calls
    ]


def _done(answer: Answer) -> dict[str, object]:
    return {
        "done": True,
        "done_reason": "length" if answer.finish == "length" else "stop",
        "total_duration": 3_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": answer.prompt_tokens,
        "prompt_eval_duration": 1_000_000,
        "eval_count": answer.spent_tokens,
        "eval_duration": 1_000_000,
    }


DIALECT = Ollama()
