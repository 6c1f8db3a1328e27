"""Requests that can be broken off: they run on an event loop and end when their task does."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ipfs_accelerate.telemetry import Clock

__all__ = ["PATIENT", "Interrupted", "Loop", "Patience"]

T = TypeVar("T")
_POLL_S = 0.05


class Interrupted(Exception):  # noqa: N818 (a signal, never seen by users)
    """The caller's cancel event was set."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait.

    Attributes:
        read_timeout_s: Longest silence of an endpoint; its own when ``None``.
        cancel: Ends the operation soon after it is set.
    """

    read_timeout_s: float | None = None
    cancel: threading.Event | None = None

    def check(self) -> None:
        """Raise `Interrupted` when cancelled."""
        if self.cancel is not None and self.cancel.is_set():
            raise Interrupted

    def sleep_ns(self, clock: Clock, duration_ns: int) -> None:
        """Wait, but not beyond a cancel.

        Raises:
            Interrupted: It was set.
        """
        if self.cancel is None or duration_ns == 0:
            clock.sleep_ns(duration_ns)
        elif self.cancel.wait(duration_ns / 1e9):
            raise Interrupted


#: The endpoint's own time-outs, and no cancel.
PATIENT = Patience()


class Loop:
    """One event loop in one thread, started when first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[object, object, T], cancel: threading.Event) -> T:
        """Run to the end, or until ``cancel`` is set: then the connection is dropped.

        Raises:
            Interrupted: ``cancel`` was set first.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        while True:
            try:
                return future.result(_POLL_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                if cancel.is_set():
                    future.cancel()
                    raise Interrupted from None

    def close(self) -> None:
        """End the thread; a later `run` starts another."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="s3-requests", daemon=True
                )
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.close()
