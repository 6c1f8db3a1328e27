"""OPEA: the ChatQnA megaservice, and its microservices for chat, embeddings and rerank.

The model ``chatqna`` is the megaservice at ``/v1/chatqna``, which answers from the documents it
was given; any other model is asked of the text generation microservice at
``/v1/chat/completions``, which speaks the OpenAI dialect. The megaservice is peculiar: the events
of its stream are Python byte strings (``data: b'word'``) and name no reason of the end, so
``[DONE]`` means that it stopped; and the usage in its answers is always 0, which is read as
unknown. The reranking microservice answers with texts instead of indexes.

Untested against the real service: it was written from the public description.

Source: OPEA documentation, GenAIExamples "ChatQnA Application" (consuming the service) and the
megaservice's interface; GenAIComps "Text generation", "Embeddings" and "Reranking" microservices
and their protocol of requests.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    FinishReason,
    Operation,
    RerankRequest,
    Usage,
)
from ipfs_accelerate.gateway.providers._answers import rerank_response
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers._openai_stream import OpenAIStream
from ipfs_accelerate.gateway.providers._reading import Unreadable, items, members, text
from ipfs_accelerate.gateway.providers._service import joined_body
from ipfs_accelerate.gateway.providers.protocol import Capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Request, RerankResponse, Response
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["OPEA"]

_MEGASERVICE = "chatqna"
_BYTES = re.compile(r"b'(?:[^'\\\n]|\\.)*'|b\"(?:[^\"\\\n]|\\.)*\"", re.ASCII)


class OPEA(OpenAIDialect):
    """The services behind one address."""

    name = "opea"
    default_url: ClassVar[str | None] = "http://localhost:8888/v1"
    api_root = "/v1"
    paths: ClassVar[Mapping[str, str]] = {**OpenAIDialect.paths, "rerank": "/reranking"}
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.EMBEDDING, Operation.RERANK}),
        has_streaming=True,
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:  # noqa: ARG002 — the pieces tell
        """See `Provider.chunks`."""
        return _OpeaStream(self)

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        if isinstance(request, RerankRequest):
            body: dict[str, object] = {
                "input": request.query,
                "retrieved_docs": [{"text": document} for document in request.documents],
                "top_n": request.top_n or len(request.documents),
            }
            return self.paths["rerank"], joined_body(body, request.extra)
        path, body = super()._body(request, is_stream=is_stream)
        if isinstance(request, ChatRequest) and request.model == _MEGASERVICE:
            for field in ("seed", "stop", "response_format"):
                if field in body:
                    raise self.unable(f"{field!r} for the megaservice")
            body.pop("stream_options", None)
            body["stream"] = is_stream  # it streams unless told not to
            return "/chatqna", body
        return path, body

    def _answer(self, request: Request, value: object) -> Response:
        if isinstance(request, RerankRequest):
            return _reranked(request, members(value, "its whole"))
        answer = super()._answer(request, value)
        if isinstance(answer, ChatResponse) and answer.usage == Usage(0, 0):
            return ChatResponse(answer.model, answer.message, answer.finish_reason, id=answer.id)
        return answer

    def _models_path(self) -> str:
        return "/health_check"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return (text(value.get("Service Title"), "the title of its service"),)


class _OpeaStream(OpenAIStream):
    """Reads byte strings as text, and everything else as the dialect."""

    def _read(self, data: str) -> ChatChunk | None:
        if not data.startswith(("b'", 'b"')):
            return super()._read(data)
        self.finish_reason = FinishReason.STOP
        content = _literal(data)
        return self.piece(content) if content else None


def _literal(data: str) -> str:
    if not _BYTES.fullmatch(data):
        raise Unreadable("has a piece that is not a whole byte string")
    try:
        value: bytes = ast.literal_eval(data)
        return value.decode()
    except (ValueError, SyntaxError) as error:
        raise Unreadable("has a piece that is not UTF-8") from error


def _reranked(request: RerankRequest, value: dict[str, object]) -> RerankResponse:
    """Finds the documents again by their texts; equal ones are taken in their order."""
    places: dict[str, list[object]] = {}
    for index, document in enumerate(request.documents):
        places.setdefault(document, []).append(index)
    results: list[object] = []
    for one in items(value.get("reranked_docs"), "its results"):
        entry = members(one, "a result")
        left = places.get(text(entry.get("text"), "a result's text"))
        if not left:
            raise Unreadable("ranks a document twice, or one that was not given")
        results.append({"index": left.pop(0), "relevance_score": entry.get("score")})
    return rerank_response(request, request.model, results)
