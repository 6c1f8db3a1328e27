"""Fetches, real and simulated, into the ledger."""

from __future__ import annotations

import logging
import socket
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import StoreError
from ipfs_accelerate.store import Ledger, SourceTransferRecord, TransferRecord

if TYPE_CHECKING:
    from collections.abc import Collection

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content.exchange import FetchReport
    from ipfs_accelerate.content.exchange.report import SourceReport

__all__ = ["ORIGIN_KINDS", "note_transfer", "record_transfer", "transfer_record"]

logger = logging.getLogger(__name__)

#: Kinds whose bytes somebody pays for: they count as egress of an origin unless told otherwise.
ORIGIN_KINDS = frozenset({SourceKind.HUB, SourceKind.S3, SourceKind.GATEWAY})


def record_transfer(
    ledger: Ledger,
    report: FetchReport,
    *,
    node: str | None = None,
    origins: Collection[str] | None = None,
) -> str:
    """Store what a fetch did; returns the id of its row.

    Args:
        ledger: Where to.
        report: Of the exchange.
        node: URL this node serves under; the host name when it serves nobody.
        origins: Names of the sources that are origins; by kind (`ORIGIN_KINDS`) when ``None``.
    """
    record = transfer_record(report, node=node, origins=origins)
    ledger.record_transfers([record])
    return record.transfer_id


def note_transfer(settings: Settings, report: FetchReport, *, node: str | None = None) -> None:
    """Store what a fetch did in the ledger of the settings.

    What was fetched is worth more than the note of it: a ledger that cannot be written is logged.
    """
    try:
        ledger = Ledger(settings.ledger_path, lock_timeout_s=settings.lock_timeout_s)
        record_transfer(ledger, report, node=node)
    except StoreError as error:
        logger.warning("the fetch of %s is not in the ledger: %s", report.root, error.message)


def transfer_record(
    report: FetchReport, *, node: str | None = None, origins: Collection[str] | None = None
) -> TransferRecord:
    """The rows of a fetch; see `record_transfer`."""
    return TransferRecord(
        transfer_id=uuid.uuid4().hex,
        root=str(report.root),
        node=node or socket.gethostname(),
        created_at=datetime.now(UTC),
        is_complete=not report.is_cancelled,
        elapsed_ns=report.elapsed_ns,
        total_bytes=report.total_bytes,
        local_bytes=report.local_bytes,
        received_bytes=report.received_bytes,
        received_blocks=report.received_blocks,
        duplicate_bytes=report.duplicate_bytes,
        sources=tuple(
            _source(name, source, is_origin=_is_origin(name, source, origins))
            for name, source in report.sources.items()
        ),
        files=report.files,
        metadata={"moved_blocks": report.moved_blocks, "raced_blocks": report.raced_blocks},
    )


def _is_origin(name: str, source: SourceReport, origins: Collection[str] | None) -> bool:
    return source.kind in ORIGIN_KINDS if origins is None else name in origins


def _source(name: str, source: SourceReport, *, is_origin: bool) -> SourceTransferRecord:
    evidence = source.evidence
    return SourceTransferRecord(
        source=name,
        kind=source.kind.value,
        is_origin=is_origin,
        received_bytes=source.received_bytes,
        received_blocks=source.received_blocks,
        duplicate_bytes=source.duplicate_bytes,
        requests=source.requests,
        failures=source.failures,
        latency_ns=source.latency_ns,
        rate_bytes_per_s=source.rate_bytes_per_s,
        evidence=None
        if evidence is None
        else {
            "cid": str(evidence.cid),
            "sha256": evidence.sha256,
            "size_bytes": evidence.size_bytes,
        },
        reason=source.reason or None,
    )
