"""OPEA: the ChatQnA megaservice with its Python byte strings, and the microservices.

Source: OPEA documentation, GenAIExamples "ChatQnA Application"; GenAIComps, microservices "Text
generation", "Embeddings", "Reranking"; FastAPI's form of errors, which they are made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialect import Streamed, event
from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily
from ipfs_accelerate.testing.providers.dialects._reading import last_turn, listed, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer
    from ipfs_accelerate.testing.providers.dialect import Failure

__all__ = ["DIALECT"]


class OPEA(OpenAIFamily):
    """The services behind one address."""

    name = "opea"
    completion = None
    listing = "/v1/health_check"

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        if method == "POST" and path == "/v1/chatqna":
            said = body.get("messages")
            text = said if isinstance(said, str) else last_turn(said)[0]
            is_stream = bool(body.get("stream", True))
            return Asked("chat", named(body), is_stream, (text,), form="mega")
        if method == "POST" and path == "/v1/reranking":
            docs = listed(body.get("retrieved_docs"))
            texts = tuple(str(doc.get("text", "")) for doc in docs if isinstance(doc, dict))
            query = str(body.get("input") or body.get("initial_query") or "")
            return Asked("rerank", texts=texts, query=query)
        return super().read(method, path, body)

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            return {"Service Title": "mock", "Service Description": "OPEA Microservice"}
        if asked.kind == "rerank":
            ranked = sorted(zip(answer.scores, asked.texts, strict=False), key=lambda it: -it[0])
            docs = [{"text": text, "score": score} for score, text in ranked]
            return {"initial_query": asked.query, "reranked_docs": docs}
        found = super().whole(asked, answer)
        if asked.form == "mega" and isinstance(found, dict):
            found["usage"] = {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0}
        return found

    def stream(self, asked: Asked, answer: Answer) -> Streamed:
        """See `Dialect.stream`."""
        if asked.form != "mega":
            return super().stream(asked, answer)
        pieces = [event(repr(piece.encode())) for piece in answer.pieces]
        return Streamed([], pieces, [event("[DONE]")])

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        if failure.model is not None:
            return {"detail": f"The model `{failure.model}` does not exist."}
        return {"detail": failure.code or failure.message}


DIALECT = OPEA()
