"""Text Generation Inference. Source: its documentation, "Messages API", "HTTP API Reference"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.providers.tgi import TextGenerationInference
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import body, events

__all__ = ["CASE"]

_TOOLS = said.TOOLS.replace(b'"{\\"city\\": \\"Paris\\"}"', b'{"city": "Paris"}')

CASE = ProviderCase(
    TextGenerationInference("http://localhost:1"),
    chat=said.CHAT,
    stream=said.STREAM,
    tools=_TOOLS,
    tool_stream=said.TOOL_STREAM,
    completion=body(
        generated_text=" Paris",
        details={
            "finish_reason": "eos_token",
            "generated_tokens": 1,
            "seed": None,
            "prefill": [{"id": 1, "text": "The", "logprob": None}],
            "tokens": [{"id": 2, "text": " Paris", "logprob": -0.1, "special": False}],
        },
    ),
    failed=(body(error="Request failed", error_type="generation"), ProviderFailedError),
    failed_stream=(
        events(
            said.piece({"content": "Par"}),
            {"error": "Model is overloaded", "error_type": "overloaded"},
        ),
        ProviderOverloadedError,
    ),
    models=body(model_id="m", version="3.0.0", max_total_tokens=2048),
    refusals=(
        Refused(
            422,
            body(error="Input validation error: inputs too long", error_type="validation"),
            RequestRefusedError,
            "validation",
        ),
        Refused(
            424,
            body(error="Request failed during generation", error_type="generation"),
            ProviderFailedError,
            "generation",
        ),
        Refused(
            429,
            body(error="Model is overloaded", error_type="overloaded"),
            ProviderOverloadedError,
            "overloaded",
        ),
        Refused(
            500,
            body(error="Incomplete generation", error_type="incomplete_generation"),
            ProviderFailedError,
            "incomplete_generation",
        ),
        Refused(404, body(error="no such model", error_type="model"), ModelNotFoundError, "model"),
    ),
    unexpressible=(replace(CHAT, extra={"n": 2}),),
)
