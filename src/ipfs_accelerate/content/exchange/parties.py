"""What the scheduler remembers of each source, request and block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.messages import COSTS, Evidence, ExchangeSettings

if TYPE_CHECKING:
    from ipfs_accelerate.content.sources.protocol import SourceKind, Want

__all__ = ["Entry", "Flight", "Party", "size_of"]

_SECOND_NS = 1_000_000_000
#: Weight of the newest sample of latency and rate.
_ALPHA = 0.3
#: A request carries what this many latencies would; so at most an eighth of its time is waiting.
_LATENCIES_PER_REQUEST = 8
_LEAST_REQUEST_S = 0.05
#: Assumed size of a block whose size nobody stated.
_UNKNOWN_BYTES = 128 * 1024
#: Blocks from this size on tell something about the rate, smaller ones about the latency only.
_TELLING_BYTES = 16 * 1024
_FIRST_WINDOW_BYTES = 1024 * 1024


def size_of(want: Want) -> int:
    """Bytes of a want, or what is assumed."""
    return want.size_bytes or _UNKNOWN_BYTES


@dataclass(eq=False, slots=True)
class Entry:
    """One wanted block.

    Attributes:
        want: As asked for.
        key: Its multihash.
        is_urgent: Goes first.
        flights: Numbers of the requests that are to deliver it.
        is_arrived: A copy is being kept.
        is_kept: It is kept.
        moves: How often it was taken from one request to another.
    """

    want: Want
    key: bytes
    is_urgent: bool
    flights: set[int] = field(default_factory=set)
    is_arrived: bool = False
    is_kept: bool = False
    moves: int = 0


@dataclass(eq=False, slots=True)
class Flight:
    """One request under way.

    Attributes:
        number: Its number.
        party: The source that was asked.
        due: What it is still to deliver; what was taken over by others is not in it.
        unsent: Multihashes it was asked for and has not delivered, whoever delivers them.
        heard_ns: When its last block came, or when it was sent.
        has_delivered: A block came.
        is_cancelled: It was told to end.
    """

    number: int
    party: Party
    due: dict[bytes, Entry]
    unsent: set[bytes]
    heard_ns: int
    has_delivered: bool = False
    is_cancelled: bool = False

    @property
    def due_bytes(self) -> int:
        """Bytes still to come."""
        return sum(size_of(entry.want) for entry in self.due.values())


@dataclass(eq=False)
class Party:
    """One source.

    Attributes:
        name: Of the source.
        kind: Likewise.
        lacks: Multihashes it does not have.
        asking: Multihashes it was asked about, and has neither answered for nor announced since.
        flights: Its requests under way.
        evidence: Why it is banned; ``None`` while it is not.
        given_up: Why it is not asked any more; empty while it is.
        paused_until_ns: Not asked before.
        failures: In a row without a block.
        latency_ns: Smoothed time to the first byte; ``None`` before the first block.
        rate_bytes_per_s: Smoothed, of one request; ``None`` before the first block.
        window_bytes: Largest request for now; doubles while requests succeed.
        barren_at: State of the scheduler in which nothing was found for it.
        looked_ns: When it last looked for what to take over from others.
    """

    name: str
    kind: SourceKind
    lacks: set[bytes] = field(default_factory=set)
    asking: set[bytes] = field(default_factory=set)
    flights: dict[int, Flight] = field(default_factory=dict)
    evidence: Evidence | None = None
    given_up: str = ""
    paused_until_ns: int = 0
    failures: int = 0
    latency_ns: float | None = None
    rate_bytes_per_s: float | None = None
    window_bytes: int = _FIRST_WINDOW_BYTES
    received_bytes: int = 0
    received_blocks: int = 0
    duplicate_bytes: int = 0
    requests: int = 0
    all_failures: int = 0
    last_reason: str = ""
    barren_at: int = -1
    looked_ns: int = -(2**62)

    @property
    def cost(self) -> float:
        """What a byte of it costs."""
        return COSTS[self.kind]

    @property
    def is_out(self) -> bool:
        """Never asked again."""
        return self.evidence is not None or bool(self.given_up)

    def may_ask(self, now_ns: int) -> bool:
        """Whether it can be asked at this moment."""
        return not self.is_out and self.paused_until_ns <= now_ns

    def can_have(self, key: bytes) -> bool:
        """Whether it is not known to lack a block; it may still have to say so."""
        return not self.is_out and key not in self.lacks

    def slots(self, settings: ExchangeSettings) -> int:
        """How many more requests it may get: one until it has shown what it can do."""
        allowed = settings.requests_per_source if self.received_blocks and not self.failures else 1
        return allowed - len(self.flights)

    def is_silent(self, now_ns: int, stall_ns: int) -> bool:
        """Whether one of its requests waits too long."""
        return any(now_ns - flight.heard_ns > stall_ns for flight in self.flights.values())

    def seconds_for(self, size_bytes: int) -> float | None:
        """Expected time of a request; ``None`` before it has delivered anything."""
        if self.rate_bytes_per_s is None:
            return None
        return (self.latency_ns or 0) / _SECOND_NS + size_bytes / self.rate_bytes_per_s

    def batch_bytes(self, settings: ExchangeSettings) -> int:
        """Size of its next request: its bandwidth-delay product times eight, within the window."""
        if self.rate_bytes_per_s is None:
            return 4 * _UNKNOWN_BYTES if self.received_blocks else 1
        wanted_s = max(
            (self.latency_ns or 0) * _LATENCIES_PER_REQUEST / _SECOND_NS, _LEAST_REQUEST_S
        )
        return min(
            int(self.rate_bytes_per_s * wanted_s), self.window_bytes, settings.max_batch_bytes
        )

    def heard(self, flight: Flight, size_bytes: int, now_ns: int) -> None:
        """Learn from a block that arrived."""
        elapsed_ns = float(max(now_ns - flight.heard_ns, 1_000))
        waiting_ns = 0.0
        if not flight.has_delivered:
            waiting_ns = self._waiting_ns(size_bytes, elapsed_ns)
            self.latency_ns = _smooth(self.latency_ns, waiting_ns)
        if size_bytes >= _TELLING_BYTES:
            transfer_ns = max(elapsed_ns - waiting_ns, elapsed_ns / 8)
            self.rate_bytes_per_s = _smooth(
                self.rate_bytes_per_s, size_bytes * _SECOND_NS / transfer_ns
            )
        flight.heard_ns, flight.has_delivered = now_ns, True

    def _waiting_ns(self, size_bytes: int, elapsed_ns: float) -> float:
        """How much of the time to the first block of a request went by before its first byte."""
        if size_bytes < _TELLING_BYTES:
            return elapsed_ns
        if self.latency_ns is None:
            return elapsed_ns / 8
        if self.rate_bytes_per_s is None:
            return min(self.latency_ns, elapsed_ns)
        return max(elapsed_ns - size_bytes * _SECOND_NS / self.rate_bytes_per_s, 0.0)

    def failed(self, reason: str, pause_s: float, now_ns: int) -> None:
        """Count a failure and pause."""
        self.failures += 1
        self.all_failures += 1
        self.last_reason = reason
        self.window_bytes = max(self.window_bytes // 2, _FIRST_WINDOW_BYTES)
        self.paused_until_ns = max(self.paused_until_ns, now_ns + int(pause_s * _SECOND_NS))

    def why_not(self, key: bytes) -> str:
        """Why it did not deliver a block."""
        if self.evidence is not None:
            return f"banned: it sent wrong bytes for {self.evidence.cid}"
        if self.given_up:
            return self.given_up
        return "does not have it" if key in self.lacks else self.last_reason or "was not asked"


def _smooth(before: float | None, sample: float) -> float:
    return sample if before is None else before + _ALPHA * (sample - before)
