"""An S3 store on loopback: moto's real server, and proxies before it that go wrong on demand.

For tests through the real client. Every proxy is one endpoint: its own address, faults and record
of requests. All servers of a process share moto's state, so endpoints that are to differ use
buckets of different names.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (error bodies).
"""

# ruff: noqa: N802 — the methods are named by http.server

from __future__ import annotations

import http.client
import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit

from ipfs_accelerate.errors import MissingExtraError
from ipfs_accelerate.testing.loopback import LoopbackHandler, ScriptedServer

if TYPE_CHECKING:
    from types import TracebackType

    from moto.server import ThreadedMotoServer

__all__ = ["S3Fault", "S3Proxy", "S3Request", "S3Server"]

_CHUNK = 64 * 1024
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_SIGNATURE = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"


@dataclass(frozen=True, slots=True)
class S3Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answer with this status instead.
        code: S3 error code of that answer.
        repeats: Text that the message of that answer repeats, as stores do with access keys.
        cut_at: Announce the whole body, send this many bytes of it, close the connection.
        flip_at: Invert the byte at this position of the body.
        is_reset: Close the connection without any answer.
        stall_at: Send this many bytes, then nothing until the proxy stops.
        rate_bytes_per_s: Send the body this slowly.
    """

    status: int | None = None
    code: str = "InternalError"
    repeats: str = ""
    cut_at: int | None = None
    flip_at: int | None = None
    is_reset: bool = False
    stall_at: int | None = None
    rate_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class S3Request:
    """A request as a proxy saw it.

    Attributes:
        method: HTTP method.
        path: With the query.
        range: Header, or ``None``.
        authorization: Header, or ``None`` when unsigned.
        body_bytes: Length of its body.
    """

    method: str
    path: str
    range: str | None
    authorization: str | None
    body_bytes: int


class S3Server:
    """The store; a context manager that listens while entered, and forgets everything at its end.

    Args:
        buckets: Made at the start.

    Example:
        >>> with S3Server(["models"]) as s3:
        ...     s3.put("models", "a/b.txt", b"hello")
        ...     s3.keys("models")
        ['a/b.txt']
    """

    def __init__(self, buckets: Iterable[str] = ("models",)) -> None:
        self._buckets = tuple(buckets)
        self._server: ThreadedMotoServer = _moto()
        self._proxies: list[S3Proxy] = []

    @property
    def url(self) -> str:
        """Base URL of the store itself."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    def proxy(self) -> S3Proxy:
        """A new endpoint that passes everything on to the store; it ends with the server."""
        proxy = S3Proxy(self.url)
        self._proxies.append(proxy)
        return proxy

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        self._request("PUT", f"/{name}")

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object past every proxy."""
        self._request("PUT", f"/{bucket}/{quote(key)}", data)

    def get(self, bucket: str, key: str) -> bytes:
        """Read an object past every proxy."""
        return self._request("GET", f"/{bucket}/{quote(key)}")

    def keys(self, bucket: str) -> list[str]:
        """Keys of a bucket, at most a thousand."""
        return self._texts(f"/{bucket}?list-type=2", "Key")

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """Keys whose multipart upload was begun and neither completed nor aborted."""
        return self._texts(f"/{bucket}?uploads", "Key")

    def _texts(self, path: str, tag: str) -> list[str]:
        tree = ET.fromstring(self._request("GET", path))  # noqa: S314 (our own server's answer)
        return [node.text or "" for node in tree.iter() if node.tag.rpartition("}")[2] == tag]

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        host, port = self._server.get_host_and_port()
        connection = http.client.HTTPConnection(host, port, timeout=20)
        try:
            connection.request(method, path, body or b"", {"Authorization": _SIGNATURE})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise LookupError(f"{method} {path}: HTTP status {answer.status}")
        return data

    def __enter__(self) -> Self:
        self._server.start()
        self._request("POST", "/moto-api/reset")
        for bucket in self._buckets:
            self.make_bucket(bucket)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for proxy in self._proxies:
            proxy.stop()
        self._request("POST", "/moto-api/reset")
        self._server.stop()


class S3Proxy(ScriptedServer[S3Request, S3Fault]):
    """One endpoint before the store, with faults on demand; listens from the start."""

    def __init__(self, target: str) -> None:
        super().__init__(_Handler)
        self.target = urlsplit(target).netloc
        self.start()

    def fail(self, fault: S3Fault, *, times: int = 1, path: str = "", method: str = "") -> None:
        """Let the next ``times`` requests fail whose path contains ``path`` (and of ``method``)."""

        def fits(request: S3Request) -> bool:
            return path in request.path and method in {"", request.method}

        self.fail_where(fits, fault, times=times)


class _Handler(LoopbackHandler):
    @property
    def _proxy(self) -> S3Proxy:
        assert isinstance(self.server.owner, S3Proxy)
        return self.server.owner

    def do_GET(self) -> None:
        """Pass on, unless a fault is due; the other methods likewise."""
        self._serve()

    def do_HEAD(self) -> None:
        """See `do_GET`."""
        self._serve()

    def do_PUT(self) -> None:
        """See `do_GET`."""
        self._serve()

    def do_POST(self) -> None:
        """See `do_GET`."""
        self._serve()

    def do_DELETE(self) -> None:
        """See `do_GET`."""
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        proxy = self._proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.take_fault(
            S3Request(
                self.command,
                self.path,
                self.headers.get("Range"),
                self.headers.get("Authorization"),
                len(body),
            )
        )
        if fault is not None and fault.is_reset:
            return
        if fault is not None and fault.status is not None:
            self._answer(fault.status, {"Content-Type": "application/xml"}, _error(fault), None)
            return
        status, headers, data = self._ask(proxy.target, body)
        self._answer(status, headers, data, fault)

    def _ask(self, target: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(target, timeout=20)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            data = answer.read()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_HEADERS}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            return answer.status, headers, data
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, fault: S3Fault | None
    ) -> None:
        if fault is not None and fault.flip_at is not None and fault.flip_at < len(body):
            at = fault.flip_at
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._write(body, fault or S3Fault())

    def _write(self, body: bytes, fault: S3Fault) -> None:
        stopping = self._proxy.stopping
        if fault.rate_bytes_per_s is not None:
            for at in range(0, len(body), _CHUNK):
                self.wfile.write(body[at : at + _CHUNK])
                stopping.wait(len(body[at : at + _CHUNK]) / fault.rate_bytes_per_s)
            return
        end = fault.cut_at if fault.cut_at is not None else fault.stall_at
        self.wfile.write(body[:end])
        self.wfile.flush()
        if fault.stall_at is not None:
            stopping.wait()


def _error(fault: S3Fault) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{fault.code}</Code><Message>made to fail {fault.repeats}</Message></Error>"
    ).encode()


def _moto() -> ThreadedMotoServer:
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise MissingExtraError("dev", needed_for="the S3 test server", module="moto") from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
