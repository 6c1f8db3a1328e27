"""What a fetch did, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.messages import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.exchange.parties import Party
    from ipfs_accelerate.content.sources.protocol import SourceKind

__all__ = ["Evidence", "FetchProgress", "FetchReport", "SourceReport"]


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is.

    Attributes:
        done_bytes: Of files, here now, what was here before included.
        total_bytes: Of files found so far; grows until all nodes are here.
        is_total_final: It will not grow any more.
        by_source: Source → bytes of blocks it was the first to deliver.
    """

    done_bytes: int
    total_bytes: int
    is_total_final: bool
    by_source: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source did.

    Attributes:
        kind: What it is.
        received_bytes: Of blocks it was the first to deliver.
        received_blocks: How many.
        duplicate_bytes: Of right blocks that were here already.
        requests: Sent to it.
        failures: Of those.
        latency_ns: Smoothed time to the first byte; ``None`` when it delivered nothing.
        rate_bytes_per_s: Smoothed, of one request; ``None`` likewise.
        evidence: Why it was banned.
        reason: Why it was given up, or its last failure; empty when there was none.
    """

    kind: SourceKind
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int
    requests: int
    failures: int
    latency_ns: int | None
    rate_bytes_per_s: float | None
    evidence: Evidence | None
    reason: str


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch did.

    Attributes:
        root: What was fetched.
        is_cancelled: It was ended before everything was here; what had come is kept.
        elapsed_ns: From start to end.
        total_bytes: Of the files below the root.
        local_bytes: Of those, what was here before.
        received_bytes: Of all blocks that came, nodes included, duplicates not.
        received_blocks: How many.
        duplicate_bytes: Of right blocks that came a second time.
        files: How many files became whole.
        moved_blocks: Taken over from slow sources.
        raced_blocks: Asked for twice at the end.
        sources: Source → what it did.
        bans: Source → proof that it sent wrong bytes.
    """

    root: Cid
    is_cancelled: bool
    elapsed_ns: int
    total_bytes: int
    local_bytes: int
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int
    files: int
    moved_blocks: int
    raced_blocks: int
    sources: Mapping[str, SourceReport] = field(default_factory=dict)

    @property
    def bans(self) -> dict[str, Evidence]:
        """Sources that sent wrong bytes."""
        return {
            name: source.evidence
            for name, source in self.sources.items()
            if source.evidence is not None
        }


def source_report(party: Party) -> SourceReport:
    """What is reported of a source."""
    return SourceReport(
        kind=party.kind,
        received_bytes=party.received_bytes,
        received_blocks=party.received_blocks,
        duplicate_bytes=party.duplicate_bytes,
        requests=party.requests,
        failures=party.all_failures,
        latency_ns=None if party.latency_ns is None else int(party.latency_ns),
        rate_bytes_per_s=party.rate_bytes_per_s,
        evidence=party.evidence,
        reason=party.given_up or party.last_reason,
    )
