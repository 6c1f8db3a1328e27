"""Hugging Face Text Embeddings Inference: embeddings and rerank.

Embeddings go to ``/v1/embeddings``, which counts tokens; a request whose ``extra`` holds a
parameter that only the native API knows (``normalize``, ``truncate``, ``truncation_direction``,
``prompt_name``) goes to ``/embed``, which does not. Its one model is named by ``/info``. 413 is a
batch that is too large, 422 an input that cannot be tokenised, 424 the model's fault, and 429 says
that the service is overloaded.

Untested against the real service: it was written from the public description.

Source: Text Embeddings Inference documentation and its OpenAPI description, ``/embed``,
``/v1/embeddings``, ``/rerank``, ``/info``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.errors import InternalError
from ipfs_accelerate.gateway.messages import EmbeddingRequest, Operation, RerankRequest
from ipfs_accelerate.gateway.providers._answers import (
    embedding_response,
    rerank_response,
)
from ipfs_accelerate.gateway.providers._openai_answer import read_embeddings
from ipfs_accelerate.gateway.providers._openai_body import put
from ipfs_accelerate.gateway.providers._reading import items, members, text, vector
from ipfs_accelerate.gateway.providers._service import Service, joined_body
from ipfs_accelerate.gateway.providers.protocol import Capabilities

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest, Request, Response
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["TextEmbeddingsInference"]

_NATIVE = {"normalize", "truncate", "truncation_direction", "prompt_name"}


class TextEmbeddingsInference(Service):
    """The service."""

    name = "tei"
    default_url: ClassVar[str | None] = "http://localhost:8080"
    capabilities = Capabilities(
        operations=frozenset({Operation.EMBEDDING, Operation.RERANK}),
        max_batch=32,  # --max-client-batch-size, unless it was started with another
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:  # noqa: ARG002 — of the protocol
        """Never called: `build` refuses every stream."""
        raise self.unable("streams")

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:  # noqa: ARG002
        if isinstance(request, RerankRequest):
            body: dict[str, object] = {"query": request.query, "texts": list(request.documents)}
            return "/rerank", joined_body(body, request.extra, frozenset({"return_text"}))
        assert isinstance(request, EmbeddingRequest)
        if request.extra.keys() & _NATIVE:
            body = put({"inputs": list(request.inputs)}, dimensions=request.dimensions)
            return "/embed", joined_body(body, request.extra)
        body = {"model": request.model, "input": list(request.inputs)}
        put(body, dimensions=request.dimensions)
        return "/v1/embeddings", joined_body(body, request.extra)

    def _answer(self, request: Request, value: object) -> Response:
        if isinstance(request, RerankRequest):
            return rerank_response(request, request.model, value, score_name="score")
        if not isinstance(request, EmbeddingRequest):
            raise InternalError(f"{self.name} was given a request that it refuses")
        if request.extra.keys() & _NATIVE:
            vectors = tuple(map(vector, items(value, "its embeddings")))
            return embedding_response(request, request.model, vectors)
        return read_embeddings(request, members(value, "its whole"))

    def _models_path(self) -> str:
        return "/info"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return (text(value.get("model_id"), "its model"),)
