"""Streams of Claude: blocks that begin, grow and stop, between two events about the message.

Source: Claude API reference, "Streaming messages".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import ChatChunk, FinishReason, ToolCallPart, Usage
from ipfs_accelerate.gateway.providers._answers import StreamEnd, finish_reason
from ipfs_accelerate.gateway.providers._failures import Refusal
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    count,
    maybe_text,
    members,
    read_json,
    text,
)
from ipfs_accelerate.gateway.wire import SseParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["STOPPED", "ClaudeStream", "usage_of"]

STOPPED: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "pause_turn": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


def usage_of(value: object, before: Usage | None = None) -> Usage:
    """Tokens; a later count takes the place of an earlier one.

    The whole prompt is ``input_tokens`` with what was written to and read from the cache.
    """
    before = before or Usage()
    if value is None:
        return before
    usage = members(value, "its usage")
    fresh, written, read, out = (
        count(usage.get(name), "its count of tokens")
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
        )
    )
    return Usage(
        before.prompt_tokens if fresh is None else fresh + (written or 0) + (read or 0),
        before.completion_tokens if out is None else out,
        before.cached_tokens if read is None else read,
    )


class ClaudeStream(StreamEnd):
    """Reads events until ``message_stop``; events and blocks of unknown types are skipped."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._events = SseParser()
        self._blocks: dict[int, int | None] = {}
        self._calls_begun = 0
        self._takes: dict[str, Callable[[dict[str, object]], ChatChunk | None]] = {
            "message_start": self._start,
            "content_block_start": self._begin,
            "content_block_delta": self._grow,
            "content_block_stop": self._stop,
            "message_delta": self._change,
            "error": self._fail,
        }

    def _pieces(self, data: bytes) -> Iterator[ChatChunk]:
        for event in self._events.feed(data):
            value = members(read_json(event.data), "an event")
            kind = text(value.get("type"), "an event's type")
            if kind == "message_stop":
                self.is_ended = True
                return
            take = self._takes.get(kind)
            chunk = take(value) if take else None
            if chunk is not None:
                yield chunk

    def _start(self, value: dict[str, object]) -> None:
        message = members(value.get("message"), "a message")
        self.model = maybe_text(message.get("model"), "its model")
        self.id = maybe_text(message.get("id"), "its id")
        self.usage = usage_of(message.get("usage"))

    def _begin(self, value: dict[str, object]) -> ChatChunk | None:
        index = _index(value)
        block = members(value.get("content_block"), "a block")
        if index in self._blocks or index > 4096:
            raise Unreadable("begins a block twice")
        self._blocks[index] = None
        if block.get("type") == "text":
            content = text(block.get("text", ""), "a block's text")
            return self.piece(content) if content else None
        if block.get("type") != "tool_use":
            return None
        self._blocks[index] = place = self._calls_begun
        self._calls_begun += 1
        identity = text(block.get("id"), "a tool call's id")
        return self.piece(
            "", (ToolCallPart(place, identity, text(block.get("name"), "a tool call's name")),)
        )

    def _grow(self, value: dict[str, object]) -> ChatChunk | None:
        index = _index(value)
        delta = members(value.get("delta"), "a block's delta")
        if index not in self._blocks:
            raise Unreadable("continues a block that has not begun")
        if delta.get("type") == "text_delta":
            content = text(delta.get("text"), "a block's text")
            return self.piece(content) if content else None
        place = self._blocks[index]
        if delta.get("type") != "input_json_delta" or place is None:
            return None
        more = text(delta.get("partial_json"), "a tool call's arguments")
        return self.piece("", (ToolCallPart(place, arguments=more),)) if more else None

    def _stop(self, value: dict[str, object]) -> None:
        if _index(value) not in self._blocks:
            raise Unreadable("ends a block that has not begun")

    def _change(self, value: dict[str, object]) -> None:
        delta = members(value.get("delta"), "a message's delta")
        reason = finish_reason(delta.get("stop_reason"), STOPPED)
        self.finish_reason = reason or self.finish_reason
        self.usage = usage_of(value.get("usage"), self.usage)

    def _fail(self, value: dict[str, object]) -> None:
        raise self.service.refused(Refusal(), value)


def _index(value: dict[str, object]) -> int:
    index = count(value.get("index"), "a block's index")
    if index is None:
        raise Unreadable("has a block without an index")
    return index
