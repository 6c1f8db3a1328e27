"""Circuit breakers.

::

    CLOSED ──(failures in a row, share of failures, a trip)──► OPEN ──(time)──► HALF_OPEN
       ▲                                                         ▲                   │
       └────────────────(so many probes succeeded)───────────────┼───────────────────┤
                                                                 └─(a probe failed)──┘

Source: M. Nygard, "Release It!" (2007), chapter 5; the share is taken of the last calls by number,
as in resilience4j's COUNT_BASED window. What a client did wrong never counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.reliability.timers import NEVER_NS

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["EVENT_NS", "Breaker", "BreakerRules", "CircuitState"]

EVENT_NS = NEVER_NS
"""Not a moment: something has to happen first."""

_WINDOW = 64
_MASK = (1 << _WINDOW) - 1
_MOST_DOUBLINGS = 20
_JITTER = 0.2


class CircuitState(StrEnum):
    """Of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a circuit opens, and for how long; see `ReliabilitySettings`."""

    failures: int
    rate: float
    volume: int
    probes: int
    open_ns: int
    open_most_ns: int


class Breaker:
    """The circuit of one key, endpoint or provider.

    Args:
        rules: When it opens, and for how long.
        generator: For jitter of the time it stays open.
    """

    __slots__ = (
        "_failed_bits",
        "_generator",
        "_in_a_row",
        "_opened",
        "_probing",
        "_rules",
        "_succeeded",
        "_volume",
        "epoch",
        "is_spotless",
        "reason",
        "state",
        "until_ns",
    )

    def __init__(self, rules: BreakerRules, generator: Generator) -> None:
        self._rules = rules
        self._generator = generator
        self.state = CircuitState.CLOSED
        self.epoch = 0
        self.until_ns = 0
        self.reason: str | None = None
        self._opened = 0
        self._in_a_row = self._failed_bits = self._volume = 0
        self._probing = self._succeeded = 0
        #: Success changes nothing, so that it need not be told.
        self.is_spotless = False

    def ready_ns(self, now_ns: int) -> int:
        """0 when a call may begin; otherwise a moment, or `EVENT_NS` while all probes are out."""
        if self.state is CircuitState.CLOSED:
            return 0
        if self.state is CircuitState.OPEN:
            if now_ns < self.until_ns:
                return self.until_ns
            self._enter(CircuitState.HALF_OPEN)
        return 0 if self._probing < self._rules.probes else EVENT_NS

    def begin(self) -> int:
        """A call begins; what is returned goes with its end."""
        if self.state is CircuitState.HALF_OPEN:
            self._probing += 1
        return self.epoch

    def succeed(self, epoch: int) -> None:
        """A call ended well."""
        if epoch != self.epoch:
            return
        if self.state is CircuitState.HALF_OPEN:
            self._probing -= 1
            self._succeeded += 1
            if self._succeeded >= self._rules.probes:
                self._opened = 0
                self.reason = None
                self._enter(CircuitState.CLOSED)
            return
        self._in_a_row = 0
        self._failed_bits = (self._failed_bits << 1) & _MASK
        self._volume = min(_WINDOW, self._volume + 1)
        self.is_spotless = self._volume == _WINDOW and not self._failed_bits

    def fail(self, epoch: int, now_ns: int, reason: str) -> None:
        """A call ended in a failure of the service."""
        if epoch != self.epoch:
            return
        if self.state is CircuitState.HALF_OPEN:
            self.trip(now_ns, reason)
            return
        self.is_spotless = False
        self._in_a_row += 1
        self._failed_bits = (self._failed_bits << 1 | 1) & _MASK
        self._volume = min(_WINDOW, self._volume + 1)
        share = self._failed_bits.bit_count() / self._volume
        is_often = self._volume >= self._rules.volume and share >= self._rules.rate
        if is_often or self._in_a_row >= self._rules.failures:
            self.trip(now_ns, reason)

    def abandon(self, epoch: int) -> None:
        """A call ended without telling anything about the service."""
        if epoch == self.epoch and self.state is CircuitState.HALF_OPEN:
            self._probing -= 1

    def trip(self, now_ns: int, reason: str) -> None:
        """Open, for longer than the time before."""
        rules = self._rules
        open_ns = min(rules.open_most_ns, rules.open_ns << min(self._opened, _MOST_DOUBLINGS))
        jitter = 1 + _JITTER * (2 * float(self._generator.random()) - 1)
        self.until_ns = now_ns + max(1, round(open_ns * jitter))
        self._opened += 1
        self.reason = reason
        self._enter(CircuitState.OPEN)

    def _enter(self, state: CircuitState) -> None:
        self.state = state
        self.epoch += 1
        self._clear()

    def _clear(self) -> None:
        self.is_spotless = False
        self._in_a_row = self._failed_bits = self._volume = 0
        self._probing = self._succeeded = 0
