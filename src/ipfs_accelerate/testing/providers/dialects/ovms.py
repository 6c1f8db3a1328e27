"""OpenVINO Model Server: the OpenAI protocol below ``/v3``, errors of one text.

Source: OpenVINO documentation, "Model Server": "OpenAI API chat/completions endpoint", "OpenAI API
embeddings endpoint", "Cohere API rerank endpoint", "TensorFlow Serving compatible RESTful API".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily

if TYPE_CHECKING:
    from ipfs_accelerate.testing.providers.answers import Answer, Asked
    from ipfs_accelerate.testing.providers.dialect import Failure

__all__ = ["DIALECT"]


class OVMS(OpenAIFamily):
    """The service."""

    name = "ovms"
    root = "/v3"
    chat = "/v3/chat/completions"
    completion = "/v3/completions"
    embedding = "/v3/embeddings"
    rerank = "/v3/rerank"
    listing = "/v1/config"

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind != "models":
            return super().whole(asked, answer)
        status = {"error_code": "OK", "error_message": "OK"}
        version = {"version": "1", "state": "AVAILABLE", "status": status}
        return {"mock": {"model_version_status": [version]}}

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        if failure.model is not None:
            return {"error": "Mediapipe graph definition with requested name is not found"}
        return {"error": failure.message}


DIALECT = OVMS()
