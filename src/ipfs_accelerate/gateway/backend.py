"""What answers requests in the end: a service over HTTP, or the local models.

The reliability core above knows only `Backend`; each attempt it decides on is one call of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.gateway.transport import TimeLimits
from ipfs_accelerate.gateway.wire import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from ipfs_accelerate.gateway.messages import ChatChunk, ChatRequest, Request, Response
    from ipfs_accelerate.gateway.providers import Capabilities, Provider, RateReport
    from ipfs_accelerate.gateway.transport import Transport
    from ipfs_accelerate.gateway.wire import HttpRequest

__all__ = ["Backend", "CallContext", "HttpBackend"]

_OK = 200


def _ignore(_report: RateReport) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """What goes with one try besides the request.

    Attributes:
        key: The secret; ``None`` where the service wants none.
        limits: Times to wait.
        idempotency_key: The same for all tries of a call.
        on_rates: Told what the headers say about limits, also when the service refuses.
    """

    key: str | None = field(default=None, repr=False)
    limits: TimeLimits = field(default_factory=TimeLimits)
    idempotency_key: str | None = None
    on_rates: Callable[[RateReport], None] = _ignore


class Backend(Protocol):
    """Answers one request, once."""

    @property
    def name(self) -> str:
        """Of the provider, e.g. ``openai`` or ``local``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def call(self, request: Request, context: CallContext) -> Response:
        """The whole answer, or a typed error."""
        ...

    def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[ChatChunk]:
        """The pieces of an answer; ends in a typed error when the answer is not whole."""
        ...

    async def models(self, context: CallContext) -> tuple[str, ...]:
        """Names of the models it serves; also the probe of life."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class HttpBackend:
    """A provider behind a transport.

    Args:
        provider: Writes and reads the messages.
        transport: Sends them; shared, and closed by whoever made it.
        headers: Sent with each request.
        clock_s: Seconds since the epoch, for dates in headers; the machine's clock if ``None``.
    """

    def __init__(
        self,
        provider: Provider,
        transport: Transport,
        *,
        headers: Mapping[str, str] | None = None,
        clock_s: Callable[[], float] | None = None,
    ) -> None:
        self.provider = provider
        self.name = provider.name
        self.capabilities = provider.capabilities
        self._transport = transport
        self._headers = dict(headers or {})
        self._clock_s = clock_s or _epoch_s

    async def call(self, request: Request, context: CallContext) -> Response:
        """See `Backend.call`."""
        outgoing = self._outgoing(self.provider.build(request, key=context.key), context)
        answer = await self._transport.send(outgoing, context.limits)
        self._judge(answer, context)
        return self.provider.parse(request, answer)

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[ChatChunk]:
        """See `Backend.stream`."""
        built = self.provider.build(request, key=context.key, is_stream=True)
        outgoing = self._outgoing(built, context)
        async with self._transport.stream(outgoing, context.limits) as answer:
            body = await answer.body() if answer.status != _OK else b""
            self._judge(HttpResponse(answer.status, answer.headers, body), context)
            parser = self.provider.chunks(request)
            async for data in answer.pieces():
                for chunk in parser.feed(data):
                    yield chunk
            for chunk in parser.finish():
                yield chunk

    async def models(self, context: CallContext) -> tuple[str, ...]:
        """See `Backend.models`."""
        outgoing = self._outgoing(self.provider.models(key=context.key), context)
        answer = await self._transport.send(outgoing, context.limits)
        self._judge(answer, context)
        return self.provider.parse_models(answer)

    async def close(self) -> None:
        """Nothing of its own to free."""

    def _outgoing(self, request: HttpRequest, context: CallContext) -> HttpRequest:
        more = dict(self._headers)
        if context.idempotency_key and self.capabilities.has_idempotency:
            more["Idempotency-Key"] = context.idempotency_key
        return replace(request, headers={**request.headers, **more}) if more else request

    def _judge(self, answer: HttpResponse, context: CallContext) -> None:
        now_s = self._clock_s()
        context.on_rates(self.provider.rates(answer.headers, now_s=now_s))
        if answer.status != _OK:
            raise self.provider.error(answer, now_s=now_s)


def _epoch_s() -> float:
    return datetime.now(UTC).timestamp()
