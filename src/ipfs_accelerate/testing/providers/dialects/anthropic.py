"""Anthropic's Messages API.

Source: Anthropic API reference, "Messages", "Streaming messages", "Errors", "List models".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialect import Dialect, Failure, Streamed, event
from ipfs_accelerate.testing.providers.dialects._reading import last_turn, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer, Call

__all__ = ["DIALECT"]

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_ENDS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class Anthropic(Dialect):
    """The service."""

    name = "anthropic"
    root = "/v1"

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        bare = path.partition("?")[0]
        if method == "GET" and bare == "/v1/models":
            return Asked("models")
        if method != "POST" or bare != "/v1/messages":
            return None
        said, _ = last_turn(body.get("messages"))
        return Asked("chat", named(body), bool(body.get("stream")), (said,))

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            entry = {"type": "model", "id": "mock", "display_name": "Mock"}
            return {"data": [entry], "has_more": False, "first_id": "mock", "last_id": "mock"}
        content: list[object] = [{"type": "text", "text": answer.text}] if answer.text else []
        content += [_block(call, json.loads(call.arguments)) for call in answer.calls]
        usage = {"input_tokens": answer.prompt_tokens, "output_tokens": answer.spent_tokens}
        return {**_message(asked), "content": content, "stop_reason": _end(answer), "usage": usage}

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`."""
        usage = {"input_tokens": answer.prompt_tokens, "output_tokens": 1}
        message = {**_message(asked), "content": [], "stop_reason": None, "usage": usage}
        start = [_event("message_start", message=message), _event("ping")]
        pieces = [_grow(0, {"type": "text_delta", "text": piece}) for piece in answer.pieces]
        end = []
        if pieces:
            block = {"type": "text", "text": ""}
            start.append(_event("content_block_start", index=0, content_block=block))
            pieces[-1] += _event("content_block_stop", index=0)
        pieces += [_called(call, place) for place, call in enumerate(answer.calls, len(pieces[:1]))]
        delta = {"stop_reason": _end(answer), "stop_sequence": None}
        spent = {"output_tokens": answer.spent_tokens}
        end += [_event("message_delta", delta=delta, usage=spent), _event("message_stop")]
        return Streamed(start, pieces, end)

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        message = failure.message if failure.model is None else f"model: {failure.model}"
        kind = failure.code or _TYPES.get(failure.status, "api_error")
        error = {"type": kind, "message": message}
        return {"type": "error", "error": error, "request_id": "req_mock"}

    def broken_piece(self) -> bytes:
        """See `Dialect.broken_piece`."""
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","ind\n\n'

    def key(self, headers: Mapping[str, str], path: str) -> str | None:  # noqa: ARG002
        """See `Dialect.key`."""
        return headers.get("x-api-key")


def _event(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


def _grow(index: int, delta: object) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _message(asked: Asked) -> dict[str, object]:
    return {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_sequence": None,
    }


def _block(call: Call, arguments: object) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _called(call: Call, index: int) -> bytes:
    """All events of a block that calls a tool."""
    begin = _event("content_block_start", index=index, content_block=_block(call, {}))
    more = _grow(index, {"type": "input_json_delta", "partial_json": call.arguments})
    return begin + more + _event("content_block_stop", index=index)


def _end(answer: Answer) -> str:
    return "tool_use" if answer.calls and answer.finish == "stop" else _ENDS[answer.finish]


DIALECT = Anthropic()
