"""Hands pieces of a stream from the try that reads them to the caller, with back-pressure."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Channel"]

T = TypeVar("T")


class Channel(Generic[T]):
    """A bounded queue with an end; one reader, writers one after another.

    Args:
        bound: Pieces kept before a writer waits.
    """

    def __init__(self, bound: int = 64) -> None:
        self._bound = bound
        self._items: deque[T] = deque()
        self._is_closed = False
        self._error: BaseException | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def put(self, item: T) -> None:
        """Add a piece; waits while the reader is behind."""
        await self._writable.wait()
        self._items.append(item)
        self._readable.set()
        if len(self._items) >= self._bound:
            self._writable.clear()

    def close(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes; the reader still gets what was put before."""
        self._is_closed, self._error = True, error
        self._readable.set()
        self._writable.set()

    async def get(self) -> T:
        """The next piece.

        Raises:
            StopAsyncIteration: All pieces were read and the end was in order.
            BaseException: What the channel was closed with.
        """
        while not self._items:
            if self._is_closed:
                raise self._error or StopAsyncIteration
            self._readable.clear()
            await self._readable.wait()
        item = self._items.popleft()
        self._writable.set()
        return item
