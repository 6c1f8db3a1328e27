"""Groq. Source: GroqDocs, "API reference", "Rate limits", "API error codes"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    KeyRefusedError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.providers import RateReport
from ipfs_accelerate.gateway.providers.groq import Groq
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import error_body, events

__all__ = ["CASE"]

_USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "total_time": 0.01}
_STREAM = events(
    {**said.piece({"role": "assistant", "content": ""}), "x_groq": {"id": "req_7"}},
    said.piece({"content": "Par"}),
    said.piece({"content": "is."}),
    {**said.piece({}, "stop"), "x_groq": {"id": "req_7", "usage": _USAGE}},
)

CASE = ProviderCase(
    Groq("http://localhost:1"),
    chat=said.CHAT,
    stream=_STREAM,
    tools=said.TOOLS,
    tool_stream=said.TOOL_STREAM,
    filtered=said.FILTERED,
    filtered_stream=said.FILTERED_STREAM,
    failed=(error_body("Internal", type="internal_server_error"), ProviderFailedError),
    failed_stream=(said.failed_stream("Internal", code="server_error"), ProviderFailedError),
    models=said.MODELS,
    refusals=(
        Refused(
            401,
            error_body("Invalid API Key", code="invalid_api_key"),
            KeyRefusedError,
            "invalid_api_key",
        ),
        Refused(
            404,
            error_body(
                "The model `m` does not exist or you do not have access to it.",
                type="invalid_request_error",
                code="model_not_found",
            ),
            ModelNotFoundError,
            "model_not_found",
        ),
        Refused(
            400,
            error_body("m has been decommissioned", code="model_decommissioned"),
            ModelNotFoundError,
            "model_decommissioned",
        ),
        Refused(
            400,
            error_body("Failed to call a function", code="tool_use_failed"),
            RequestRefusedError,
            "tool_use_failed",
        ),
        Refused(
            429,
            error_body(
                "Rate limit reached for m on tokens per minute (TPM)",
                type="tokens",
                code="rate_limit_exceeded",
            ),
            RateLimitedError,
            "rate_limit_exceeded",
            {"retry-after": "2"},
        ),
        Refused(
            498,
            error_body("Flex tier capacity exceeded", code="capacity_exceeded"),
            ProviderOverloadedError,
            "capacity_exceeded",
        ),
        Refused(413, error_body("Request too large", type="tokens"), RequestRefusedError, "tokens"),
    ),
    rate_headers=(
        {
            "retry-after": "2",
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-reset-tokens": "7.66s",
        },
        RateReport(14400, 14370, 179.56, 18000, 17997, 7.66, 2.0),
    ),
    unexpressible=(replace(CHAT, extra={"n": 2}),),
)
