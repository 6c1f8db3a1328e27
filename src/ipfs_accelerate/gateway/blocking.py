"""The gateway for callers without an event loop: the same object, run in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from types import TracebackType

    from ipfs_accelerate.gateway.answer import Answer
    from ipfs_accelerate.gateway.gateway import Gateway
    from ipfs_accelerate.gateway.messages import (
        ChatChunk,
        ChatRequest,
        ChatResponse,
        EmbeddingResponse,
        Message,
        Request,
        Response,
    )

__all__ = ["BlockingGateway"]

T = TypeVar("T")


class BlockingGateway:
    """Calls that wait; may be used from several threads at once.

    Args:
        make: Makes the gateway, in the thread that will run it.

    Example:
        >>> from ipfs_accelerate.gateway import BlockingGateway, Endpoint, Gateway
        >>> with BlockingGateway(lambda: Gateway([Endpoint("here", "ollama")])) as gateway:
        ...     names = sorted(gateway.gateway.engine.endpoints)
        >>> names
        ['here']
    """

    def __init__(self, make: Callable[[], Gateway]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="ipfs-accelerate-gateway", daemon=True
        )
        self._thread.start()
        try:
            self.gateway = self._wait(_made(make))
        except BaseException:
            self._stop()
            raise

    def chat(self, model: str, messages: str | Sequence[Message]) -> Answer[ChatResponse]:
        """See `Gateway.chat`."""
        return self._wait(self.gateway.chat(model, messages))

    def embed(self, model: str, inputs: str | Sequence[str]) -> Answer[EmbeddingResponse]:
        """See `Gateway.embed`."""
        return self._wait(self.gateway.embed(model, inputs))

    def ask(self, request: Request) -> Answer[Response]:
        """See `Gateway.ask`."""
        return self._wait(self.gateway.ask(request))

    def stream(self, request: ChatRequest) -> Iterator[ChatChunk]:
        """See `Gateway.stream`; a generator that is dropped closes the stream."""
        stream = self.gateway.stream(request)
        try:
            while True:
                try:
                    piece = self._wait(stream.__anext__())
                except StopAsyncIteration:
                    return
                yield piece
        finally:
            self._wait(stream.aclose())

    def close(self) -> None:
        """Close the gateway and end its thread; may be called twice."""
        if self._thread.is_alive():
            self._wait(self.gateway.close())
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, work: Coroutine[object, object, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _made(make: Callable[[], Gateway]) -> Gateway:
    return make()
