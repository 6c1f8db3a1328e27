"""Text Generation Inference: the Messages API in OpenAI's protocol, and ``/generate``.

Source: Text Generation Inference documentation, "Messages API" and "HTTP API Reference" (its
OpenAPI description, ``ErrorResponse`` with ``error_type``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.answers import Asked
from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.testing.providers.answers import Answer
    from ipfs_accelerate.testing.providers.dialect import Failure

__all__ = ["DIALECT"]

_TYPES = {422: "validation", 424: "generation", 429: "overloaded", 500: "incomplete_generation"}
_ENDS = {"stop": "eos_token", "length": "length"}


class TGI(OpenAIFamily):
    """The service; it serves one model, whatever name it is asked for."""

    name = "tgi"
    root = ""
    embedding = None
    listing = "/info"

    def read(self, method: str, path: str, body: Mapping[str, object]) -> Asked | None:
        """See `Dialect.read`."""
        if method == "POST" and path == "/generate":
            prompt = (str(body.get("inputs", "")),)
            return Asked("completion", texts=prompt, form="generate")
        return super().read(method, path, body)

    def whole(self, asked: Asked, answer: Answer) -> object:
        """See `Dialect.whole`."""
        if asked.kind == "models":
            return {"model_id": "mock", "max_input_tokens": 4096, "version": "3.0.0"}
        if asked.form != "generate":
            return super().whole(asked, answer)
        details = {
            "finish_reason": _ENDS.get(answer.finish, "eos_token"),
            "generated_tokens": answer.spent_tokens,
            "seed": None,
            "prefill": [{"id": 1, "text": "x", "logprob": None}] * answer.prompt_tokens,
            "tokens": [],
        }
        return {"generated_text": answer.text, "details": details}

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        message = failure.message
        if failure.model is not None:
            message = f"Model {failure.model} does not exist"
        kind = failure.code or _TYPES.get(failure.status, "unknown")
        return {"error": message, "error_type": kind}


DIALECT = TGI()
