"""From answers of the gateway to bodies of the OpenAI API.

Source: platform.openai.com/docs/api-reference (chat, streaming, completions, embeddings).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import (
        ChatChunk,
        ChatResponse,
        CompletionResponse,
        EmbeddingResponse,
        Message,
        RerankResponse,
        ToolCallPart,
        Usage,
    )

__all__ = [
    "ChunkWriter",
    "chat_body",
    "completion_body",
    "embedding_body",
    "event",
    "rerank_body",
]


def chat_body(response: ChatResponse, *, request_id: str, created_s: int) -> dict[str, object]:
    """The body of a whole chat answer."""
    choice = {
        "index": 0,
        "message": _message(response.message),
        "logprobs": None,
        "finish_reason": str(response.finish_reason),
    }
    return {
        "id": response.id or request_id,
        "object": "chat.completion",
        "created": created_s,
        "model": response.model,
        "choices": [choice],
        "usage": _usage(response.usage),
    }


def completion_body(
    response: CompletionResponse, *, request_id: str, created_s: int
) -> dict[str, object]:
    """The body of continued texts."""
    pairs = zip(response.texts, response.finish_reasons, strict=True)
    return {
        "id": request_id,
        "object": "text_completion",
        "created": created_s,
        "model": response.model,
        "choices": [
            {"index": index, "text": text, "logprobs": None, "finish_reason": str(reason)}
            for index, (text, reason) in enumerate(pairs)
        ],
        "usage": _usage(response.usage),
    }


def embedding_body(response: EmbeddingResponse, *, is_base64: bool) -> dict[str, object]:
    """The body of vectors; base64 holds little-endian float32, as OpenAI's does."""
    return {
        "object": "list",
        "model": response.model,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _packed(vector) if is_base64 else vector,
            }
            for index, vector in enumerate(response.vectors)
        ],
        "usage": {
            "prompt_tokens": response.usage.prompt_tokens or 0,
            "total_tokens": response.usage.prompt_tokens or 0,
        },
    }


def rerank_body(response: RerankResponse, *, request_id: str) -> dict[str, object]:
    """The body of ordered documents."""
    return {
        "id": request_id,
        "model": response.model,
        "results": [{"index": one.index, "relevance_score": one.score} for one in response.results],
        "usage": {"total_tokens": response.usage.prompt_tokens},
    }


class ChunkWriter:
    """Writes the events of one streamed answer, all with the same id and moment.

    Args:
        request_id: Id of the answer until the service's own is known.
        model: Name asked for, until the service has named its own.
        created_s: Seconds since the epoch.
    """

    def __init__(self, *, request_id: str, model: str, created_s: int) -> None:
        self._frame: dict[str, object] = {
            "id": request_id,
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }
        self._is_first = True

    def write(self, chunk: ChatChunk) -> bytes:
        """The event of a piece; empty for one that holds the count of tokens alone."""
        if chunk.model:
            self._frame["model"] = chunk.model
        if not (chunk.text or chunk.tool_calls or chunk.finish_reason or self._is_first):
            return b""
        delta: dict[str, object] = {"role": "assistant"} if self._is_first else {}
        if chunk.text or (self._is_first and not chunk.tool_calls):
            delta["content"] = chunk.text
        if chunk.tool_calls:
            delta["tool_calls"] = [_call_part(part) for part in chunk.tool_calls]
        self._is_first = False
        reason = None if chunk.finish_reason is None else str(chunk.finish_reason)
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event({**self._frame, "choices": [choice]})

    def usage(self, usage: Usage) -> bytes:
        """The last event, for clients that want the count of tokens."""
        return event({**self._frame, "choices": [], "usage": _usage(usage)})


def event(body: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _message(message: Message) -> dict[str, object]:
    written: dict[str, object] = {
        "role": "assistant",
        "content": message.text or (None if message.tool_calls else ""),
        "refusal": None,
    }
    if message.tool_calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return written


def _call_part(part: ToolCallPart) -> dict[str, object]:
    function: dict[str, object] = {"arguments": part.arguments}
    if part.name is not None:
        function["name"] = part.name
    written: dict[str, object] = {"index": part.index, "function": function}
    if part.id is not None:
        written |= {"id": part.id, "type": "function"}
    return written


def _usage(usage: Usage) -> dict[str, object] | None:
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    written: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens or 0,
        "completion_tokens": usage.completion_tokens or 0,
        "total_tokens": (usage.prompt_tokens or 0) + (usage.completion_tokens or 0),
    }
    if usage.cached_tokens is not None:
        written["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return written


def _packed(vector: tuple[float, ...]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
