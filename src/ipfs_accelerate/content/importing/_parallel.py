"""Hash the spans of an open file on several threads.

Whoever is free takes the next span, reads it into a buffer of its own and hashes it; reading and
hashing both run without the interpreter lock. Where spans come out of a chunker, the taker runs it
for one step while the others hash.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blocks import Leaf
from ipfs_accelerate.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipfs_accelerate.content.importing._leaves import LeafHasher

__all__ = ["SpanHashing"]


class SpanHashing:
    """One pass over one file.

    Args:
        descriptor: Open for reading; read by position only.
        spans: Offset and size of each leaf, in order.
        hasher: Names them.
        progress: Called on the thread of `run` with the bytes done.
    """

    def __init__(
        self,
        descriptor: int,
        spans: Iterator[tuple[int, int]],
        hasher: LeafHasher,
        *,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._descriptor = descriptor
        self._spans = spans
        self._hasher = hasher
        self._progress = progress
        self._lock = Lock()
        self._leaves: list[Leaf] = []
        self._done_bytes = 0

    def run(self, threads: int) -> list[Leaf]:
        """All leaves in order; the calling thread works too."""
        if threads == 1:
            self._work(self._progress)
            return self._leaves
        with ThreadPoolExecutor(threads - 1, thread_name_prefix="hash") as pool:
            others = [pool.submit(self._work, None) for _ in range(threads - 1)]
            self._work(self._progress)
            for other in others:
                other.result()
        self._leaves.sort(key=lambda leaf: leaf.offset)
        return self._leaves

    def _work(self, progress: Callable[[int], None] | None) -> None:
        buffer = bytearray()
        try:
            while (span := self._take()) is not None:
                offset, size = span
                if size > len(buffer):
                    buffer = bytearray(size)
                view = memoryview(buffer)[:size]
                self._read(view, offset)
                self._leaves.append(Leaf(self._hasher.cid(view), offset, size))
                with self._lock:
                    self._done_bytes += size
                if progress:
                    progress(self._done_bytes)
        except BaseException:
            self._stop()
            raise

    def _take(self) -> tuple[int, int] | None:
        with self._lock:
            return next(self._spans, None)

    def _stop(self) -> None:
        with self._lock:
            self._spans = iter(())

    def _read(self, view: memoryview, offset: int) -> None:
        done = 0
        while done < len(view):
            count = os.preadv(self._descriptor, [view[done:]], offset + done)
            if not count:
                raise IntegrityError(
                    f"the file ends at byte {offset + done}, inside a chunk",
                    hint="it changed while it was read; add it again",
                )
            done += count
