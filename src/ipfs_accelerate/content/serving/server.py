"""The server: an event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.serving._connections import Connections
from ipfs_accelerate.content.serving._http import HttpShell, QuietLogger
from ipfs_accelerate.content.serving.access import open_access
from ipfs_accelerate.content.serving.gateway import Gateway, Options
from ipfs_accelerate.content.serving.limits import Limits
from ipfs_accelerate.content.serving.routing import Router
from ipfs_accelerate.content.serving.statistics import Counters, Statistics
from ipfs_accelerate.errors import ConfigurationError, MissingExtraError
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.serving.routes import Route
    from ipfs_accelerate.telemetry import Clock

__all__ = ["GatewayServer"]

_GRACE_S = 5.0


class GatewayServer:
    """Serves what a store holds as a trustless IPFS gateway; starts at once.

    Args:
        store: Its blocks; a `FileBlockStore` lets the kernel send leaves straight from its files.
        host: Address to bind to; anything but loopback needs a token.
        port: 0 takes a free one.
        token: ``"generate"`` makes one; ``None`` asks for none, on loopback only.
        limits: See `Limits`.
        options: See `Options`.
        routes: Served beside the gateway, behind the same rules.

    Raises:
        ConfigurationError: The address cannot be bound, or it is open to others without a token.
        MissingExtraError: aiohttp is not installed.

    Example:
        >>> from ipfs_accelerate.content import Cid, MemoryBlocks
        >>> import httpx
        >>> cid = Cid.of(b"hello")
        >>> with GatewayServer(MemoryBlocks([(cid, b"hello")]), token=None) as server:
        ...     httpx.get(f"{server.url}/ipfs/{cid}?format=raw").content
        b'hello'
    """

    def __init__(  # noqa: PLR0913 - all but the store by name
        self,
        store: BlockReader,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = "generate",  # noqa: S107 - a request for one
        limits: Limits | None = None,
        options: Options | None = None,
        routes: Sequence[Route] = (),
        clock: Clock | None = None,
    ) -> None:
        options = options or Options()
        self._limits = limits or Limits()
        self._access = open_access(host, token, options.cors_origins)
        self._counters = Counters()
        gateway = Gateway(store, options, is_local=self._access.is_local)
        self._shell = HttpShell(
            Router([*gateway.routes(), *routes]),
            self._access,
            self._limits,
            self._counters,
            clock or MonotonicClock(),
        )
        self._address = (host, port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="content-gateway", daemon=True)
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise

    @property
    def token(self) -> str | None:
        """What clients must send; ``None`` when nothing is asked for."""
        return self._access.token

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._address[1]

    @property
    def url(self) -> str:
        """``http://host:port``."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def statistics(self) -> Statistics:
        """Counts since the start; safe from any thread."""
        return self._counters.snapshot()

    def close(self) -> None:
        """Take no more requests, finish those under way for up to 5 s, stop the thread."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def serve_forever(self) -> None:
        """Wait until SIGTERM or SIGINT, then `close`; on the main thread of a program."""
        asked = threading.Event()

        def ask(_number: int, _frame: FrameType | None) -> None:
            asked.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            asked.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            self._shell.workers.shutdown()

    async def _serve(self) -> None:
        try:
            from aiohttp import web
        except ImportError as error:
            raise MissingExtraError("content", needed_for="serving", module="aiohttp") from error
        limits, loop = self._limits, asyncio.get_running_loop()
        parsers = web.Server(
            self._shell.handle,
            keepalive_timeout=limits.idle_timeout_s + limits.header_timeout_s,
            lingering_time=1.0,
            access_log=None,
            logger=QuietLogger(logging.getLogger(__name__), {}),
            max_line_size=limits.target_bytes,
            max_field_size=limits.header_bytes,
        )
        try:
            server = await loop.create_server(
                Connections(limits, self._counters, parsers), *self._address, backlog=1024
            )
        except OSError as error:
            host, port = self._address
            raise ConfigurationError(
                f"cannot listen on {host}:{port}: {error}", hint="port 0 takes a free one"
            ) from error
        self._address = (self._address[0], server.sockets[0].getsockname()[1])
        self._loop, self._stop = loop, asyncio.Event()
        self._started.set_result(None)
        await self._stop.wait()
        server.close()
        parsers.pre_shutdown()
        await parsers.shutdown(_GRACE_S)
