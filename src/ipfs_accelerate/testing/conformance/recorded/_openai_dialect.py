"""Answers in the OpenAI dialect, as its services share them.

Source: OpenAI API reference, "Chat completions", "Streaming", "Completions", "Embeddings".
"""

from __future__ import annotations

from ipfs_accelerate.testing.conformance.recorded._writing import DONE, body, error_body, events

__all__ = [
    "CHAT",
    "COMPLETION",
    "EMBEDDING",
    "FILTERED",
    "FILTERED_STREAM",
    "MODELS",
    "RERANK",
    "STREAM",
    "TOOLS",
    "TOOL_STREAM",
    "failed_stream",
    "piece",
]

_USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
_HEAD: dict[str, object] = {"id": "chatcmpl-7", "created": 1700000000, "model": "m-2024"}


def piece(delta: object, reason: str | None = None) -> dict[str, object]:
    """A piece of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def _whole(message: dict[str, object], reason: str, usage: object = _USAGE) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return body(**_HEAD, object="chat.completion", choices=[choice], usage=usage)


_FUNCTION = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
_CALL = {"id": "call_9", "type": "function", "function": _FUNCTION}
_BEGUN = {"index": 0, "id": "call_9", "type": "function"}
_ROLE = piece({"role": "assistant", "content": ""})
_LAST = {**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}

CHAT = _whole({"content": "Paris."}, "stop")
TOOLS = _whole({"content": None, "tool_calls": [_CALL]}, "tool_calls")
FILTERED = _whole({"content": None}, "content_filter")
STREAM = events(
    _ROLE, piece({"content": "Par"}), piece({"content": "is."}), piece({}, "stop"), _LAST
)
TOOL_STREAM = events(
    piece({"role": "assistant", "content": None}),
    piece({"tool_calls": [{**_BEGUN, "function": {"name": "get_weather", "arguments": ""}}]}),
    piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
    piece({"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]}),
    piece({}, "tool_calls"),
    _LAST,
)
FILTERED_STREAM = events(_ROLE, piece({"content": "Well,"}), piece({}, "content_filter"), _LAST)
COMPLETION = body(
    id="cmpl-7",
    object="text_completion",
    created=1700000000,
    model="m-2024",
    choices=[{"index": 0, "text": " Paris", "logprobs": None, "finish_reason": "stop"}],
    usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
)
EMBEDDING = body(
    object="list",
    model="m-2024",
    data=[
        {"object": "embedding", "index": 1, "embedding": [1.0, 0.0, -2.0]},
        {"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 1.0]},
    ],
    usage={"prompt_tokens": 2, "total_tokens": 2},
)
RERANK = body(
    id="rerank-7",
    model="m-2024",
    usage={"total_tokens": 20},
    results=[
        {"index": 2, "document": {"text": "Paris"}, "relevance_score": 0.98},
        {"index": 0, "document": {"text": "Berlin"}, "relevance_score": 0.01},
        {"index": 1, "document": {"text": "Rome"}, "relevance_score": 0.005},
    ],
)
MODELS = body(object="list", data=[{"id": "m", "object": "model", "owned_by": "someone"}])


def failed_stream(message: str, **fields: object) -> bytes:
    """Text, and then an error."""
    error = b"data: " + error_body(message, **fields) + b"\n\n"
    return events(_ROLE, piece({"content": "Par"}), end=error + DONE)
