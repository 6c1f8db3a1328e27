"""The one place where requests leave the process: HTTP over aiohttp, with each failure named.

aiohttp and not httpx: with the same server it was ahead for whole answers and for streams;
``python benchmarks/gateway_clients.py`` prints by how much.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.errors import (
    ConnectivityError,
    DeadlineExceededError,
    MalformedAnswerError,
    MissingExtraError,
    StreamStalledError,
    StreamTruncatedError,
    UsageError,
)
from ipfs_accelerate.gateway.wire import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.gateway.wire import HttpRequest

__all__ = ["AiohttpTransport", "HttpStream", "TimeLimits", "Transport"]

_MOST_BODY_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long to wait for what; ``None`` waits for ever.

    Attributes:
        connect_s: Until a connection stands, TLS included.
        first_s: From sending until the first byte of a whole answer, or the first piece of a
            streamed one, has come; in a stream with a longer ``gap_s``, connecting counts too.
        gap_s: Between two pieces of a stream.
        total_s: For the whole.
    """

    connect_s: float | None = 10.0
    first_s: float | None = 120.0
    gap_s: float | None = 30.0
    total_s: float | None = 600.0


class HttpStream(Protocol):
    """An answer whose body is still coming."""

    @property
    def status(self) -> int:
        """Of the answer."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """With names in lower case."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            StreamStalledError: No byte for longer than the gap allowed.
            StreamTruncatedError: The connection ended before the body did.
        """
        ...

    async def body(self) -> bytes:
        """The rest of the body at once."""
        ...


class Transport(Protocol):
    """Sends requests."""

    async def send(self, request: HttpRequest, limits: TimeLimits) -> HttpResponse:
        """Send and read the whole answer, of whatever status.

        Raises:
            ConnectivityError: Nothing was answered; ``details["kind"]`` is ``dns``, ``tls``,
                ``refused``, ``connect_timeout``, ``reset`` or ``other``.
            DeadlineExceededError: No answer in time.
            StreamTruncatedError: The body is shorter than announced.
        """
        ...

    def stream(
        self, request: HttpRequest, limits: TimeLimits
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Send and read the answer piece by piece; leaving the context closes the connection."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AiohttpTransport:
    """`Transport` over one pool of connections; use it in one event loop.

    Args:
        connections: Most open at once, all hosts together; 0 sets no bound.
        ssl_context: For services with certificates of their own.
    """

    def __init__(self, *, connections: int = 0, ssl_context: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._ssl = ssl_context
        self._opened: aiohttp.ClientSession | None = None
        self._is_closed = False
        with contextlib.suppress(ImportError):  # now, so that no first call waits for it
            import aiohttp  # noqa: F401
        self._client_error: type[Exception] = OSError  # aiohttp's own once it is imported

    async def send(self, request: HttpRequest, limits: TimeLimits) -> HttpResponse:
        """See `Transport.send`."""
        session = self._session()
        is_body = False
        try:
            async with session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=request.headers,
                timeout=_timeout(limits),
                allow_redirects=False,
            ) as response:
                is_body = True
                body = await _whole(response, request.url)
                return HttpResponse(response.status, _lowered(response), body)
        except (self._client_error, OSError) as error:
            raise _named(error, request.url, is_body=is_body) from error

    @asynccontextmanager
    async def stream(self, request: HttpRequest, limits: TimeLimits) -> AsyncIterator[HttpStream]:
        """See `Transport.stream`."""
        session = self._session()
        timeout, head_s = _stream_timeout(limits)
        try:
            async with asyncio.timeout(head_s):
                response = await session.request(
                    request.method,
                    request.url,
                    data=request.body or None,
                    headers=request.headers,
                    timeout=timeout,
                    allow_redirects=False,
                )
        except (self._client_error, OSError) as error:
            raise _named(error, request.url, is_body=False) from error
        async with response:
            yield _AiohttpStream(response, request.url, limits)

    async def close(self) -> None:
        """See `Transport.close`."""
        self._is_closed = True
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            if self._is_closed:
                raise UsageError("the gateway is closed", hint="make another one")
            try:
                import aiohttp
            except ImportError as error:
                raise MissingExtraError(
                    "gateway", needed_for="asking remote services", module="aiohttp"
                ) from error
            self._client_error = aiohttp.ClientError
            connector = aiohttp.TCPConnector(
                limit=self._connections, ssl=self._ssl if self._ssl is not None else True
            )
            self._opened = aiohttp.ClientSession(
                connector=connector, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._opened


class _AiohttpStream:
    def __init__(self, response: aiohttp.ClientResponse, url: str, limits: TimeLimits) -> None:
        self._response = response
        self._url = url
        self._limits = limits
        self.status = response.status
        self.headers = _lowered(response)

    async def pieces(self) -> AsyncIterator[bytes]:
        wait_s = self._limits.first_s
        content = self._response.content
        while True:
            data = await self._next(content, wait_s)
            if not data:
                return
            yield data
            wait_s = self._limits.gap_s

    async def body(self) -> bytes:
        from aiohttp import ClientError

        try:
            return await _whole(self._response, self._url)
        except (ClientError, OSError) as error:
            raise _named(error, self._url, is_body=True) from error

    async def _next(self, content: aiohttp.StreamReader, wait_s: float | None) -> bytes:
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(wait_s):
                return await content.readany()
        except TimeoutError as error:
            raise StreamStalledError(
                f"no byte from {_host(self._url)} for {wait_s or 0:g} s within a stream",
                hint="raise the limit between pieces, or let the gateway take another provider",
                details={"endpoint": _host(self._url), "waited_s": wait_s},
            ) from error
        except (ClientError, OSError) as error:
            raise _named(error, self._url, is_body=True) from error


async def _whole(response: aiohttp.ClientResponse, url: str) -> bytes:
    announced = response.content_length
    if announced is not None and announced <= _MOST_BODY_BYTES:
        return await response.read()
    found = bytearray()
    while announced is None and len(found) <= _MOST_BODY_BYTES:
        data = await response.content.readany()
        if not data:
            return bytes(found)
        found += data
    raise MalformedAnswerError(
        f"an answer of {_host(url)} is longer than {_MOST_BODY_BYTES} bytes",
        details={"endpoint": _host(url), "limit_bytes": _MOST_BODY_BYTES},
    )


def _lowered(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@functools.lru_cache(maxsize=64)
def _timeout(limits: TimeLimits) -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(  # not sock_connect, which does not count the look-up of the name
        total=limits.total_s, connect=limits.connect_s, sock_read=limits.first_s
    )


@functools.lru_cache(maxsize=64)
def _stream_timeout(limits: TimeLimits) -> tuple[aiohttp.ClientTimeout, float | None]:
    """For a stream, whose gaps may be longer than its first wait: aiohttp has one limit for both.

    The second is the limit until the head of the answer, where that of aiohttp is too long.
    """
    first_s, gap_s = limits.first_s, limits.gap_s
    if first_s is None or (gap_s is not None and gap_s <= first_s):
        return _timeout(limits), None
    return _timeout(replace(limits, first_s=gap_s)), first_s


def _host(url: str) -> str:
    """Scheme and host of an address, which alone may be shown: a path or query can hold a key."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"


