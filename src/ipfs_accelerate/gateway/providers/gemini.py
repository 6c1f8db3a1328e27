"""Google's Gemini API: contents made of parts, and a stream without an end marker.

A stream is whole when a piece gave the reason of its end and the connection ended in order. The
key travels in a header, never in the address. Images by address, strict tools and response formats
other than JSON cannot be expressed; names of speakers and ``user`` are left out. Thoughts are not
part of the answer; since the signatures of thoughts have no place in our vocabulary, earlier tool
calls carry the mark with which Google lets a history of other origin in. All embeddings go through
``batchEmbedContents``.

Untested against the real service: it was written from the public description.

Source: Gemini API reference, "Generating content", "Embeddings", "Models"; Gemini API
documentation, "Function calling", "Thought signatures", "Structured output", "Safety settings",
"Troubleshooting" (error codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from ipfs_accelerate.errors import InternalError
from ipfs_accelerate.gateway.messages import ChatRequest, EmbeddingRequest, Operation
from ipfs_accelerate.gateway.providers._answers import embedding_response, names_of
from ipfs_accelerate.gateway.providers._calls import calls_before
from ipfs_accelerate.gateway.providers._failures import Refusal, read_refusal
from ipfs_accelerate.gateway.providers._gemini_answer import GeminiStream, read_chat
from ipfs_accelerate.gateway.providers._gemini_body import chat_body
from ipfs_accelerate.gateway.providers._openai_body import put
from ipfs_accelerate.gateway.providers._reading import items, members, vector
from ipfs_accelerate.gateway.providers._service import Service, joined_body
from ipfs_accelerate.gateway.providers.protocol import Capabilities
from ipfs_accelerate.gateway.wire import duration_s

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["Gemini"]


class Gemini(Service):
    """The service."""

    name = "gemini"
    default_url: ClassVar[str | None] = "https://generativelanguage.googleapis.com/v1beta"
    api_root = "/v1beta"
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.EMBEDDING}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
        needs_key=True,
        max_batch=100,
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:
        """See `Provider.chunks`."""
        return GeminiStream(self, calls_before(request))

    def _credentials(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        model = _resource(request.model)
        if isinstance(request, ChatRequest):
            verb = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
            body = joined_body(chat_body(self, request), request.extra)
            return f"/{_path(model)}:{verb}", body
        assert isinstance(request, EmbeddingRequest)
        entries = [
            joined_body(
                put(
                    {"model": model, "content": {"parts": [{"text": one}]}},
                    outputDimensionality=request.dimensions,
                ),
                request.extra,
            )
            for one in request.inputs
        ]
        return f"/{_path(model)}:batchEmbedContents", {"requests": entries}

    def _answer(self, request: Request, value: object) -> Response:
        answer = members(value, "its whole")
        if isinstance(request, ChatRequest):
            return read_chat(self, request, answer)
        if not isinstance(request, EmbeddingRequest):
            raise InternalError(f"{self.name} was given a request that it refuses")
        vectors = tuple(
            vector(members(one, "an embedding's entry").get("values"))
            for one in items(answer.get("embeddings"), "its embeddings")
        )
        return embedding_response(request, request.model, vectors)

    def _refusal(self, known: Refusal, body: object) -> Refusal:
        if type(body) is list and len(body) == 1:  # so a refused stream answers at times
            body = body[0]
        plain = read_refusal(known, body)
        reasons, quotas, wait_s = _details(body)
        return Refusal(
            plain.status,
            (*reasons, *plain.codes),
            " ".join((plain.message, *quotas)),
            plain.param,
            plain.retry_after_s if plain.retry_after_s is not None else wait_s,
        )

    def _models_path(self) -> str:
        return "/models?pageSize=1000"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return names_of(value.get("models"), "name", lambda name: name.removeprefix("models/"))


def _resource(model: str) -> str:
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _path(resource: str) -> str:
    """A resource in an address: the collection, and a name that cannot leave it."""
    collection, _, name = resource.partition("/")
    return f"{collection}/{quote(name, safe='')}"


def _details(body: object) -> tuple[list[str], list[str], float | None]:
    """Reasons, names of the quotas that are spent, and seconds to wait.

    Source: google.rpc ``ErrorInfo``, ``QuotaFailure`` and ``RetryInfo``.
    """
    error = body.get("error") if type(body) is dict else None
    listed = error.get("details") if type(error) is dict else None
    reasons: list[str] = []
    quotas: list[str] = []
    wait_s: float | None = None
    for detail in listed if type(listed) is list else []:
        if type(detail) is not dict:
            continue
        if type(detail.get("reason")) is str:
            reasons.append(detail["reason"])
        if type(detail.get("retryDelay")) is str:
            wait_s = duration_s(detail["retryDelay"])
        quotas.extend(_quotas(detail.get("violations")))
    return reasons, quotas, wait_s


def _quotas(violations: object) -> list[str]:
    listed = violations if type(violations) is list else []
    named = [one.get("quotaId") for one in listed if type(one) is dict]
    return [name for name in named if type(name) is str]
