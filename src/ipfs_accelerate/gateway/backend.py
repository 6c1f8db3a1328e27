"""What answers requests in the end: a service over HTTP, or the local models.

The reliability core above knows only `Backend`; each attempt it decides on is one call of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.gateway.wire import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ipfs_accelerate.gateway.messages import ChatChunk, ChatRequest, Request, Response
    from ipfs_accelerate.gateway.providers.protocol import Capabilities, Provider, RateReport
    from ipfs_accelerate.gateway.transport import TimeLimits, Transport

__all__ = ["Backend", "HttpBackend"]


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

    async def call(
        self, request: Request, *, key: str | None, limits: TimeLimits
    ) -> tuple[Response, RateReport]:
        """The whole answer, or a typed error."""
        ...

    def stream(
        self,
        request: ChatRequest,
        *,
        key: str | None,
        limits: TimeLimits,
        on_rates: Callable[[RateReport], None],
    ) -> AsyncIterator[ChatChunk]:
        """The pieces of an answer; ends in a typed error when the answer is not whole.

        ``on_rates`` is called once, when the headers are there.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class HttpBackend:
    """A provider behind a transport.

    Args:
        provider: Writes and reads the messages.
        transport: Sends them; shared, and closed by whoever made it.
        clock_s: Seconds since the epoch, for dates in headers; the machine's clock if ``None``.
    """

    def __init__(
        self,
        provider: Provider,
        transport: Transport,
        *,
        clock_s: Callable[[], float] | None = None,
    ) -> None:
        self.provider = provider
        self.name = provider.name
        self.capabilities = provider.capabilities
        self._transport = transport
        self._clock_s = clock_s or _epoch_s

    async def call(
        self, request: Request, *, key: str | None, limits: TimeLimits
    ) -> tuple[Response, RateReport]:
        """See `Backend.call`."""
        answer = await self._transport.send(self.provider.build(request, key=key), limits)
        now_s = self._clock_s()
        if answer.status != 200:
            raise self.provider.error(answer, now_s=now_s)
        rates = self.provider.rates(answer.headers, now_s=now_s)
        return self.provider.parse(request, answer), rates

    async def stream(
        self,
        request: ChatRequest,
        *,
        key: str | None,
        limits: TimeLimits,
        on_rates: Callable[[RateReport], None],
    ) -> AsyncIterator[ChatChunk]:
        """See `Backend.stream`."""
        outgoing = self.provider.build(request, key=key, is_stream=True)
        async with self._transport.stream(outgoing, limits) as answer:
            now_s = self._clock_s()
            if answer.status != 200:
                raise self.provider.error(
                    HttpResponse(answer.status, answer.headers, await answer.body()), now_s=now_s
                )
            on_rates(self.provider.rates(answer.headers, now_s=now_s))
            parser = self.provider.chunks(request)
            async for data in answer.pieces():
                for chunk in parser.feed(data):
                    yield chunk
            for chunk in parser.finish():
                yield chunk

    async def close(self) -> None:
        """Nothing of its own to free."""


def _epoch_s() -> float:
    return datetime.now(UTC).timestamp()
