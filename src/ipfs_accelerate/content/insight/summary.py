"""What the ledger knows about moved content, summed up for tables, pictures and reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.store import Ledger

__all__ = ["ContentSummary", "Day", "Edge", "Kind", "Receiver", "summary"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Who sent how much to whom.

    Attributes:
        source: Name of the sender.
        node: The receiver.
        kind: How the sender was reached.
        is_origin: The sender is an origin.
        received_bytes: First copies.
        received_blocks: How many.
        duplicate_bytes: Further copies.
        failures: Requests that did not deliver.
        is_banned: It sent wrong bytes at least once.
    """

    source: str
    node: str
    kind: str
    is_origin: bool
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int
    failures: int
    is_banned: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """All sources of one kind.

    Attributes:
        kind: Of the sources.
        transfers: Fetches that asked one.
        received_bytes: First copies.
        received_blocks: How many.
        duplicate_bytes: Further copies.
        requests: Sent.
        failures: Of those.
        latency_p50_ns: Median over fetches of the smoothed time to a first byte.
        rate_p50_bytes_per_s: Likewise of one request.
        bans: For wrong bytes.
    """

    kind: str
    transfers: int
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int
    requests: int
    failures: int
    latency_p50_ns: int | None
    rate_p50_bytes_per_s: float | None
    bans: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of fetches (UTC).

    Attributes:
        day: The date.
        transfers: Fetches that ended.
        total_bytes: Of their files.
        local_bytes: Here before.
        received_bytes: Came over the network.
        duplicate_bytes: Came again.
        egress_saved_bytes: Here before, or from the team.
        hit_rate: The saved share of all bytes needed; ``None`` when none were.
    """

    day: date
    transfers: int
    total_bytes: int
    local_bytes: int
    received_bytes: int
    duplicate_bytes: int
    egress_saved_bytes: int
    hit_rate: float | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """One node that fetched, and where its bytes came from.

    Attributes:
        node: Its name.
        transfers: Fetches that ended.
        local_bytes: Here before.
        team_bytes: From peers.
        origin_bytes: From origins.
        duplicate_bytes: Came again.
        longest_ns: Its longest fetch; ``None`` when unknown.
    """

    node: str
    transfers: int
    local_bytes: int
    team_bytes: int
    origin_bytes: int
    duplicate_bytes: int
    longest_ns: int | None


@dataclass(frozen=True, slots=True)
class ContentSummary:
    """Everything of one origin.

    Attributes:
        origin: Where the numbers come from.
        reason: Why they are what they are; ``None`` for measured ones.
        days: By date, the oldest first.
        kinds: By bytes, the most first.
        edges: Likewise.
        nodes: Those that fetched, by name.
    """

    origin: Origin
    reason: str | None
    days: tuple[Day, ...]
    kinds: tuple[Kind, ...]
    edges: tuple[Edge, ...]
    nodes: tuple[Receiver, ...] = ()

    @property
    def transfers(self) -> int:
        """Fetches."""
        return sum(day.transfers for day in self.days)

    @property
    def needed_bytes(self) -> int:
        """Bytes that were needed: here before, or received."""
        return sum(day.local_bytes + day.received_bytes for day in self.days)

    @property
    def egress_saved_bytes(self) -> int:
        """Bytes no origin had to send."""
        return sum(day.egress_saved_bytes for day in self.days)

    @property
    def hit_rate(self) -> float | None:
        """Share of `needed_bytes` that no origin had to send; ``None`` without fetches."""
        return self.egress_saved_bytes / self.needed_bytes if self.needed_bytes else None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        days = [{**asdict(day), "day": day.day.isoformat()} for day in self.days]
        return {
            "origin": self.origin.value,
            "reason": self.reason,
            "transfers": self.transfers,
            "needed_bytes": self.needed_bytes,
            "egress_saved_bytes": self.egress_saved_bytes,
            "hit_rate": self.hit_rate,
            "days": days,
            "kinds": [asdict(kind) for kind in self.kinds],
            "edges": [asdict(edge) for edge in self.edges],
            "nodes": [asdict(node) for node in self.nodes],
        }


def summary(
    ledger: Ledger, *, origin: Origin = Origin.MEASURED, root: str | None = None
) -> ContentSummary:
    """Sum up the fetches of one origin.

    Args:
        ledger: Where to look.
        origin: Measured fetches never stand beside simulated ones.
        root: Edges and nodes of this content only; days and kinds are of all.
    """
    with ledger.snapshot():
        days = _rows(ledger, _DAYS, [origin.value])
        kinds = _rows(ledger, _KINDS, [origin.value])
        edges = _rows(ledger, _EDGES, [origin.value, root, root])
        nodes = _rows(ledger, _NODES, [origin.value, root, root])
        reasons = _rows(ledger, _REASONS, [origin.value])
    return ContentSummary(
        origin,
        "; ".join(str(row["origin_reason"]) for row in reasons) or None,
        tuple(Day(**row) for row in days),  # type: ignore[arg-type]
        tuple(Kind(**row) for row in kinds),  # type: ignore[arg-type]
        tuple(Edge(**row) for row in edges),  # type: ignore[arg-type]
        tuple(Receiver(**row) for row in nodes),  # type: ignore[arg-type]
    )


def _rows(ledger: Ledger, sql: str, parameters: Sequence[object]) -> list[dict[str, object]]:
    return ledger.query(sql, parameters).to_dicts()


_DAYS = """
SELECT day, transfers, total_bytes, local_bytes, received_bytes, duplicate_bytes,
    egress_saved_bytes, hit_rate
FROM content_days WHERE origin = ? ORDER BY day"""
_KINDS = """
SELECT kind, transfers, received_bytes, received_blocks, duplicate_bytes, requests, failures,
    latency_p50_ns, rate_p50_bytes_per_s, bans
FROM content_kinds WHERE origin = ? ORDER BY received_bytes DESC, kind"""
_EDGES = """
SELECT source, node, kind, is_origin, sum(received_bytes)::BIGINT AS received_bytes,
    sum(received_blocks)::BIGINT AS received_blocks,
    sum(duplicate_bytes)::BIGINT AS duplicate_bytes,
    sum(failures)::BIGINT AS failures, bool_or(is_banned) AS is_banned
FROM content_edges WHERE origin = ? AND (?::VARCHAR IS NULL OR root = ?)
GROUP BY source, node, kind, is_origin ORDER BY received_bytes DESC, source, node"""
_NODES = """
SELECT node, count(*) AS transfers, sum(local_bytes)::BIGINT AS local_bytes,
    sum(egress_saved_bytes - local_bytes)::BIGINT AS team_bytes,
    sum(received_bytes - (egress_saved_bytes - local_bytes))::BIGINT AS origin_bytes,
    sum(duplicate_bytes)::BIGINT AS duplicate_bytes, max(elapsed_ns) AS longest_ns
FROM content_transfers WHERE origin = ? AND (?::VARCHAR IS NULL OR root = ?)
GROUP BY node ORDER BY node"""
_REASONS = """
SELECT DISTINCT origin_reason FROM content_transfers
WHERE origin = ? AND origin_reason IS NOT NULL ORDER BY 1"""
