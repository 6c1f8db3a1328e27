"""Streams: gathers pieces into an answer, and goes on elsewhere when a stream is cut.

A caller never gets text twice and never takes half an answer for a whole one. When a stream fails
after pieces were delivered, another try may go on: a service that continues an assistant's turn is
given what was delivered; of any other the whole answer is asked for again, and its beginning must
be, letter by letter, what was delivered. If it is not, the try has failed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import StreamTruncatedError
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatResponse,
    FinishReason,
    Message,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest, ToolCallPart
    from ipfs_accelerate.gateway.providers import Capabilities

__all__ = ["Delivered", "Joint", "joint_for"]


class Delivered:
    """What of an answer the caller has."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, list[ToolCallPart]] = {}
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.model: str | None = None
        self.id: str | None = None

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._texts)

    @property
    def is_empty(self) -> bool:
        """Nothing was delivered, so another try begins from the beginning."""
        return not self._texts and not self._calls

    @property
    def can_continue(self) -> bool:
        """Only text was delivered; half a tool call cannot be continued."""
        return not self._calls

    def add(self, chunk: ChatChunk) -> None:
        """Count a piece as delivered."""
        if chunk.text:
            self._texts.append(chunk.text)
        for part in chunk.tool_calls:
            self._calls.setdefault(part.index, []).append(part)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self.usage = chunk.usage or self.usage
        self.model = chunk.model or self.model
        self.id = chunk.id or self.id

    def response(self, model: str) -> ChatResponse:
        """The answer as a whole.

        Raises:
            StreamTruncatedError: Its end was not delivered.
        """
        if self.finish_reason is None:
            raise StreamTruncatedError("the stream has not come to its end")
        calls = tuple(_joined(parts) for _, parts in sorted(self._calls.items()))
        message = Message("assistant", self.text, tool_calls=calls)
        return ChatResponse(
            self.model or model, message, self.finish_reason, self.usage or Usage(), self.id
        )


def _joined(parts: list[ToolCallPart]) -> ToolCall:
    return ToolCall(
        id=next((part.id for part in parts if part.id), ""),
        name="".join(part.name or "" for part in parts),
        arguments="".join(part.arguments for part in parts),
    )


class Joint:
    """Leaves out of a repeated answer what was delivered already.

    Args:
        request: What to send.
        skip: Text that the new answer has to begin with, and that is left out.
    """

    def __init__(self, request: ChatRequest, skip: str = "") -> None:
        self.request = request
        self._skip = skip

    def fit(self, chunk: ChatChunk) -> ChatChunk | None:
        """What of a piece is new; ``None`` when nothing is.

        Raises:
            StreamTruncatedError: The new answer is another one than was begun.
        """
        if not self._skip:
            return chunk
        length = min(len(self._skip), len(chunk.text))
        if chunk.tool_calls or chunk.text[:length] != self._skip[:length]:
            raise _differs()
        self._skip = self._skip[length:]
        if self._skip and chunk.finish_reason is not None:
            raise _differs()
        rest = replace(chunk, text=chunk.text[length:])
        return rest if rest.text or rest.finish_reason or rest.usage else None


def joint_for(request: ChatRequest, delivered: Delivered, capabilities: Capabilities) -> Joint:
    """How to go on with ``request`` after ``delivered`` at a service of these ``capabilities``."""
    if delivered.is_empty:
        return Joint(request)
    text = delivered.text
    if capabilities.has_prefill and text == text.rstrip():
        turn = Message("assistant", text)
        return Joint(replace(request, messages=(*request.messages, turn)))
    return Joint(request, skip=text)


def _differs() -> StreamTruncatedError:
    return StreamTruncatedError(
        "the stream was cut, and a second try gave another answer than the one begun",
        hint="ask again, or set temperature 0 and a seed so that answers repeat",
    )
