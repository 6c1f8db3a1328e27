"""Repeating what failed for want of a connection: exponential backoff with jitter."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from ipfs_accelerate.telemetry import Clock, MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["Retry", "Transient"]

logger = logging.getLogger(__name__)
T = TypeVar("T")


class _Jitter(Protocol):
    def random(self) -> float: ...


class Transient(Exception):  # noqa: N818 (a signal to `Retry`, never seen by users)
    """Raised by an operation that may succeed when repeated.

    Args:
        reason: What happened, without secrets.
        retry_after_ns: Wait its source asked for; ``None`` when it did not.
    """

    def __init__(self, reason: str, *, retry_after_ns: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_ns = retry_after_ns


@dataclass(frozen=True)
class Retry:
    """A policy of repetition.

    The wait before attempt ``n`` (from 2) is ``uniform(½, 1) · min(longest, first · 2ⁿ⁻²)``, or
    what the source asked for if that is longer; waits above ``limit_ns`` end the attempts.

    Attributes:
        attempts: Most calls, 1 or more.
        clock: Waits.
        jitter: Seeded generator that spreads the waits of many clients; ``None`` takes the longest.
        first_ns: Base of the first wait.
        longest_ns: Largest base of a wait.
        limit_ns: Longest wait a source may ask for.
    """

    attempts: int = 5
    clock: Clock = field(default_factory=MonotonicClock)
    jitter: np.random.Generator | _Jitter | None = None
    first_ns: int = 500_000_000
    longest_ns: int = 30_000_000_000
    limit_ns: int = 300_000_000_000

    def call(self, operation: Callable[[], T], *, what: str) -> T:
        """Call until it returns.

        Args:
            operation: Raises `Transient` for what may be repeated; anything else passes through.
            what: Named in the log.

        Raises:
            Transient: The last one, after all attempts.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return operation()
            except Transient as error:
                wait_ns = self.wait_ns(attempt, error.retry_after_ns)
                if attempt == self.attempts or wait_ns > self.limit_ns:
                    raise
                logger.warning(
                    "%s: %s; attempt %d of %d in %.1f s",
                    what, error.reason, attempt + 1, self.attempts, wait_ns / 1e9,
                )  # fmt: skip
                self.clock.sleep_ns(wait_ns)
        raise AssertionError("attempts is at least 1")

    def wait_ns(self, failed_attempts: int, retry_after_ns: int | None = None) -> int:
        """The wait after so many failed attempts."""
        base = min(self.longest_ns, self.first_ns * 2 ** (failed_attempts - 1))
        share = 1.0 if self.jitter is None else 0.5 + 0.5 * float(self.jitter.random())
        wait_ns: int = round(base * share)
        return max(wait_ns, retry_after_ns or 0)
