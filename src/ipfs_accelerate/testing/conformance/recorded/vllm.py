"""vLLM. Source: vLLM documentation, "OpenAI-Compatible Server", "Re-rank API"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    KeyRefusedError,
    ModelNotFoundError,
    ProviderFailedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.providers.vllm import VLLM
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import body, error_body

__all__ = ["CASE"]

_FIELDS = {"type": "BadRequestError", "param": None, "code": 400}

CASE = ProviderCase(
    VLLM("http://localhost:1"),
    chat=said.CHAT,
    stream=said.STREAM,
    tools=said.TOOLS,
    tool_stream=said.TOOL_STREAM,
    embedding=said.EMBEDDING,
    rerank=said.RERANK,
    completion=said.COMPLETION,
    failed=(error_body("bad", **_FIELDS), RequestRefusedError),
    failed_stream=(
        said.failed_stream("EngineCore died", type="InternalServerError", code=500),
        ProviderFailedError,
    ),
    models=said.MODELS,
    refusals=(
        Refused(
            400,
            error_body("This model's maximum context length is 4096 tokens", **_FIELDS),
            RequestRefusedError,
            "BadRequestError",
        ),
        Refused(
            400,
            body(object="error", message="'m' is bad", type="BadRequestError", code=400),
            RequestRefusedError,
            "BadRequestError",
        ),
        Refused(
            404,
            error_body("The model `m` does not exist.", type="NotFoundError", code=404),
            ModelNotFoundError,
            "NotFoundError",
        ),
        Refused(401, body(error="Unauthorized"), KeyRefusedError),
        Refused(404, body(detail="Not Found"), RequestRefusedError),
    ),
    unexpressible=(replace(CHAT, extra={"n": 2}),),
)
