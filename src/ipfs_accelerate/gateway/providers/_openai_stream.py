"""Streams of the OpenAI dialect.

Source: OpenAI API reference, "Streaming events of chat completions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import ChatChunk, FinishReason, ToolCallPart
from ipfs_accelerate.gateway.providers._answers import StreamEnd, finish_reason
from ipfs_accelerate.gateway.providers._failures import Refusal
from ipfs_accelerate.gateway.providers._openai_answer import usage_of
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    arguments_of,
    count,
    items,
    maybe_object,
    maybe_text,
    members,
    read_json,
)
from ipfs_accelerate.gateway.wire import SseParser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["OpenAIStream"]


class OpenAIStream(StreamEnd):
    """Reads ``data:`` events until ``[DONE]``."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._events = SseParser()
        self._is_refused = False

    def _pieces(self, data: bytes) -> Iterator[ChatChunk]:
        for event in self._events.feed(data):
            if event.data == "[DONE]":
                self.is_ended = True
                return
            chunk = self._read(event.data)
            if chunk is not None:
                yield chunk

    def _read(self, data: str) -> ChatChunk | None:
        value = members(read_json(data), "a piece")
        if value.get("error") or "error_type" in value:
            raise self.service.refused(Refusal(), value)
        if self.model is None:
            self.model = maybe_text(value.get("model"), "its model") or None
            self.id = maybe_text(value.get("id"), "its id") or None
        usage = value.get("usage")
        if usage is not None:
            self.usage = usage_of(usage)
        self._extra(value)
        choices = items(value.get("choices", []), "its choices")
        return self._choice(members(choices[0], "a choice")) if choices else None

    def _extra(self, value: dict[str, object]) -> None:
        """What a service adds to a piece."""

    def _choice(self, choice: dict[str, object]) -> ChatChunk | None:
        delta = maybe_object(choice.get("delta"), "a choice's delta")
        content = maybe_text(delta.get("content"), "its text") or ""
        listed = delta.get("tool_calls")
        calls = tuple(map(_call, items(listed, "its tool calls"))) if listed else ()
        if maybe_text(delta.get("refusal"), "its refusal"):
            self._is_refused = True
        reason = finish_reason(choice.get("finish_reason"))
        if reason is not None:
            self.finish_reason = FinishReason.CONTENT_FILTER if self._is_refused else reason
        return self.piece(content, calls) if content or calls else None


def _call(value: object) -> ToolCallPart:
    call = members(value, "a tool call")
    function = maybe_object(call.get("function"), "a tool call's function")
    index = count(call.get("index", 0), "a tool call's index")
    arguments = function.get("arguments")
    if type(arguments) is dict:  # TGI writes them as an object
        arguments = arguments_of(arguments)
    if index is None or index > 4096:
        raise Unreadable("has a tool call without a sensible index")
    return ToolCallPart(
        index,
        maybe_text(call.get("id"), "a tool call's id") or None,
        maybe_text(function.get("name"), "a tool call's name") or None,
        maybe_text(arguments, "a tool call's arguments") or "",
    )
