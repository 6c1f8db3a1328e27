"""The OpenAI dialect, spoken by most services; each of them is a small subclass.

Source: OpenAI API reference, "Chat completions", "Completions", "Embeddings", "Models", "Error
codes", "Rate limits".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    RerankRequest,
)
from ipfs_accelerate.gateway.providers._answers import model_of, names_of, rerank_response
from ipfs_accelerate.gateway.providers._openai_answer import (
    read_chat,
    read_completion,
    read_embeddings,
    usage_of,
)
from ipfs_accelerate.gateway.providers._openai_body import chat_body, completion_body, put
from ipfs_accelerate.gateway.providers._openai_stream import OpenAIStream
from ipfs_accelerate.gateway.providers._reading import members
from ipfs_accelerate.gateway.providers._service import Service, joined_body, wait_s
from ipfs_accelerate.gateway.providers.protocol import RateReport
from ipfs_accelerate.gateway.wire import duration_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["OpenAIDialect"]

_RATES = frozenset(
    {
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
        "retry-after",
        "retry-after-ms",
    }
)
_NO_RATES = RateReport()
_OURS = frozenset({"stream", "stream_options", "n"})


class OpenAIDialect(Service):
    """A service that speaks the dialect, with the paths and fields it has of its own.

    Attributes:
        paths: Below the root, by kind of request.
        limit_field: Name of the field for `ChatRequest.max_tokens`.
    """

    paths: ClassVar[Mapping[str, str]] = {
        "chat": "/chat/completions",
        "completion": "/completions",
        "embedding": "/embeddings",
        "rerank": "/rerank",
    }
    limit_field: str = "max_tokens"

    def chunks(self, request: ChatRequest) -> ChunkParser:  # noqa: ARG002 — the same for all
        """See `Provider.chunks`."""
        return OpenAIStream(self)

    def rates(self, headers: Mapping[str, str], *, now_s: float) -> RateReport:
        """See `Provider.rates`."""
        if headers.keys().isdisjoint(_RATES):
            return _NO_RATES
        return RateReport(
            whole(headers.get("x-ratelimit-limit-requests")),
            whole(headers.get("x-ratelimit-remaining-requests")),
            duration_s(headers.get("x-ratelimit-reset-requests")),
            whole(headers.get("x-ratelimit-limit-tokens")),
            whole(headers.get("x-ratelimit-remaining-tokens")),
            duration_s(headers.get("x-ratelimit-reset-tokens")),
            wait_s(headers, now_s=now_s),
        )

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        path = self.paths[request.operation.value]
        if isinstance(request, ChatRequest):
            return path, joined_body(
                self._chat_body(request, is_stream=is_stream), request.extra, _OURS
            )
        if isinstance(request, CompletionRequest):
            return path, joined_body(completion_body(request), request.extra, _OURS | {"best_of"})
        if isinstance(request, EmbeddingRequest):
            body: dict[str, object] = {"model": request.model, "input": list(request.inputs)}
            put(body, dimensions=request.dimensions)
        else:
            body = {
                "model": request.model,
                "query": request.query,
                "documents": list(request.documents),
            }
            put(body, top_n=request.top_n)
        return path, joined_body(body, request.extra)

    def _chat_body(self, request: ChatRequest, *, is_stream: bool) -> dict[str, object]:
        body = chat_body(request)
        if self.limit_field != "max_tokens" and "max_tokens" in body:
            body[self.limit_field] = body.pop("max_tokens")
        if is_stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return body

    def _answer(self, request: Request, value: object) -> Response:
        answer = members(value, "its whole")
        if isinstance(request, ChatRequest):
            return read_chat(self, request.model, answer)
        if isinstance(request, CompletionRequest):
            return read_completion(self, request, answer)
        if isinstance(request, RerankRequest):
            return rerank_response(
                request,
                model_of(answer, request.model),
                answer.get("results"),
                usage=usage_of(answer.get("usage")),
            )
        return read_embeddings(request, answer)

    def _models_path(self) -> str:
        return "/models"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return names_of(value.get("data"), "id")


def whole(value: str | None) -> int | None:
    """The number in a header."""
    text = (value or "").strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else None
