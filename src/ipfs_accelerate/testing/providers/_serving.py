"""A small HTTP server in a thread of its own, in whose hands every byte of an answer is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.testing.providers._http import read_request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

    from ipfs_accelerate.testing.providers._http import Incoming

__all__ = ["ClientLeftError", "LoopThread", "Wire", "serve", "silent_socket"]

T = TypeVar("T")
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientLeftError(ConnectionError):
    """The client closed the connection before its answer was complete."""


class Wire:
    """One connection, as whoever answers a request sees it.

    Every method raises `ClientLeftError` when the client is gone.

    Attributes:
        is_open: Further requests may come.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_open = True

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        if self._reader.at_eof() or self._writer.is_closing():
            raise ClientLeftError
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ClientLeftError from error

    async def wait(self, seconds: float | None) -> None:
        """Send nothing for a time; ``None`` waits until the client leaves."""
        try:
            async with asyncio.timeout(seconds):
                # clients say nothing while they wait for an answer, unless they leave
                await self._reader.read(1)
        except TimeoutError:
            return
        except ConnectionError as error:
            raise ClientLeftError from error
        raise ClientLeftError

    def close(self) -> None:
        """End the connection in order."""
        self.is_open = False

    def reset(self) -> None:
        """End it with a TCP reset; what was sent before may still arrive."""
        self.is_open = False
        raw = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self._writer.transport.abort()


class LoopThread:
    """An event loop in a thread; tasks that run when it stops are cancelled and awaited."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run to the end and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # transports tell their protocols in the next round


async def serve(
    handle: Callable[[Incoming, Wire], Awaitable[None]],
    *,
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """Listen on loopback.

    Args:
        handle: Answers one request.
        port: 0 for any.
        context: For TLS.
    """

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        try:
            while wire.is_open and (request := await read_request(reader, writer)) is not None:
                await handle(request, wire)
        # a cancelled connection is the stop of the server, which waits for nothing else
        except (ConnectionError, ValueError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(
        connection, "127.0.0.1", port, ssl=context, limit=2**18, backlog=2048
    )


def silent_socket(port: int = 0) -> socket.socket:
    """A port of loopback that is taken and refuses connections."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    return taken
