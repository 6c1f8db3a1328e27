"""Claude. Source: Claude API reference, "Messages", "Streaming messages", "Errors"."""

from __future__ import annotations

from collections.abc import Mapping
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
from ipfs_accelerate.gateway.messages import Usage
from ipfs_accelerate.gateway.providers import RateReport
from ipfs_accelerate.gateway.providers.anthropic import Anthropic
from ipfs_accelerate.testing.conformance.provider_case import CHAT, ProviderCase, Refused
from ipfs_accelerate.testing.conformance.recorded._writing import body

__all__ = ["CASE"]

_USAGE = {"input_tokens": 10, "cache_read_input_tokens": 2, "output_tokens": 3}
_HEAD: dict[str, object] = {
    "id": "msg_7",
    "type": "message",
    "role": "assistant",
    "model": "m-2024",
    "stop_sequence": None,
}


def _whole(content: list[object], reason: str) -> bytes:
    return body(**_HEAD, content=content, stop_reason=reason, usage=_USAGE)


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + body(type=kind, **fields) + b"\n\n"


def _error(kind: str, message: str) -> bytes:
    return body(type="error", error={"type": kind, "message": message}, request_id="req_7")


def _begin(index: int, block: Mapping[str, object]) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


def _grow(index: int, **delta: object) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _end(reason: str) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    usage = {"output_tokens": 3}
    return _event("message_delta", delta=delta, usage=usage) + _event("message_stop")


_START = _event(
    "message_start",
    message={**_HEAD, "content": [], "stop_reason": None, "usage": {**_USAGE, "output_tokens": 1}},
)
_TEXT = _begin(0, {"type": "text", "text": ""}) + _event("ping")
_PAR = _grow(0, type="text_delta", text="Par")
_STOP = _event("content_block_stop", index=0)
_TOOL = {"type": "tool_use", "id": "toolu_7", "name": "get_weather"}

CASE = ProviderCase(
    Anthropic("http://localhost:1"),
    chat=_whole([{"type": "text", "text": "Paris."}], "end_turn"),
    usage=Usage(12, 3, 2),
    stream=_START
    + _TEXT
    + _PAR
    + _grow(0, type="text_delta", text="is.")
    + _STOP
    + _end("end_turn"),
    tools=_whole([{**_TOOL, "input": {"city": "Paris"}}], "tool_use"),
    tool_stream=_START
    + _begin(0, {"type": "thinking", "thinking": "", "signature": ""})
    + _grow(0, type="thinking_delta", thinking="hm")
    + _STOP
    + _begin(1, {**_TOOL, "input": {}})
    + _grow(1, type="input_json_delta", partial_json="")
    + _grow(1, type="input_json_delta", partial_json='{"city": ')
    + _grow(1, type="input_json_delta", partial_json='"Paris"}')
    + _event("content_block_stop", index=1)
    + _end("tool_use"),
    filtered=_whole([], "refusal"),
    filtered_stream=_START + _TEXT + _PAR + _STOP + _end("refusal"),
    failed=(_error("api_error", "boom"), ProviderFailedError),
    failed_stream=(
        _START
        + _TEXT
        + _PAR
        + _event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
        ProviderOverloadedError,
    ),
    models=body(data=[{"type": "model", "id": "m", "display_name": "M"}], has_more=False),
    refusals=(
        Refused(
            401,
            _error("authentication_error", "invalid x-api-key"),
            KeyRefusedError,
            "authentication_error",
        ),
        Refused(403, _error("permission_error", "no"), KeyRefusedError, "permission_error"),
        Refused(404, _error("not_found_error", "model: m"), ModelNotFoundError, "not_found_error"),
        Refused(
            400,
            _error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            RequestRefusedError,
            "invalid_request_error",
        ),
        Refused(
            400,
            _error("invalid_request_error", "Your credit balance is too low"),
            AllowanceSpentError,
            "invalid_request_error",
        ),
        Refused(402, _error("billing_error", "billing"), AllowanceSpentError, "billing_error"),
        Refused(
            413, _error("request_too_large", "large"), RequestRefusedError, "request_too_large"
        ),
        Refused(429, _error("rate_limit_error", "limit"), RateLimitedError, "rate_limit_error"),
        Refused(500, _error("api_error", "boom"), ProviderFailedError, "api_error"),
        Refused(504, _error("timeout_error", "late"), ProviderFailedError, "timeout_error"),
        Refused(
            529,
            _error("overloaded_error", "Overloaded"),
            ProviderOverloadedError,
            "overloaded_error",
        ),
    ),
    rate_headers=(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:25Z",
            "anthropic-ratelimit-tokens-limit": "80000",
            "anthropic-ratelimit-tokens-remaining": "79000",
            "anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:20+00:00",
        },
        RateReport(50, 49, 5.0, 80000, 79000, 60.0),
    ),
    unexpressible=(
        replace(CHAT, seed=1),
        replace(CHAT, response_format={"type": "json_object"}),
        replace(CHAT, messages=CHAT.messages[:1]),
    ),
)
