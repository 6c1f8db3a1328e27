"""Token buckets: how fast one client may go. Pure; time comes in as nanoseconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["ClientRates", "TokenBucket"]

_CLIENTS = 4096


@dataclass(slots=True)
class TokenBucket:
    """Fills at a steady rate up to a burst; may be overdrawn by what is already under way.

    Attributes:
        rate_per_s: Tokens per second.
        burst: Most tokens held.
        level: Tokens now; negative is debt.
        at_ns: When ``level`` was true.
    """

    rate_per_s: float
    burst: float
    level: float
    at_ns: int

    def take(self, count: float, now_ns: int) -> None:
        """Take ``count`` tokens, into debt if need be."""
        self._fill(now_ns)
        self.level -= count

    def wait_s(self, now_ns: int) -> float:
        """Seconds until there is a token again; 0 when there is one."""
        self._fill(now_ns)
        return 0.0 if self.level >= 1 else (1 - self.level) / self.rate_per_s

    def _fill(self, now_ns: int) -> None:
        gained = max(0, now_ns - self.at_ns) / 1e9 * self.rate_per_s
        self.level = min(self.burst, self.level + gained)
        self.at_ns = max(self.at_ns, now_ns)


class ClientRates:
    """One bucket a client. Of more than 4,096 clients those longest not seen are forgotten.

    Args:
        rate_per_s: ``None`` grants everything.
        burst: See `TokenBucket`.
    """

    def __init__(self, rate_per_s: float | None, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_s(self, client: str, now_ns: int) -> float:
        """Seconds until ``client`` may go on; 0 for at once."""
        bucket = self._bucket(client, now_ns)
        return bucket.wait_s(now_ns) if bucket else 0.0

    def take(self, client: str, count: float, now_ns: int) -> None:
        """Charge ``client``, into debt if need be."""
        bucket = self._bucket(client, now_ns)
        if bucket:
            bucket.take(count, now_ns)

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, client: str, now_ns: int) -> TokenBucket | None:
        if self._rate_per_s is None:
            return None
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = TokenBucket(self._rate_per_s, self._burst, self._burst, now_ns)
            self._buckets[client] = bucket
            if len(self._buckets) > _CLIENTS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(client)
        return bucket
