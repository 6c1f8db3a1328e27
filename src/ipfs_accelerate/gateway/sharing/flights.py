"""Single flight: equal requests at the same time become one, and all get its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Flights"]

T = TypeVar("T")


class Flights(Generic[T]):
    """Runs one task for all who want the same; it is cancelled when nobody wants it any more."""

    def __init__(self) -> None:
        self._flying: dict[bytes, asyncio.Task[T]] = {}
        self._waiting: dict[asyncio.Task[T], int] = {}
        self._shared: dict[asyncio.Task[T], int] = {}

    async def join(self, identity: bytes, begin: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        """The result of the task of this identity, begun now if there is none.

        Returns:
            The result, and how many waited for it when it came, this caller included.
        """
        task = self._flying.get(identity)
        if task is None:
            task = asyncio.ensure_future(begin())
            self._flying[identity] = task
            task.add_done_callback(lambda landed: self._land(identity, landed))
        self._waiting[task] = self._waiting.get(task, 0) + 1
        try:
            result = await asyncio.shield(task)
            return result, self._shared.get(task, 1)
        finally:
            await self._leave(identity, task)

    def _land(self, identity: bytes, task: asyncio.Task[T]) -> None:
        if self._flying.get(identity) is task:
            del self._flying[identity]
        if task in self._waiting:
            self._shared[task] = self._waiting[task]

    async def _leave(self, identity: bytes, task: asyncio.Task[T]) -> None:
        self._waiting[task] -= 1
        if self._waiting[task]:
            return
        del self._waiting[task]
        self._shared.pop(task, None)
        if not task.done():
            if self._flying.get(identity) is task:
                del self._flying[identity]
            task.cancel()
            await asyncio.wait([task])
