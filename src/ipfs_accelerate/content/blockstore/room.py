"""Keeping a store under its quota while it fills."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import QuotaExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Room"]


class Room:
    """Counts bytes about to be kept; collects when they would go over the quota.

    Args:
        quota_bytes: Most bytes; ``None`` for no bound.
        usage_bytes: Asks the index how many there are.
        collect: Frees space until so many bytes are left.
    """

    def __init__(
        self,
        quota_bytes: int | None,
        usage_bytes: Callable[[], int],
        collect: Callable[[int], object],
    ) -> None:
        self._quota_bytes = quota_bytes
        self._usage_bytes = usage_bytes
        self._collect = collect
        self._lock = Lock()
        #: What was known at the last look plus what was taken since: never too little for this
        #: process; other processes are seen at the next look.
        self._most_bytes: int | None = None

    def take(self, size_bytes: int) -> None:
        """Make sure that so many bytes more fit.

        Raises:
            QuotaExceededError: Not even after collecting; nothing that was pinned is lost.
        """
        quota_bytes = self._quota_bytes
        if quota_bytes is None:
            return
        with self._lock:
            if self._most_bytes is not None and self._most_bytes + size_bytes <= quota_bytes:
                self._most_bytes += size_bytes
                return
            self._most_bytes = self._usage_bytes()
            if self._most_bytes + size_bytes > quota_bytes:
                self._free(size_bytes, quota_bytes)
            self._most_bytes += size_bytes

    def _free(self, size_bytes: int, quota_bytes: int) -> None:
        if size_bytes > quota_bytes:
            raise QuotaExceededError(
                f"{size_bytes} bytes are more than the quota of {quota_bytes}",
                hint="raise the quota",
            )
        self._collect(quota_bytes - size_bytes)
        self._most_bytes = self._usage_bytes()
