"""vLLM: the OpenAI protocol, with rerank; its errors carry the status as code.

Source: vLLM documentation, "OpenAI-Compatible Server", "Re-rank API"; its ``ErrorResponse``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.testing.providers.dialects._openai_family import OpenAIFamily

if TYPE_CHECKING:
    from ipfs_accelerate.testing.providers.dialect import Failure

__all__ = ["DIALECT"]

_TYPES = {400: "BadRequestError", 404: "NotFoundError"}


class VLLM(OpenAIFamily):
    """The service."""

    name = "vllm"
    rerank = "/v1/rerank"

    def failure(self, failure: Failure) -> object:
        """See `Dialect.failure`."""
        message = failure.message
        if failure.model is not None:
            message = f"The model `{failure.model}` does not exist."
        kind = failure.code or _TYPES.get(failure.status, "InternalServerError")
        param = "model" if failure.model is not None else None
        error = {"message": message, "type": kind, "param": param, "code": failure.status}
        return {"error": error}


DIALECT = VLLM()
