"""OpenAI. Source: OpenAI API reference; documentation, "Error codes", "Rate limits"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    AllowanceSpentError,
    ContentRefusedError,
    KeyRefusedError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.providers import RateReport
from ipfs_accelerate.gateway.providers.openai import OpenAI
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded import _openai_dialect as said
from ipfs_accelerate.testing.conformance.recorded._writing import body, error_body

__all__ = ["CASE"]

_AZURE_FILTER = body(
    error={
        "message": "The response was filtered",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
        },
    }
)

CASE = ProviderCase(
    OpenAI("http://localhost:1"),
    chat=said.CHAT,
    stream=said.STREAM,
    tools=said.TOOLS,
    tool_stream=said.TOOL_STREAM,
    embedding=said.EMBEDDING,
    completion=said.COMPLETION,
    filtered=said.FILTERED,
    filtered_stream=said.FILTERED_STREAM,
    failed=(error_body("Server error", type="server_error"), ProviderFailedError),
    failed_stream=(
        said.failed_stream("Slow down", type="tokens", code="rate_limit_exceeded"),
        RateLimitedError,
    ),
    models=said.MODELS,
    refusals=(
        Refused(
            401,
            error_body("Incorrect API key provided: sk-a****b", code="invalid_api_key"),
            KeyRefusedError,
            "invalid_api_key",
        ),
        Refused(
            429,
            error_body("You exceeded your current quota", code="insufficient_quota"),
            AllowanceSpentError,
            "insufficient_quota",
        ),
        Refused(
            429,
            error_body("Rate limit reached for m", type="tokens", code="rate_limit_exceeded"),
            RateLimitedError,
            "rate_limit_exceeded",
        ),
        Refused(
            404,
            error_body("The model `m` does not exist", code="model_not_found"),
            ModelNotFoundError,
            "model_not_found",
        ),
        Refused(
            400,
            error_body(
                "This model's maximum context length is 8192 tokens",
                type="invalid_request_error",
                param="messages",
                code="context_length_exceeded",
            ),
            RequestRefusedError,
            "context_length_exceeded",
        ),
        Refused(
            400,
            error_body("Your request was rejected", code="content_policy_violation"),
            ContentRefusedError,
            "content_policy_violation",
        ),
        Refused(400, _AZURE_FILTER, ContentRefusedError, "ResponsibleAIPolicyViolation"),
        Refused(
            503,
            error_body("The engine is currently overloaded", type="server_error"),
            ProviderOverloadedError,
            "server_error",
        ),
    ),
    rate_headers=(
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        RateReport(60, 59, 1.0, 150000, 149984, 360.0),
    ),
    unexpressible=(replace(CHAT, extra={"n": 2}), replace(CHAT, extra={"stream": True})),
)
