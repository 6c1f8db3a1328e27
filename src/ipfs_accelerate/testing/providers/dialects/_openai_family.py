"""The OpenAI protocol, which most services speak; each has a small file of its own.

Source: OpenAI API reference, "Chat completions", "Streaming", "Completions", "Embeddings",
"Models"; OpenAI documentation, "Error codes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialect import Dialect, Failure, Streamed, event
from ipfs_accelerate.testing.providers.dialects._reading import last_turn, named, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer, Call

__all__ = ["OpenAIFamily", "usage"]

_CREATED = 1700000000

_CODES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "bad_request"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}


class OpenAIFamily(Dialect):
    """The protocol.

    Attributes:
        chat, completion, embedding, rerank: Paths; ``None`` where the service has none.
        listing: Path of the list of models.
    """

    root: ClassVar[str] = "/v1"
    chat: ClassVar[str | None] = "/v1/chat/completions"
    completion: ClassVar[str | None] = "/v1/completions"
    embedding: ClassVar[str | None] = "/v1/embeddings"
    rerank: ClassVar[str | None] = None
    listing: ClassVar[str] = "/v1/models"

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        bare = path.partition("?")[0]
        if method == "GET":
            return Asked("models") if bare == self.listing else None
        model = named(body)
        if bare == self.chat:
            said, begun = last_turn(body.get("messages"))
            if not body.get("continue_final_message"):
                begun = ""
            options = body.get("stream_options")
            wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
            is_stream = bool(body.get("stream"))
            return Asked("chat", model, is_stream, (said,), begun=begun, wants_usage=wants_usage)
        if bare == self.completion:
            return Asked("completion", model, bool(body.get("stream")), texts(body.get("prompt")))
        if bare == self.embedding:
            return Asked("embedding", model, texts=texts(body.get("input")))
        if bare == self.rerank:
            query = str(body.get("query", ""))
            return Asked("rerank", model, texts=texts(body.get("documents")), query=query)
        return None

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            entry = {"id": "mock", "object": "model", "created": _CREATED, "owned_by": "mock"}
            return {"object": "list", "data": [entry]}
        if asked.kind == "embedding":
            return self._embeddings(asked, answer)
        if asked.kind == "rerank":
            return self._ranking(asked, answer)
        if asked.kind == "completion":
            return self._completion(asked, answer)
        message: dict[str, object] = {"role": "assistant", "content": answer.text or None}
        if answer.calls:
            message["tool_calls"] = [_call(call) for call in answer.calls]
        choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
        return {
            "id": "chatcmpl-mock",
            "object": "chat.completion",
            "created": _CREATED,
            "model": asked.model,
            "choices": [choice],
            "usage": usage(answer),
        }

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`."""
        end = [self.delta_of(asked, {}, answer)]
        if asked.wants_usage:
            end.append({**self.delta_of(asked, {}), "choices": [], "usage": usage(answer)})
        start = {"role": "assistant", "content": ""}
        pieces: list[dict[str, object]] = [{"content": piece} for piece in answer.pieces]
        for place, call in enumerate(answer.calls):
            pieces.append({"tool_calls": [{"index": place, **_call(call)}]})
        return Streamed(
            [event(self.delta_of(asked, start))],
            [event(self.delta_of(asked, piece)) for piece in pieces],
            [*map(event, end), event("[DONE]")],
        )

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        kind, code = _CODES.get(failure.status, ("server_error", "server_error"))
        message: str = failure.message
        param: str | None = None
        if failure.model is not None:
            code, param = "model_not_found", "model"
            message = f"The model `{failure.model}` does not exist or you do not have access to it."
        error = {"message": message, "type": kind, "param": param, "code": failure.code or code}
        return {"error": error}

    def delta_of(
        self, asked: Asked, delta: Mapping[str, object], answer: Answer | None = None
    ) -> dict[str, object]:
        """A piece of a stream; with ``answer``, the last piece with the reason of the end."""
        is_chat = asked.kind == "chat"
        said = {"delta": delta} if is_chat else {"text": delta.get("content", "")}
        reason = None if answer is None else _finish(answer)
        return {
            "id": "chatcmpl-mock",
            "object": "chat.completion.chunk" if is_chat else "text_completion",
            "created": _CREATED,
            "model": asked.model,
            "choices": [{"index": 0, **said, "finish_reason": reason}],
        }

    def _completion(self, asked: Asked, answer: Answer) -> object:
        said = answer.texts or (answer.text,) * len(asked.texts)
        choices = [
            {"index": place, "text": text, "logprobs": None, "finish_reason": answer.finish}
            for place, text in enumerate(said)
        ]
        return {
            "id": "cmpl-mock",
            "object": "text_completion",
            "created": _CREATED,
            "model": asked.model,
            "choices": choices,
            "usage": usage(answer),
        }

    def _embeddings(self, asked: Asked, answer: Answer) -> object:
        data = [
            {"object": "embedding", "index": place, "embedding": list(vector)}
            for place, vector in enumerate(answer.vectors)
        ]
        usage = {"prompt_tokens": answer.prompt_tokens, "total_tokens": answer.prompt_tokens}
        return {"object": "list", "data": data, "model": asked.model, "usage": usage}

    def _ranking(self, asked: Asked, answer: Answer) -> object:
        """Source: Cohere API reference, "Rerank", which vLLM and OVMS follow."""
        results = [
            {"index": place, "relevance_score": score}
            for place, score in sorted(enumerate(answer.scores), key=lambda pair: -pair[1])
        ]
        return {"id": "rerank-mock", "model": asked.model, "results": results}


def _call(call: Call) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _finish(answer: Answer) -> str:
    return "tool_calls" if answer.calls and answer.finish == "stop" else answer.finish


def usage(answer: Answer) -> dict[str, int]:
    """Counts of tokens."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.spent_tokens,
        "total_tokens": answer.prompt_tokens + answer.spent_tokens,
    }
