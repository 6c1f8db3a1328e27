"""What stands before a key, an endpoint or a provider: rest, circuit, concurrency, allowance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.reliability.breaker import EVENT_NS, Breaker, CircuitState

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.reliability.limits import Limit
    from ipfs_accelerate.gateway.reliability.quota import Quota

__all__ = ["Gate"]

_CLOSED = CircuitState.CLOSED


class Gate:
    """Says when one more request may pass, and is told how it went.

    Args:
        name: For people.
        breaker: Its circuit.
        limit: How many at once.
        quota: How many in a time; ``None`` where nothing is counted.
    """

    __slots__ = ("breaker", "limit", "name", "quota", "rest_ns", "strikes")

    def __init__(
        self, name: str, breaker: Breaker, *, limit: Limit, quota: Quota | None = None
    ) -> None:
        self.name = name
        self.breaker = breaker
        self.limit = limit
        self.quota = quota
        self.rest_ns = 0
        self.strikes = 0

    def ready_ns(self, now_ns: int, tokens: int) -> int:
        """0 when a request may pass now, a moment to ask again, or `EVENT_NS`."""
        if self.rest_ns > now_ns:
            return self.rest_ns
        if self.breaker.state is not _CLOSED:
            moment_ns = self.breaker.ready_ns(now_ns)
            if moment_ns:
                return moment_ns
        limit = self.limit
        if limit.in_flight + 1 > limit.value:
            return EVENT_NS
        quota = self.quota
        return quota.ready_ns(now_ns, tokens) if quota is not None and quota.is_bounded else 0

    def enter(self) -> int:
        """A request passes; what is returned goes with its end."""
        self.limit.in_flight += 1
        breaker = self.breaker
        return breaker.epoch if breaker.state is _CLOSED else breaker.begin()

    def rest_until(self, moment_ns: int) -> None:
        """Let nothing pass before a moment."""
        self.rest_ns = max(self.rest_ns, moment_ns)

    def blocks_by_circuit(self, now_ns: int) -> bool:
        """Whether nothing passes because the circuit is not closed."""
        return self.breaker.state is not _CLOSED and self.breaker.ready_ns(now_ns) != 0
