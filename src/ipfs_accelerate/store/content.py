"""Transfers of content as rows of the ledger; plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.store.rows import json_text, naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from duckdb import DuckDBPyConnection

__all__ = ["SourceTransferRecord", "TransferRecord", "insert_transfers"]


@dataclass(frozen=True, slots=True)
class SourceTransferRecord:
    """What one source did in one transfer.

    Attributes:
        source: Its name.
        kind: How it is reached.
        is_origin: Its bytes are egress of an origin; else they come from the team.
        received_bytes: Of blocks it was the first to deliver.
        received_blocks: How many.
        duplicate_bytes: Of right blocks that were here already.
        requests: Sent to it.
        failures: Of those.
        latency_ns: Smoothed time to the first byte; ``None`` when it delivered nothing.
        rate_bytes_per_s: Smoothed, of one request; ``None`` likewise.
        evidence: Proof that it sent wrong bytes; it was banned for that.
        reason: Its last failure; ``None`` without one.
    """

    source: str
    kind: str
    is_origin: bool
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int = 0
    requests: int = 0
    failures: int = 0
    latency_ns: int | None = None
    rate_bytes_per_s: float | None = None
    evidence: Mapping[str, object] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One fetch of one root by one node.

    Attributes:
        transfer_id: Unique; a second record of the same id is ignored.
        root: CID.
        node: Who fetched: the URL it serves under, or a host name.
        created_at: When it ended, with zone.
        is_complete: Everything came.
        elapsed_ns: ``None`` when unknown.
        total_bytes: Of the files.
        local_bytes: Of those, what was here before.
        received_bytes: Of all blocks that came first.
        received_blocks: How many.
        duplicate_bytes: Of right blocks that came again.
        sources: Who sent what.
        files: How many became whole; ``None`` when unknown.
        origin: Where the numbers come from.
        origin_reason: Needed for all but measured ones.
        metadata: Settings, the simulated network.
    """

    transfer_id: str
    root: str
    node: str
    created_at: datetime
    is_complete: bool
    elapsed_ns: int | None
    total_bytes: int
    local_bytes: int
    received_bytes: int
    received_blocks: int
    duplicate_bytes: int
    sources: tuple[SourceTransferRecord, ...] = ()
    files: int | None = None
    origin: Origin = Origin.MEASURED
    origin_reason: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.origin is not Origin.MEASURED and not self.origin_reason:
            raise ValueError(f"an origin of {self.origin.value!r} needs a reason")

    @property
    def egress_saved_bytes(self) -> int:
        """Bytes that an origin did not have to send: here already, or sent by the team."""
        team = sum(source.received_bytes for source in self.sources if not source.is_origin)
        return self.local_bytes + team


def insert_transfers(connection: DuckDBPyConnection, records: Iterable[TransferRecord]) -> int:
    """Insert transfers that are new with their sources; returns how many were."""
    from ipfs_accelerate.store.writing import insert_rows

    batch = list(records)
    sources = [row for record in batch for row in _source_rows(record)]
    insert_rows(connection, "content_source_transfers", sources)
    return insert_rows(connection, "content_transfers", [_row(record) for record in batch])


def _row(record: TransferRecord) -> dict[str, object]:
    return {
        "transfer_id": record.transfer_id,
        "root": record.root,
        "node": record.node,
        "origin": record.origin.value,
        "origin_reason": record.origin_reason,
        "is_complete": record.is_complete,
        "elapsed_ns": record.elapsed_ns,
        "total_bytes": record.total_bytes,
        "local_bytes": record.local_bytes,
        "received_bytes": record.received_bytes,
        "received_blocks": record.received_blocks,
        "duplicate_bytes": record.duplicate_bytes,
        "egress_saved_bytes": record.egress_saved_bytes,
        "files": record.files,
        "metadata": json_text(record.metadata) if record.metadata else None,
        "created_at": naive_utc(record.created_at),
    }


def _source_rows(record: TransferRecord) -> list[dict[str, object]]:
    return [
        {
            "source_transfer_id": f"{record.transfer_id}/{number}",
            "transfer_id": record.transfer_id,
            "source": source.source,
            "kind": source.kind,
            "is_origin": source.is_origin,
            "received_bytes": source.received_bytes,
            "received_blocks": source.received_blocks,
            "duplicate_bytes": source.duplicate_bytes,
            "requests": source.requests,
            "failures": source.failures,
            "latency_ns": source.latency_ns,
            "rate_bytes_per_s": source.rate_bytes_per_s,
            "is_banned": source.evidence is not None,
            "evidence": json_text(source.evidence) if source.evidence is not None else None,
            "reason": source.reason,
        }
        for number, source in enumerate(record.sources)
    ]
