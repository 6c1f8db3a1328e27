"""Puts cache, single flight and joining in front of the engine, as far as they are wanted."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.gateway.answer import Answer
from ipfs_accelerate.gateway.messages import EmbeddingResponse
from ipfs_accelerate.gateway.records import CallRecord
from ipfs_accelerate.gateway.sharing.batching import Batcher
from ipfs_accelerate.gateway.sharing.cache import AnswerCache
from ipfs_accelerate.gateway.sharing.flights import Flights
from ipfs_accelerate.gateway.sharing.joining import Joiner
from ipfs_accelerate.gateway.sharing.keys import identity, is_repeatable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.options import CallOptions
    from ipfs_accelerate.gateway.records import Observer
    from ipfs_accelerate.gateway.sharing.settings import SharingSettings

__all__ = ["Ask", "Sharing"]

_S = 1_000_000_000


class Ask(Protocol):
    """Has a request answered."""

    async def __call__(self, request: Request, options: CallOptions) -> Answer[Response]:
        """The answer."""
        ...


class Sharing:
    """Answers requests, from the cache or by asking.

    Args:
        settings: What is wanted.
        ask: Sends a request.
        now_ns: The clock.
        most: Texts which the services behind a request allow at once; ``None`` for any number.
        observe: Told of answers from the cache, which no engine sees.
    """

    def __init__(
        self,
        settings: SharingSettings,
        ask: Ask,
        *,
        now_ns: Callable[[], int],
        most: Callable[[Request], int | None],
        observe: Observer,
    ) -> None:
        self._settings = settings
        self._now_ns = now_ns
        self._observe = observe
        self._ask = ask
        self._batcher: Batcher | None = None
        if settings.window_s is not None:
            self._batcher = Batcher(
                ask,
                Joiner(window_ns=round(settings.window_s * _S)),
                now_ns=now_ns,
                most=lambda request: min(settings.most_texts, most(request) or settings.most_texts),
            )
        self._flights: Flights[Answer[Response]] = Flights()
        self._cache = AnswerCache(
            bound_bytes=settings.cache_bytes, ttl_ns=round(settings.ttl_s * _S)
        )

    @property
    def is_wanted(self) -> bool:
        """Whether anything is shared at all."""
        found = self._settings
        return bool(found.window_s is not None or found.is_single_flight or found.cache_bytes)

    async def ask(self, request: Request, options: CallOptions) -> Answer[Response]:
        """The answer, shared where the settings allow it and the request is repeatable."""
        can_share = is_repeatable(request) and options.may_share
        if not can_share or not (self._settings.is_single_flight or self._settings.cache_bytes):
            return await self._send(request, options)
        name = identity(request)
        kept = self._cache.get(name, self._now_ns()) if self._settings.cache_bytes else None
        if kept is not None:
            return self._from_cache(request, options, kept.response, kept.age_ns)
        answer = await self._fly(name, request, options)
        if self._settings.cache_bytes:
            size_bytes = _size_bytes(request) + _size_bytes(answer.response)
            self._cache.put(name, answer.response, self._now_ns(), size_bytes=size_bytes)
        return answer

    async def close(self) -> None:
        """Stop what waits to be joined."""
        if self._batcher is not None:
            await self._batcher.close()

    async def _fly(self, name: bytes, request: Request, options: CallOptions) -> Answer[Response]:
        if not self._settings.is_single_flight:
            return await self._send(request, options)
        answer, shared = await self._flights.join(name, lambda: self._send(request, options))
        name_of_call = options.request_id or answer.record.request_id
        record = replace(answer.record, shared=shared, request_id=name_of_call)
        return Answer(answer.response, record)

    async def _send(self, request: Request, options: CallOptions) -> Answer[Response]:
        if self._batcher is None:
            return await self._ask(request, options)
        return await self._batcher.ask(request, options)

    def _from_cache(
        self, request: Request, options: CallOptions, response: Response, age_ns: int
    ) -> Answer[Response]:
        record = CallRecord(
            options.request_id or f"req-{secrets.token_hex(16)}",
            request.operation,
            request.model,
            options.priority,
            "ok",
            elapsed_ns=0,
            usage=response.usage,
            age_ns=age_ns,
        )
        self._observe(record)
        return Answer(response, record)


def _size_bytes(value: Request | Response) -> int:
    """Estimate of the memory of a request or answer: its text, or 32 bytes for each number."""
    if isinstance(value, EmbeddingResponse):
        return 32 * sum(len(vector) for vector in value.vectors)
    return 2 * len(repr(value)) + sys.getsizeof(value)
