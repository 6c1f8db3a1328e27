"""Claude: Anthropic's Messages API.

`ChatRequest.max_tokens` left open becomes 4,096, since the service wants a number. A ``seed``, and
a response format other than a JSON schema, cannot be expressed; names of speakers are left out.
Tokens read from and written to the cache count as tokens of the prompt. A ``refusal`` is an answer
of the content filter; a turn that the service pauses counts as cut off by length.

Untested against the real service: it was written from the public description.

Source: Claude API reference, "Messages", "Streaming messages", "Errors", "Rate limits", "Models",
"Structured outputs", "Handling stop reasons".
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.errors import InternalError
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    ChatResponse,
    Operation,
    ToolCall,
)
from ipfs_accelerate.gateway.providers._answers import (
    assistant,
    chat_response,
    finish_reason,
    model_of,
    names_of,
)
from ipfs_accelerate.gateway.providers._claude_body import chat_body
from ipfs_accelerate.gateway.providers._claude_stream import STOPPED, ClaudeStream, usage_of
from ipfs_accelerate.gateway.providers._openai import whole
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    arguments_of,
    items,
    maybe_text,
    members,
    text,
)
from ipfs_accelerate.gateway.providers._service import Service, joined_body, wait_s
from ipfs_accelerate.gateway.providers.protocol import Capabilities, RateReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["Anthropic"]

_VERSION = "2023-06-01"


class Anthropic(Service):
    """The service."""

    name = "anthropic"
    default_url: ClassVar[str | None] = "https://api.anthropic.com/v1"
    api_root = "/v1"
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
        needs_key=True,
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:  # noqa: ARG002 — the same for all
        """See `Provider.chunks`."""
        return ClaudeStream(self)

    def rates(self, headers: Mapping[str, str], *, now_s: float) -> RateReport:
        """See `Provider.rates`; resets come as moments."""
        prefix = "anthropic-ratelimit-"
        return RateReport(
            whole(headers.get(prefix + "requests-limit")),
            whole(headers.get(prefix + "requests-remaining")),
            _until(headers.get(prefix + "requests-reset"), now_s),
            whole(headers.get(prefix + "tokens-limit")),
            whole(headers.get(prefix + "tokens-remaining")),
            _until(headers.get(prefix + "tokens-reset"), now_s),
            wait_s(headers, now_s=now_s),
        )

    def _credentials(self, key: str) -> dict[str, str]:
        return {"x-api-key": key}

    def _headers(self) -> dict[str, str]:
        return {"anthropic-version": _VERSION}

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        assert isinstance(request, ChatRequest)
        body = chat_body(self, request)
        if is_stream:
            body["stream"] = True
        return "/messages", joined_body(body, request.extra, frozenset({"stream"}))

    def _answer(self, request: Request, value: object) -> Response:
        if not isinstance(request, ChatRequest):
            raise InternalError(f"{self.name} was given a request that it refuses")
        answer = members(value, "its whole")
        if answer.get("type") == "error":
            raise Unreadable("is an error that says nothing")
        texts: list[str] = []
        calls: list[ToolCall] = []
        for one in items(answer.get("content"), "its content"):
            block = members(one, "a block")
            if block.get("type") == "text":
                texts.append(text(block.get("text"), "a block's text"))
            elif block.get("type") == "tool_use":
                calls.append(_call(block))
        reason = finish_reason(answer.get("stop_reason"), STOPPED)
        if reason is None:
            raise Unreadable("does not say why it ends")
        return chat_response(
            self,
            ChatResponse(
                model_of(answer, request.model),
                assistant("".join(texts), tuple(calls)),
                reason,
                usage_of(answer.get("usage")),
                maybe_text(answer.get("id"), "its id"),
            ),
        )

    def _models_path(self) -> str:
        return "/models?limit=1000"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return names_of(value.get("data"), "id")


def _call(block: dict[str, object]) -> ToolCall:
    name = text(block.get("name"), "a tool call's name")
    if not name:
        raise Unreadable("has a tool call without a name")
    identity = text(block.get("id"), "a tool call's id")
    return ToolCall(identity, name, arguments_of(block.get("input")))


def _until(value: str | None, now_s: float) -> float | None:
    try:
        moment = datetime.fromisoformat(value) if value else None
        if moment is None or moment.tzinfo is None:
            return None
        return max(0.0, moment.timestamp() - now_s)
    except (ValueError, OverflowError):
        return None
