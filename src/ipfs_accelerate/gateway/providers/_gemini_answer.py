"""Answers of Gemini, whole and streamed: a stream is a row of answers.

Source: Gemini API reference, "Generating content" (``GenerateContentResponse``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatResponse,
    FinishReason,
    ToolCallPart,
    Usage,
)
from ipfs_accelerate.gateway.providers._answers import (
    StreamEnd,
    assistant,
    chat_response,
    finish_reason,
    model_of,
)
from ipfs_accelerate.gateway.providers._calls import calls_before, read_call
from ipfs_accelerate.gateway.providers._failures import Refusal
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    count,
    items,
    maybe_object,
    maybe_text,
    members,
    read_json,
    text,
)
from ipfs_accelerate.gateway.wire import SseParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ipfs_accelerate.gateway.messages import ChatRequest, ToolCall
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["GeminiStream", "read_chat"]

_FILTERED = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)
_FINISHED: Mapping[str, FinishReason] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(_FILTERED, FinishReason.CONTENT_FILTER),
}


def read_chat(service: Service, request: ChatRequest, value: dict[str, object]) -> ChatResponse:
    """An answer to a chat; its first candidate."""
    content, calls, reason = _candidate(value, calls_before(request))
    if reason is None:
        raise Unreadable("does not say why it ends")
    answer = ChatResponse(
        model_of(value, request.model, "modelVersion"),
        assistant(content, tuple(calls)),
        reason,
        _usage(value.get("usageMetadata")) or Usage(),
        maybe_text(value.get("responseId"), "its id"),
    )
    return chat_response(service, answer)


class GeminiStream(StreamEnd):
    """Reads events until the connection ends; tool calls come whole."""

    def __init__(self, service: Service, calls: int) -> None:
        super().__init__(service)
        self._events = SseParser()
        self._first_call = calls
        self._calls_begun = 0

    def _pieces(self, data: bytes) -> Iterator[ChatChunk]:
        for event in self._events.feed(data):
            chunk = self._read(members(read_json(event.data), "a piece"))
            if chunk is not None:
                yield chunk

    def _close(self) -> Iterable[ChatChunk]:
        if self._events.is_inside:
            raise self.service.truncated("ends inside a piece")
        self.is_ended = True
        return (self._last(),)

    def _read(self, value: dict[str, object]) -> ChatChunk | None:
        if value.get("error"):
            raise self.service.refused(Refusal(), value)
        self.model = self.model or maybe_text(value.get("modelVersion"), "its model")
        self.id = self.id or maybe_text(value.get("responseId"), "its id")
        self.usage = _usage(value.get("usageMetadata")) or self.usage
        content, calls, reason = _candidate(value, self._first_call + self._calls_begun)
        self.finish_reason = reason or self.finish_reason
        parts = tuple(
            ToolCallPart(self._calls_begun + place, call.id, call.name, call.arguments)
            for place, call in enumerate(calls)
        )
        self._calls_begun += len(parts)
        return self.piece(content, parts) if content or parts else None


def _candidate(
    value: dict[str, object], first_call: int
) -> tuple[str, list[ToolCall], FinishReason | None]:
    feedback = maybe_object(value.get("promptFeedback"), "its feedback")
    candidates = items(value.get("candidates") or [], "its candidates")
    if not candidates:
        blocked = feedback.get("blockReason") is not None
        return "", [], FinishReason.CONTENT_FILTER if blocked else None
    candidate = members(candidates[0], "a candidate")
    texts: list[str] = []
    calls: list[ToolCall] = []
    content = maybe_object(candidate.get("content"), "its content")
    for one in items(content.get("parts") or [], "its parts"):
        part = members(one, "a part")
        if part.get("functionCall") is not None:
            calls.append(_call(part["functionCall"], first_call + len(calls)))
        elif part.get("text") is not None and part.get("thought") is not True:
            texts.append(text(part["text"], "a part's text"))
    return "".join(texts), calls, finish_reason(candidate.get("finishReason"), _FINISHED)


def _call(value: object, number: int) -> ToolCall:
    call = members(value, "a tool call")
    identity = maybe_text(call.get("id"), "a tool call's id")
    return read_call(identity, call.get("name"), call.get("args"), number)


def _usage(value: object) -> Usage | None:
    """Tokens; thoughts are tokens of the answer, as they are paid as such."""
    if value is None:
        return None
    usage = members(value, "its usage")
    prompt, answer, thoughts, cached = (
        count(usage.get(name), "its count of tokens")
        for name in (
            "promptTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "cachedContentTokenCount",
        )
    )
    if answer is not None or thoughts is not None:
        answer = (answer or 0) + (thoughts or 0)
    return Usage(prompt, answer, cached)
