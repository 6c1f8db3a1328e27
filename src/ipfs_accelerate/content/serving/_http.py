"""The HTTP/1.1 shell: aiohttp parses, the rest of this folder decides.

aiohttp was chosen over uvicorn with httptools by measurement: it lets the kernel send ranges of
files; `benchmarks/gateway_serving.py` shows the difference.
"""

from __future__ import annotations

import asyncio
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from ipfs_accelerate.content.serving._delivery import Answer, Delivery, Prepared, prepare
from ipfs_accelerate.content.serving.access import Access, Refusal
from ipfs_accelerate.content.serving.rates import ClientRates
from ipfs_accelerate.content.serving.routes import Request, Response, Route, text

if TYPE_CHECKING:
    from aiohttp import web

    from ipfs_accelerate.content.serving._connections import Connection
    from ipfs_accelerate.content.serving.limits import Limits
    from ipfs_accelerate.content.serving.routing import Router
    from ipfs_accelerate.content.serving.statistics import Counters
    from ipfs_accelerate.telemetry import Clock

__all__ = ["HttpShell", "QuietLogger"]

_OWN = {"Server": "ipfs-accelerate"}
_access_log = logging.getLogger("ipfs_accelerate.content.serving.requests")


class QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp logs with: requests that cannot be parsed are no errors of this server."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ANN401
        """Log at the level the cause deserves."""
        from aiohttp.http_exceptions import HttpProcessingError

        is_theirs = isinstance(kwargs.get("exc_info"), HttpProcessingError)
        self.log(logging.DEBUG if is_theirs else logging.ERROR, msg, *args, **kwargs)


class HttpShell:
    """Handles the requests of one server on its event loop."""

    def __init__(
        self, router: Router, access: Access, limits: Limits, counters: Counters, clock: Clock
    ) -> None:
        self._router = router
        self._access = access
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._rates = ClientRates(limits.requests_per_s, limits.request_burst)
        self.workers = ThreadPoolExecutor(limits.workers, "content-serving")
        self._delivery = Delivery(limits, counters, clock, self.workers)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; what aiohttp calls."""
        from aiohttp import web

        if http.transport is None:
            return web.Response()
        connection = cast("Connection", http.transport.get_protocol())
        connection.busy()
        started_ns = self._clock.now_ns()
        try:
            request, prepared = await self._respond(http, connection.client)
            response = prepared.response
            headers = _OWN | dict(response.headers) | self._access.cors(request)
            sent = Answer(http, request, prepared, response, headers)
            try:
                out = await self._delivery.send(sent)
            finally:
                self._record(sent, started_ns)
        finally:
            connection.idle()
        if connection.is_ended:
            out.force_close()
        return out

    async def _respond(self, http: web.BaseRequest, client: str) -> tuple[Request, Prepared]:
        path, _, query = http.raw_path.partition("?")
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(http.method, path, query, headers, client)
        found = self._access.preflight(request) or self._router.find(request)
        needs_token = isinstance(found, Route) and found.needs_token
        refusal = self._refuse(request, needs_token=needs_token)
        if refusal is not None:
            self._counters.rejections[refusal.reason] += 1
            return request, Prepared(refusal.response)
        if isinstance(found, Response):
            return request, Prepared(found)
        return await self._run(http, request, found)

    def _refuse(self, request: Request, *, needs_token: bool) -> Refusal | None:
        now_ns = self._clock.now_ns()
        wait_s = max(
            self._rates.wait_s(request.client, now_ns), self._delivery.wait_s(request.client)
        )
        if wait_s > 0:
            after = str(math.ceil(wait_s))
            return Refusal(
                "rate", text(429, f"too much; try again in {after} s", Retry_After=after)
            )
        self._rates.take(request.client, 1, now_ns)
        return self._access.refuse(request, needs_token=needs_token)

    async def _run(
        self, http: web.BaseRequest, request: Request, route: Route
    ) -> tuple[Request, Prepared]:
        if http.can_read_body:
            body = await self._read_body(http, route.max_body_bytes)
            if isinstance(body, Response):
                return request, Prepared(body)
            request = Request(
                request.method, request.path, request.query, request.headers, request.client, body
            )
        loop = asyncio.get_running_loop()
        return request, await loop.run_in_executor(self.workers, prepare, route.handler, request)

    async def _read_body(self, http: web.BaseRequest, max_bytes: int) -> bytes | Response:
        parts: list[bytes] = []
        size_bytes = 0
        try:
            async with asyncio.timeout(self._limits.header_timeout_s):
                while part := await http.content.readany():
                    parts.append(part)
                    size_bytes += len(part)
                    if size_bytes > max_bytes:
                        return text(413, f"a body has at most {max_bytes} bytes here")
        except TimeoutError:
            self._counters.rejections["slow_body"] += 1
            return text(408, "the body came too slowly")
        return b"".join(parts)

    def _record(self, sent: Answer, started_ns: int) -> None:
        self._counters.answered(sent.response.status, sent.response.label)
        _access_log.info(
            "%s %s %s %d %d bytes %.1f ms",
            sent.request.client,
            sent.request.method,
            ascii(sent.request.path),
            sent.response.status,
            sent.sent_bytes,
            (self._clock.now_ns() - started_ns) / 1e6,
        )
