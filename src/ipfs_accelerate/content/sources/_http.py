"""Requests over kept connections: redirects, refusals and cuts as errors of the product."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from ipfs_accelerate.content.sources._http_wire import Cancelled, Connection, Patience, proxy_for
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConnectivityError,
    ContentFormatError,
    ContentLimitError,
    InputError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

__all__ = ["Cancelled", "HttpPool", "Patience", "Reply", "refusal"]

_MAX_REDIRECTS = 5
_MAX_IDLE = 8
_REDIRECTS = {301, 302, 303, 307, 308}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: SplitResult) -> Origin:
        """The origin of a URL.

        Raises:
            InputError: It is no http or https URL.
        """
        if url.scheme not in _DEFAULT_PORTS or not url.hostname:
            raise InputError(f"not an http or https URL: {url.geturl()!r}")
        return cls(url.scheme, url.hostname, url.port or _DEFAULT_PORTS[url.scheme])

    def may_redirect_to(self, other: Origin) -> bool:
        """Whether a redirect stays with the same operator and is no weaker.

        The same host or a name below it (path to subdomain style); http may become https.
        """
        is_same_host = other.host == self.host or other.host.endswith("." + self.host)
        if self.scheme == other.scheme:
            return is_same_host and self.port == other.port
        return is_same_host and (self.scheme, other.scheme) == ("http", "https")


class Reply:
    """The answer to a request, its body not yet read."""

    def __init__(
        self, response: http.client.HTTPResponse, connection: Connection, url: str
    ) -> None:
        self._response = response
        self._connection = connection
        self.url = url
        self.status = response.status
        #: Announced bytes of the body; ``None`` when chunks or its end tell.
        self.length: int | None = None if response.chunked else response.length
        #: Whether a cut body can be told from a whole one.
        self.is_framed = bool(response.chunked) or self.length is not None
        self.received_bytes = 0

    @property
    def trailer(self) -> Mapping[str, str]:
        """Headers after a body in chunks, names in lower case; known once it was read."""
        return self._connection.trailer

    @property
    def is_drained(self) -> bool:
        """Whether the whole body was read."""
        return self._response.isclosed()

    def close(self) -> None:
        """Drop the connection; a response that announced its end holds the socket by itself."""
        self._response.close()
        self._connection.close()

    def header(self, name: str) -> str:
        """A header, empty when absent."""
        return self._response.headers.get(name, "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def buffer(self) -> memoryview:
        """Memory for one block that lives until the next request of this connection."""
        return self._connection.buffer

    def read_into(self, view: memoryview) -> int:
        """Fill ``view``; returns fewer bytes only at the end of the body.

        Raises:
            ConnectivityError: The body was cut off or stalled.
        """
        self._restart()
        filled = 0
        with _translated(self.url):
            while filled < len(view):
                received = self._response.readinto(view[filled:])
                if not received:
                    break
                filled += received
            if filled < len(view) and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        self.received_bytes += filled
        return filled

    def read_body(self, limit_bytes: int) -> memoryview:
        """The whole body, in `buffer` where it fits.

        Raises:
            ContentLimitError: It is longer than ``limit_bytes``.
            ConnectivityError: It was cut off or stalled.
        """
        if self.length is not None and self.length > limit_bytes:
            raise self._too_long(self.length, limit_bytes)
        view = self.buffer
        if limit_bytes > len(view):
            view = memoryview(bytearray(limit_bytes if self.length is None else self.length))
        size = self.read_into(view[:limit_bytes])
        if size == limit_bytes and self.read_into(memoryview(bytearray(1))):
            raise self._too_long(size + 1, limit_bytes)
        return view[:size]

    def read_text(self, limit_bytes: int = 4096) -> str:
        """The beginning of the body as text, for messages."""
        view = memoryview(bytearray(limit_bytes))
        return bytes(view[: self.read_into(view)]).decode("utf-8", "replace").strip()

    def iter_lines(self, limit_bytes: int) -> Iterator[bytes]:
        """Lines of a streamed body.

        Raises:
            ContentLimitError: A line is longer than ``limit_bytes``.
            ConnectivityError: The body was cut off or stalled.
        """
        while True:
            self._restart()
            with _translated(self.url):
                line = self._response.readline(limit_bytes + 1)
            if not line:
                return
            if len(line) > limit_bytes:
                raise self._too_long(len(line), limit_bytes)
            yield line.rstrip(b"\r\n")

    def _too_long(self, size: int, limit_bytes: int) -> ContentLimitError:
        return ContentLimitError(
            f"{self.url} sends {size} bytes or more; the limit is {limit_bytes}"
        )

    def _restart(self) -> None:
        patience = self._connection.patience
        assert patience is not None
        patience.restart()
        patience.check()


class HttpPool:
    """Keeps idle connections and sends requests over them; safe for several threads.

    Args:
        token: Bearer token, sent to the origin of the request and never on a redirect elsewhere.
        authorization: A whole ``Authorization`` header instead.
        context: TLS settings; those of the system by default.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        authorization: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._authorization = f"Bearer {token}" if token else authorization
        self._context = context
        self._idle: dict[Origin, list[Connection]] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        patience: Patience,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        follows: bool = True,
    ) -> Iterator[Reply]:
        """Send a request and follow its redirects; the connection is kept if the body was read.

        Args:
            method: Of HTTP.
            url: Where to.
            patience: How long to wait.
            headers: Besides those that are always sent.
            body: Bytes or an iterable of them.
            follows: Follow redirects that stay with the operator; otherwise they are the reply.

        Raises:
            Cancelled: While waiting.
            ConnectivityError: The other side cannot be reached, stalls or cuts off.
            ContentFormatError: It answers with something that is no HTTP, or redirects in circles
                or to another operator.
        """
        send = self._follow if follows else self._send
        connection, reply = send(method, url, patience, dict(headers or {}), body)
        try:
            yield reply
        except BaseException:
            reply.close()
            raise
        self._give_back(connection, reply)

    def close(self) -> None:
        """Drop idle connections; those in use are dropped when their request ends."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _follow(
        self, method: str, url: str, patience: Patience, headers: dict[str, str], body: object
    ) -> tuple[Connection, Reply]:
        first = Origin.of(urlsplit(url))
        for _ in range(_MAX_REDIRECTS + 1):
            connection, reply = self._send(method, url, patience, headers, body)
            location = reply.header("Location")
            if reply.status not in _REDIRECTS or not location:
                return connection, reply
            reply.close()
            url = _redirect(first, url, location)
        raise ContentFormatError(f"more than {_MAX_REDIRECTS} redirects, the last to {url}")

    def _send(
        self, method: str, url: str, patience: Patience, headers: dict[str, str], body: object
    ) -> tuple[Connection, Reply]:
        parts = urlsplit(url)
        origin = Origin.of(parts)
        connection, is_reused = self._take(origin)
        connection.patience = patience
        sent = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", **headers}
        if self._authorization:
            sent["Authorization"] = self._authorization
        target = url if self._is_proxied_plain(origin) else _target(parts)
        try:
            with _translated(url):
                response = _exchange(connection, method, target, sent, body)
        except ConnectivityError as error:
            connection.close()
            was_idle_too_long = isinstance(error.__cause__, ConnectionError) and is_reused
            if not was_idle_too_long or not isinstance(body, bytes | None):
                raise
            self._drop_idle(origin)
            return self._send(method, url, patience, headers, body)
        except BaseException:
            connection.close()
            raise
        return connection, Reply(response, connection, url)

    def _is_proxied_plain(self, origin: Origin) -> bool:
        return origin.scheme == "http" and proxy_for("http", origin.host) is not None

    def _take(self, origin: Origin) -> tuple[Connection, bool]:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                connection = idle.pop() if idle else None
            if connection is None:
                return self._open(origin), False
            if not connection.is_stale():
                return connection, True
            connection.close()

    def _open(self, origin: Origin) -> Connection:
        proxy = proxy_for(origin.scheme, origin.host)
        if origin.scheme == "http":
            return Connection(*(proxy or (origin.host, origin.port)))
        if self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        if proxy:
            return Connection(*proxy, context=self._context, tunnel=(origin.host, origin.port))
        return Connection(origin.host, origin.port, context=self._context)

    def _drop_idle(self, origin: Origin) -> None:
        with self._lock:
            idle = self._idle.pop(origin, [])
        for connection in idle:
            connection.close()

    def _give_back(self, connection: Connection, reply: Reply) -> None:
        origin = Origin.of(urlsplit(reply.url))
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            is_kept = (
                reply.is_drained
                and connection.sock is not None
                and not self._is_closed
                and len(idle) < _MAX_IDLE
            )
            if is_kept:
                idle.append(connection)
        if not is_kept:
            reply.close()


def refusal(reply: Reply, what: str) -> Exception:
    """The error that says why a request for ``what`` was not honoured; 404 is the caller's."""
    message = f"{reply.url} answers {reply.status} for {what}"
    if reply.status in {401, 403, 407}:
        return AccessDeniedError(message, hint="check the token of this source")
    if reply.status in {408, 425, 429} or reply.status >= 500:
        return ConnectivityError(message, details={"retry_after_s": _retry_after_s(reply)})
    return ContentFormatError(message)


