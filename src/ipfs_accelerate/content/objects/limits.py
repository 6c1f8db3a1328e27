"""Rates: a token bucket that goes into debt, told the time."""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """At most ``rate_per_s`` on average, with one second's worth at once; not thread-safe.

    Args:
        rate_per_s: Tokens a second; ``None`` never waits.
    """

    def __init__(self, rate_per_s: float | None) -> None:
        self._rate_per_s = rate_per_s
        self._tokens = rate_per_s or 0.0
        self._at_ns: int | None = None

    def take(self, amount: float, now_ns: int) -> int:
        """Take tokens and return for how many nanoseconds to wait before using them.

        A large amount goes into debt, so that it is never refused and the average still holds.
        """
        if self._rate_per_s is None:
            return 0
        if self._at_ns is not None:
            gained = (now_ns - self._at_ns) / 1e9 * self._rate_per_s
            self._tokens = min(self._rate_per_s, self._tokens + gained)
        self._at_ns = now_ns
        self._tokens -= amount
        return max(0, round(-self._tokens / self._rate_per_s * 1e9))
