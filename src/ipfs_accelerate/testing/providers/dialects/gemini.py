"""Gemini's API; streams as server-sent events (``alt=sse``) only.

Source: Gemini API reference, "Generating content", "Embeddings", "Models"; google.rpc.Status.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialect import Dialect, Failure, Streamed, event
from ipfs_accelerate.testing.providers.dialects._reading import last_turn, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer

__all__ = ["DIALECT"]

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ENDS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


class Gemini(Dialect):
    """The service."""

    name = "gemini"
    root = "/v1beta"

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        bare = unquote(urlsplit(path).path)
        if method == "GET":
            return Asked("models") if bare == "/v1beta/models" else None
        model, _, verb = bare.removeprefix("/v1beta/").removeprefix("models/").rpartition(":")
        if verb in {"generateContent", "streamGenerateContent"}:
            said = _last_words(body.get("contents"))
            return Asked("chat", model, verb.startswith("stream"), (said,))
        if verb == "batchEmbedContents":
            entries = [one for one in listed(body.get("requests")) if isinstance(one, dict)]
            texts = tuple(_last_words([one.get("content")]) for one in entries)
            return Asked("embedding", model, texts=texts)
        return None

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            return {"models": [{"name": "models/mock", "displayName": "Mock"}]}
        if asked.kind == "embedding":
            return {"embeddings": [{"values": list(vector)} for vector in answer.vectors]}
        if answer.finish == "content_filter" and not answer.pieces:
            return _blocked(answer)
        parts = [{"text": answer.text}] if answer.text else []
        return _piece(asked, [*parts, *_calls(answer)], answer, _ENDS[answer.finish])

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`; there is no end marker but the reason of the end."""
        if answer.finish == "content_filter" and not answer.pieces:
            return Streamed([], [], [event(_blocked(answer))])
        said = [[{"text": piece}] for piece in answer.pieces]
        pieces = [*said, *([call] for call in _calls(answer))]
        last = _piece(asked, [{"text": ""}], answer, _ENDS[answer.finish])
        every = [event(_piece(asked, parts, answer)) for parts in pieces]
        return Streamed([], every, [event(last)])

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        message = failure.message
        if failure.model is not None:
            message = (
                f"models/{failure.model} is not found for API version v1beta, or is not supported"
                " for generateContent."
            )
        status = failure.code or _CODES.get(failure.status, "INTERNAL")
        return {"error": {"code": failure.status, "message": message, "status": status}}

    def broken_piece(self) -> bytes:
        """See `Dialect.broken_piece`."""
        return b'data: {"candidates": [{"content": {"par\r\n\r\n'

    def key(self, headers: Mapping[str, str], path: str) -> str | None:
        """See `Dialect.key`."""
        in_query = parse_qs(urlsplit(path).query).get("key", [None])[0]
        return headers.get("x-goog-api-key") or in_query


def _last_words(contents: object) -> str:
    turns = [dict(one) for one in listed(contents) if isinstance(one, dict)]
    return last_turn([{"role": "user", **turn} for turn in turns], "parts")[0]


def _calls(answer: Answer) -> list[dict[str, object]]:
    calls = [{"name": call.name, "args": json.loads(call.arguments)} for call in answer.calls]
    return [{"functionCall": call} for call in calls]


def _piece(
    asked: Asked, parts: object, answer: Answer, reason: str | None = None
) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(answer),
        "modelVersion": asked.model,
        "responseId": "mock",
    }


def _blocked(answer: Answer) -> dict[str, object]:
    return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": _usage(answer)}


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "promptTokenCount": answer.prompt_tokens,
        "candidatesTokenCount": answer.spent_tokens,
        "totalTokenCount": answer.prompt_tokens + answer.spent_tokens,
    }


DIALECT = Gemini()