def _retry_after_s(reply: Reply) -> float | None:
    """Seconds, or a date read against the sender's own. Source: RFC 9110, section 10.2.3."""
    text = reply.header("Retry-After").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        since = email.utils.parsedate_to_datetime(reply.header("Date"))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None


def _redirect(first: Origin, url: str, location: str) -> str:
    target = location
    try:
        target = urljoin(url, location)
        is_allowed = first.may_redirect_to(Origin.of(urlsplit(target)))
    except (ValueError, InputError):
        is_allowed = False
    if not is_allowed:
        raise ContentFormatError(
            f"{url} redirects to {target!r}, which is another operator or scheme"
        )
    return target


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _exchange(
    connection: Connection, method: str, target: str, headers: dict[str, str], body: object
) -> http.client.HTTPResponse:
    assert connection.patience is not None
    connection.patience.restart()
    if connection.sock is not None:
        connection.sock.settimeout(connection.patience.timeout_s)
    is_streamed = body is not None and not isinstance(body, bytes)
    connection.request(method, target, body, headers, encode_chunked=is_streamed)  # type: ignore[arg-type]
    connection.patience.restart()
    return connection.getresponse()


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Failures of the wire as `ConnectivityError`; what is no HTTP as `ContentFormatError`."""
    try:
        yield
    except (OSError, http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        raise ConnectivityError(
            f"{url}: {str(error) or type(error).__name__}",
            hint="the sender cannot be reached, stalled or cut off",
        ) from error
    except (http.client.HTTPException, ValueError) as error:
        raise ContentFormatError(f"{url} sends no valid HTTP: {error!r}") from error
