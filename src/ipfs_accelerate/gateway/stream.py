"""A streamed answer as the caller sees it."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Self, cast

from ipfs_accelerate.errors import (
    AccelerateError,
    ContentRefusedError,
    StreamTruncatedError,
    UsageError,
)
from ipfs_accelerate.gateway.answer import Answer
from ipfs_accelerate.gateway.channel import Channel
from ipfs_accelerate.gateway.messages import ChatRequest, FinishReason
from ipfs_accelerate.gateway.streaming import Delivered, joint_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from ipfs_accelerate.gateway.engine import Engine, Plan
    from ipfs_accelerate.gateway.messages import ChatChunk, ChatResponse
    from ipfs_accelerate.gateway.records import CallRecord
    from ipfs_accelerate.gateway.shell import Attempt
    from ipfs_accelerate.gateway.streaming import Joint

__all__ = ["ChatStream"]


class ChatStream:
    """Pieces of an answer, to be read once with ``async for``.

    A stream that is not read to its end must be closed; as a context manager it is. A piece with a
    ``finish_reason`` comes only when the service has ended its answer in order.

    Example:
        >>> async def print_answer(gateway, request):
        ...     async with gateway.stream(request) as pieces:
        ...         async for piece in pieces:
        ...             print(piece.text, end="", flush=True)
    """

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self.request_id = plan.request_id
        self._engine = engine
        self._plan = plan
        self._delivered = Delivered()
        self._channel: Channel[ChatChunk] = Channel()
        self._runner: asyncio.Task[None] | None = None
        self._is_closed = False
        self._first_ns: int | None = None
        self._record: CallRecord | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatChunk:
        """The next piece.

        Raises:
            ProviderError: The answer cannot be completed; pieces read before are not the whole.
        """
        if self._is_closed:
            raise StopAsyncIteration
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        piece = await self._channel.get()
        if self._first_ns is None:
            self._first_ns = self._engine.shell.now_ns()
        return piece

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading, for good; the service's connection is closed."""
        self._is_closed = True
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner

    def answer(self) -> Answer[ChatResponse]:
        """The whole, after the last piece was read.

        Raises:
            UsageError: The stream has not come to its end.
        """
        if self._record is None:
            raise UsageError("the stream has not come to its end", hint="read it to the end first")
        return Answer(self._delivered.response(self._plan.model), self._record)

    async def _run(self) -> None:
        try:
            _, self._record = await self._engine.run(
                self._plan, self._work, first_ns=lambda: self._first_ns
            )
        except AccelerateError as error:
            self._channel.close(error)
        except BaseException as error:
            self._channel.close(error)
            raise
        else:
            self._channel.close()

    async def _work(self, attempt: Attempt) -> None:
        backend, request, context = self._engine.prepare(self._plan, attempt)
        joint = joint_for(cast("ChatRequest", request), self._delivered, backend.capabilities)
        try:
            async with aclosing(_whole(backend.stream(joint.request, context))) as pieces:
                async for piece in pieces:
                    await self._deliver(piece, joint, attempt)
        except AccelerateError:
            attempt.can_retry = self._delivered.can_continue
            raise
        attempt.usage = self._delivered.usage

    async def _deliver(self, piece: ChatChunk, joint: Joint, attempt: Attempt) -> None:
        if attempt.began_ns is None:
            attempt.begin()
        fitting = joint.fit(piece)
        if fitting is None:
            return
        if fitting.finish_reason is FinishReason.CONTENT_FILTER and self._delivered.is_empty:
            raise ContentRefusedError("a content filter refused to answer")
        self._delivered.add(fitting)
        await self._channel.put(fitting)


async def _whole(pieces: AsyncGenerator[ChatChunk]) -> AsyncGenerator[ChatChunk]:
    """The pieces, the last of them not before the stream has ended in order."""
    held: list[ChatChunk] = []
    async for piece in pieces:
        if held or piece.finish_reason is not None:
            held.append(piece)
        else:
            yield piece
    if not held:
        raise StreamTruncatedError("the stream ended without saying why")
    for piece in held:
        yield piece
