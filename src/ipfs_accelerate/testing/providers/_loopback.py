"""A server on loopback as a context manager: what mocks, recorders and replays have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.testing.providers._serving import LoopThread, serve

if TYPE_CHECKING:
    from types import TracebackType

    from ipfs_accelerate.testing.providers._http import Incoming
    from ipfs_accelerate.testing.providers._serving import Wire

__all__ = ["Loopback"]


class Loopback(ABC):
    """Listens while entered; also an asynchronous context.

    Args:
        name: Of its thread.
        port: 0 for any.
        is_distrusted: Speaks TLS with a certificate that no client should take.

    Attributes:
        port: The one it listens at, once it does.
    """

    def __init__(self, name: str, *, port: int, is_distrusted: bool = False) -> None:
        self._thread_name = name
        self._asked_port = port
        self._needs_tls = is_distrusted
        self._thread: LoopThread | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    @abstractmethod
    async def _handle(self, request: Incoming, wire: Wire) -> None:
        """Answer one request."""

    def start(self) -> None:
        """Listen; done by entering the context."""
        self._thread = LoopThread(self._thread_name)
        try:
            self._server = self._thread.run(self._listen())
        except BaseException:
            self.stop()
            raise
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close all connections; done by leaving the context, and may be done twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.run(self._shut())
            finally:
                thread.stop()

    async def _listen(self) -> asyncio.Server:
        context = None
        if self._needs_tls:
            from ipfs_accelerate.testing.providers._certificate import wrong_context

            context = wrong_context()
        return await serve(self._handle, port=self._asked_port, context=context)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)
