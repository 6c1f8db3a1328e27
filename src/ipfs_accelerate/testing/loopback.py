"""The life of a fake server on loopback, and the faults it is told to make."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["LoopbackHandler", "LoopbackServer", "ScriptedServer"]

RequestT = TypeVar("RequestT")
FaultT = TypeVar("FaultT")


class LoopbackServer:
    """A server that listens while entered; its end ends every connection and thread of it.

    Args:
        handler: Answers the requests; finds this server as its ``owner``.
        context: Serve TLS.

    Attributes:
        stopping: Set when it ends: what a handler waits for instead of answering.
        is_silent: While set, handlers that heed it do not answer.
    """

    def __init__(
        self, handler: type[LoopbackHandler], *, context: ssl.SSLContext | None = None
    ) -> None:
        self.stopping = threading.Event()
        self.is_silent = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(self, handler, context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self._server.context else "http"

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open now."""
        with self._lock:
            return len(self._open)

    def tracked(self, connection: socket.socket, *, is_open: bool) -> None:
        """Count a connection, or count it no more."""
        with self._lock:
            (self._open.add if is_open else self._open.discard)(connection)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and stop listening; may be called twice."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

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


class ScriptedServer(LoopbackServer, Generic[RequestT, FaultT]):
    """A server that remembers its requests and lets some of them fail.

    Attributes:
        requests: What came so far.
    """

    def __init__(
        self, handler: type[LoopbackHandler], *, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(handler, context=context)
        self.requests: list[RequestT] = []
        self._faults: list[tuple[Callable[[RequestT], bool], list[FaultT]]] = []

    def fail_where(self, fits: Callable[[RequestT], bool], fault: FaultT, *, times: int) -> None:
        """Let the next ``times`` requests fail that fit; the earliest told comes first."""
        with self._lock:
            self._faults.append((fits, [fault] * times))

    def heal(self) -> None:
        """Forget the faults that did not happen yet."""
        with self._lock:
            self._faults.clear()

    def take_fault(self, request: RequestT) -> FaultT | None:
        """Record a request and take the fault that is due, if any."""
        with self._lock:
            self.requests.append(request)
            for fits, faults in self._faults:
                if faults and fits(request):
                    return faults.pop()
        return None


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answers requests without a word on stderr."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] — ours
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (inherited name)
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined on close: a test must not leak threads
    request_queue_size = 64

    def __init__(
        self,
        owner: LoopbackServer,
        handler: type[LoopbackHandler],
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.owner = owner
        self.context = context

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self.owner.tracked(request, is_open=True)
        super().process_request(request, client_address)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self.owner.tracked(request, is_open=False)
        super().shutdown_request(request)
