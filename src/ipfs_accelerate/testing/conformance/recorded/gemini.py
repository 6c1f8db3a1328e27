"""Gemini. Source: Gemini API reference, "Generating content", "Embeddings"; google.rpc errors."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    AllowanceSpentError,
    KeyRefusedError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.messages import ImagePart, Message, Tool
from ipfs_accelerate.gateway.providers.gemini import Gemini
from ipfs_accelerate.testing.conformance.provider_case import CHAT, TOOLS, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded._writing import body, events

__all__ = ["CASE"]

_USAGE = {
    "promptTokenCount": 12,
    "candidatesTokenCount": 3,
    "totalTokenCount": 15,
}
_CALL = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}}


def _piece(*parts: object, reason: str | None = None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "usageMetadata": _USAGE,
        "modelVersion": "m-001",
        "responseId": "r7",
    }


def _error(code: int, status: str, message: str, *details: object) -> bytes:
    fields = {"code": code, "message": message, "status": status, "details": list(details)}
    return body(error=fields)


def _quota(identity: str) -> bytes:
    return _error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your quota",
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": "x", "quotaId": identity}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"},
    )


_BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 12}}
_THOUGHT = {"text": "hm", "thought": True}

CASE = ProviderCase(
    Gemini("http://localhost:1"),
    chat=body(**_piece(_THOUGHT, {"text": "Paris."}, reason="STOP")),
    stream=events(
        _piece(_THOUGHT),
        _piece({"text": "Par"}),
        _piece({"text": "is."}),
        _piece({"text": ""}, reason="STOP"),
        end=b"",
    ),
    tools=body(**_piece(_CALL, reason="STOP")),
    tool_stream=events(_piece(_CALL), _piece(reason="STOP"), end=b""),
    embedding=body(embeddings=[{"values": [0.25, -0.5, 1.0]}, {"values": [1.0, 0.0, -2.0]}]),
    filtered=body(**_BLOCKED),
    filtered_stream=events(_piece({"text": "Well,"}), _piece(reason="SAFETY"), end=b""),
    failed=(_error(500, "INTERNAL", "boom"), ProviderFailedError),
    failed_stream=(
        events(
            _piece({"text": "Par"}),
            {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}},
            end=b"",
        ),
        ProviderOverloadedError,
    ),
    has_end_marker=False,
    models=body(models=[{"name": "models/m", "displayName": "M"}]),
    refusals=(
        Refused(
            400,
            _error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                },
            ),
            KeyRefusedError,
            "API_KEY_INVALID",
        ),
        Refused(
            400,
            _error(400, "INVALID_ARGUMENT", "bad"),
            RequestRefusedError,
            "INVALID_ARGUMENT",
        ),
        Refused(403, _error(403, "PERMISSION_DENIED", "no"), KeyRefusedError, "PERMISSION_DENIED"),
        Refused(
            404,
            _error(404, "NOT_FOUND", "models/m is not found for API version v1beta"),
            ModelNotFoundError,
            "NOT_FOUND",
        ),
        Refused(
            429,
            _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
            RateLimitedError,
            "RESOURCE_EXHAUSTED",
        ),
        Refused(
            429,
            _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
            AllowanceSpentError,
            "RESOURCE_EXHAUSTED",
        ),
        Refused(500, _error(500, "INTERNAL", "boom"), ProviderFailedError, "INTERNAL"),
        Refused(
            503, _error(503, "UNAVAILABLE", "overloaded"), ProviderOverloadedError, "UNAVAILABLE"
        ),
        Refused(
            504, _error(504, "DEADLINE_EXCEEDED", "late"), ProviderFailedError, "DEADLINE_EXCEEDED"
        ),
        Refused(
            503,
            b"[" + _error(503, "UNAVAILABLE", "overloaded") + b"]",
            ProviderOverloadedError,
            "UNAVAILABLE",
        ),
    ),
    unexpressible=(
        replace(TOOLS, tools=(Tool("f", {}, is_strict=True),)),
        replace(CHAT, messages=(Message("user", (ImagePart("https://h/i.png"),)),)),
        replace(CHAT, response_format={"type": "grammar"}),
        replace(CHAT, messages=CHAT.messages[:1]),
    ),
)
