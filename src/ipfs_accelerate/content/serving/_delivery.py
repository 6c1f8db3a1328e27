"""Hands a response to aiohttp: whole where it is bytes, streamed and paced where it is not."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.serving._bodies import Batch, BodySender, PieceSource
from ipfs_accelerate.content.serving.rates import ClientRates
from ipfs_accelerate.content.serving.routes import FileRange, Handler, Request, Response, text
from ipfs_accelerate.content.serving.routing import answer as run
from ipfs_accelerate.content.serving.routing import failure

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from aiohttp import web

    from ipfs_accelerate.content.serving.limits import Limits
    from ipfs_accelerate.content.serving.statistics import Counters
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Answer", "Delivery", "Prepared", "prepare"]

_log = logging.getLogger(__name__)
#: How often a paced answer looks whether anybody still waits for it.
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A response whose body has begun to be read.

    Attributes:
        response: What to send.
        source: The rest of a body that is not bytes.
        batch: Its beginning.
    """

    response: Response
    source: PieceSource | None = None
    batch: Batch | None = None


def prepare(handler: Handler, request: Request) -> Prepared:
    """Run a handler and read the beginning of its body, so that early failures have a status."""
    response = run(handler, request)
    if isinstance(response.body, bytes):
        return Prepared(response)
    source = PieceSource(response.body)
    if request.method == "HEAD":
        source.close()
        return Prepared(response)
    try:
        return Prepared(response, source, source.pull())
    except Exception as error:  # noqa: BLE001 - the border of a request
        source.close()
        return Prepared(failure(error))


@dataclass(slots=True)
class Answer:
    """One answer under way.

    Attributes:
        http: The request as aiohttp has it.
        request: As handlers have it.
        prepared: What to send.
        response: Of ``prepared``; replaced when it cannot be sent.
        headers: Of the response and of the server.
        sent_bytes: Of its body so far.
    """

    http: web.BaseRequest
    request: Request
    prepared: Prepared
    response: Response
    headers: dict[str, str]
    sent_bytes: int = 0


class Delivery:
    """Sends answers of one server; lives on its event loop.

    Args:
        limits: Of the server.
        counters: Where bytes are counted.
        clock: For the rate of bytes.
        workers: Threads on which bodies are read.
    """

    def __init__(
        self, limits: Limits, counters: Counters, clock: Clock, workers: ThreadPoolExecutor
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._workers = workers
        self._rates = ClientRates(limits.bytes_per_s, limits.byte_burst)
        self._car_streams = 0

    def wait_s(self, client: str) -> float:
        """Seconds until a client may be sent more."""
        return self._rates.wait_s(client, self._clock.now_ns())

    async def send(self, answer: Answer) -> web.StreamResponse:
        """Send an answer, or what is to be said instead of it.

        Where the client is gone, does not read, or the body fails midway, the connection is cut.
        """
        source, batch = answer.prepared.source, answer.prepared.batch
        if answer.request.method == "HEAD":
            return self._head(answer)
        if source is None or batch is None:
            return self._whole(answer)
        is_car = answer.response.label == "car"
        if is_car and self._car_streams >= self._limits.car_streams:
            self._counters.rejections["car_streams"] += 1
            self._close(source)
            answer.response = text(429, "too many CARs are being sent", Retry_After="1")
            answer.headers = dict(answer.response.headers)
            return self._whole(answer)
        self._car_streams += is_car
        try:
            return await self._stream(answer, source, batch)
        finally:
            self._car_streams -= is_car
            self._close(source)

    def _head(self, answer: Answer) -> web.StreamResponse:
        from aiohttp import web

        out = web.StreamResponse(status=answer.response.status, headers=answer.headers)
        out.content_length = _length(answer.response)
        return out

    def _whole(self, answer: Answer) -> web.StreamResponse:
        from aiohttp import web

        body = answer.response.body
        assert isinstance(body, bytes)
        self._charge(answer, len(body))
        out = web.Response(status=answer.response.status, headers=answer.headers, body=body)
        if answer.http.can_read_body:
            out.force_close()
        return out

    async def _stream(
        self, answer: Answer, source: PieceSource, batch: Batch
    ) -> web.StreamResponse:
        from aiohttp import web

        out = web.StreamResponse(status=answer.response.status, headers=answer.headers)
        out.content_length = _length(answer.response)
        try:
            await self._send_batches(answer, out, source, batch)
        except Exception as error:  # noqa: BLE001 - the border of a request
            self._cut(answer, error)
        return out

    async def _send_batches(
        self, answer: Answer, out: web.StreamResponse, source: PieceSource, batch: Batch
    ) -> None:
        http = answer.http
        is_chunked = out.content_length is None and http.version >= (1, 1)
        if is_chunked:
            out.enable_chunked_encoding()
        writer = await out.prepare(http)
        if http.transport is None or writer is None:
            raise ConnectionResetError("the client is gone")
        sender = BodySender(
            http.transport,
            writer.drain,
            is_chunked=is_chunked,
            stall_timeout_s=self._limits.stall_timeout_s,
        )
        while True:
            for part in batch.parts:
                await self._pace(answer)
                await sender.send(part)
                self._charge(answer, part.size_bytes)
            if batch.is_last:
                return await sender.finish()
            batch = await self._pull(source)

    async def _pull(self, source: PieceSource) -> Batch:
        return await asyncio.get_running_loop().run_in_executor(self._workers, source.pull)

    async def _pace(self, answer: Answer) -> None:
        """Wait until the client may be sent more, unless it has gone."""
        while (wait_s := self.wait_s(answer.request.client)) > 0:
            await asyncio.sleep(min(wait_s, _LOOK_S))
            if answer.http.transport is None or answer.http.transport.is_closing():
                raise ConnectionResetError("the client is gone")

    def _charge(self, answer: Answer, size_bytes: int) -> None:
        answer.sent_bytes += size_bytes
        self._counters.sent_bytes[answer.response.label] += size_bytes
        self._rates.take(answer.request.client, size_bytes, self._clock.now_ns())

    def _cut(self, answer: Answer, error: Exception) -> None:
        """Break the connection; aiohttp then finds it closed and ends quietly."""
        self._counters.cut += 1
        if isinstance(error, TimeoutError):
            self._counters.rejections["stalled"] += 1
        elif not isinstance(error, ConnectionError):
            _log.warning("%s was broken off: %s", ascii(answer.request.path), error)
        if answer.http.transport is not None:
            answer.http.transport.abort()

    def _close(self, source: PieceSource) -> None:
        if source.is_single:
            source.close()
        else:
            self._workers.submit(source.close)


def _length(response: Response) -> int | None:
    body = response.body
    if isinstance(body, bytes):
        return len(body) if response.status not in {204, 304} else None
    return body.size_bytes if isinstance(body, FileRange) else response.size_bytes