def _named(error: Exception, url: str, *, is_body: bool) -> AccelerateError:
    """What a failure of aiohttp means; ``is_body``: the head of the answer was there."""
    import aiohttp

    host = _host(url)
    place: dict[str, object] = {"endpoint": host}
    if isinstance(error, aiohttp.ClientPayloadError):
        return StreamTruncatedError(f"the answer of {host} ended before its end", details=place)
    if isinstance(error, aiohttp.ClientResponseError):
        _without_headers(error)
        return MalformedAnswerError(f"{host} does not answer in HTTP", details=place)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _unreachable(host, "connect_timeout", error)
    if isinstance(error, TimeoutError):
        return DeadlineExceededError(f"no answer from {host} in time", details=place)
    if is_body:
        return StreamTruncatedError(
            f"the connection to {host} was lost in the middle of an answer", details=place
        )
    return _unreachable(host, _kind(error), error)


def _without_headers(error: aiohttp.ClientResponseError) -> None:
    """Take our headers, and so the key, out of an error that others may print."""
    from multidict import CIMultiDict, CIMultiDictProxy

    error.request_info = error.request_info._replace(headers=CIMultiDictProxy(CIMultiDict()))
    error.args = ()


def _unreachable(host: str, kind: str, error: BaseException) -> ConnectivityError:
    return ConnectivityError(
        f"cannot reach {host}: {_reason(error)}",
        hint="check the address and that the service runs",
        details={"endpoint": host, "kind": kind},
    )


def _reason(error: BaseException) -> str:
    """What the system says, without the address: that is told already."""
    inner = getattr(error, "os_error", error)
    if isinstance(inner, ConnectionError) and inner.errno:
        return os.strerror(inner.errno)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


def _kind(error: BaseException) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns"
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "refused"
    if isinstance(error, aiohttp.ServerDisconnectedError) or (
        isinstance(error, OSError) and error.errno in {errno.ECONNRESET, errno.EPIPE}
    ):
        return "reset"
    return "other"
