"""Text Embeddings Inference: embeddings in two forms, and rerank.

Source: Text Embeddings Inference, its OpenAPI description: ``/embed``, ``/v1/embeddings``,
``/rerank``, ``/info``, ``ErrorResponse`` and ``OpenAICompatErrorResponse``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily
from ipfs_accelerate.testing.providers.dialects._reading import texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer
    from ipfs_accelerate.testing.providers.dialect import Failure

__all__ = ["DIALECT"]

_TYPES = {413: "validation", 422: "tokenizer", 424: "backend", 429: "overloaded", 503: "unhealthy"}


class TEI(OpenAIFamily):
    """The service; it serves one model, whatever name it is asked for."""

    name = "tei"
    root = ""
    chat = None
    completion = None
    listing = "/info"
    has_filter = False

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        if method == "POST" and path == "/embed":
            return Asked("embedding", texts=texts(body.get("inputs")), form="native")
        if method == "POST" and path == "/rerank":
            query = str(body.get("query", ""))
            return Asked("rerank", texts=texts(body.get("texts")), query=query, form="native")
        return super().read(method, path, body)

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            return {"model_id": "mock", "model_dtype": "float16", "version": "1.5.0"}
        if asked.form != "native":
            return super().whole(asked, answer)
        if asked.kind == "embedding":
            return [list(vector) for vector in answer.vectors]
        ranked = sorted(enumerate(answer.scores), key=lambda pair: -pair[1])
        return [{"index": place, "score": score} for place, score in ranked]

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        message = failure.message
        if failure.model is not None:
            message = f"Model {failure.model} does not exist"
        kind = failure.code or _TYPES.get(failure.status, "backend")
        if failure.form == "native":
            return {"error": message, "error_type": kind}
        return {"message": message, "code": failure.status, "type": kind}


DIALECT = TEI()
