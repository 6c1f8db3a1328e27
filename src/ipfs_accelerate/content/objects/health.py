"""Whether an endpoint is worth asking: a pure state machine, told the time.

Three failures in a row open it: it is left alone for a pause. Then one request goes through as a
probe; its success closes it, its failure doubles the pause. An answer that says "no such object"
or "denied" is an answer: only silence, broken answers and "slow down" are failures.

Source: the circuit breaker of M. Nygard, Release It! (2007), chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Health", "HealthPolicy", "State"]


class State(StrEnum):
    """Whether requests go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When to leave an endpoint alone, and for how long.

    Attributes:
        failures_to_open: Failures in a row.
        first_pause_ns: Pause after the first opening; doubles with each failed probe.
        longest_pause_ns: Bound of the pause.
        alpha: Weight of the newest latency in its moving average.
    """

    failures_to_open: int = 3
    first_pause_ns: int = 1_000_000_000
    longest_pause_ns: int = 60_000_000_000
    alpha: float = 0.3


@dataclass(slots=True)
class Health:
    """State of one endpoint; not thread-safe.

    Attributes:
        policy: Its thresholds.
        state: `State.OPEN` may mean that a probe is due: ask `admits`.
        consecutive_failures: Since the last answer.
        latency_ns: Moving average of the time to an answer; ``None`` before the first.
    """

    policy: HealthPolicy = field(default_factory=HealthPolicy)
    state: State = State.CLOSED
    consecutive_failures: int = 0
    latency_ns: float | None = None
    _pause_ns: int = 0
    _retry_at_ns: int = 0

    def admits(self, now_ns: int) -> bool:
        """Whether a request may begin; in half-open state none but the probe."""
        return self.state is State.CLOSED or (
            self.state is State.OPEN and now_ns >= self._retry_at_ns
        )

    def wait_ns(self, now_ns: int) -> int:
        """Time until the next probe may begin; 0 unless open."""
        return max(0, self._retry_at_ns - now_ns) if self.state is State.OPEN else 0

    def begin(self) -> None:
        """A request begins; the first after a pause is the probe."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def answered(self, latency_ns: int | None) -> None:
        """It gave an answer; ``None`` for one that says nothing about its speed."""
        if latency_ns is not None:
            previous = self.latency_ns if self.latency_ns is not None else latency_ns
            self.latency_ns = previous + self.policy.alpha * (latency_ns - previous)
        self.state, self.consecutive_failures, self._pause_ns = State.CLOSED, 0, 0

    def failed(self, now_ns: int) -> None:
        """It gave none, or a broken one, or asked to be left alone."""
        self.consecutive_failures += 1
        is_probe = self.state is State.HALF_OPEN
        if is_probe or self.consecutive_failures >= self.policy.failures_to_open:
            self._open(now_ns)

    def abandoned(self, now_ns: int) -> None:
        """The request ended without saying anything about the endpoint; a probe is due again."""
        if self.state is State.HALF_OPEN:
            self.state, self._retry_at_ns = State.OPEN, now_ns

    def _open(self, now_ns: int) -> None:
        doubled = min(self._pause_ns * 2, self.policy.longest_pause_ns)
        if self.state is not State.OPEN:  # late failures of one outage do not lengthen the pause
            self._pause_ns = doubled or self.policy.first_pause_ns
            self._retry_at_ns = now_ns + self._pause_ns
        self.state = State.OPEN
