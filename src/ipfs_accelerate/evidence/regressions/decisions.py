"""Findings in the ledger: stored once, accepted by people, announced as events."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.store.derived import FindingRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ipfs_accelerate.evidence.regressions.findings import Finding
    from ipfs_accelerate.store import Ledger

__all__ = ["Event", "accept", "accepted", "read_events", "store_findings"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a connector may tell, once.

    Attributes:
        event_id: The same event has the same id.
        kind: ``found`` or ``acknowledged``.
        finding_id: Which finding.
        created_at: UTC.
        payload: The finding, or the reason it was accepted for; with its ``schema``.
    """

    event_id: str
    kind: str
    finding_id: str
    created_at: datetime
    payload: Mapping[str, object]

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {**asdict(self), "created_at": self.created_at.isoformat()}


def store_findings(ledger: Ledger, findings: Iterable[Finding]) -> int:
    """Keep findings with an event for each new one; returns how many were new."""
    return ledger.record_findings(_record(finding) for finding in findings)


def accepted(ledger: Ledger) -> dict[str, str]:
    """Finding → reason, of everything acknowledged."""
    rows = ledger.query("SELECT finding_id, reason FROM performance_baselines").rows
    return {str(finding): str(reason) for finding, reason in rows}


def read_events(ledger: Ledger, *, since: datetime | None = None) -> list[Event]:
    """Events in the order they happened; ``since`` is the moment of the first."""
    from ipfs_accelerate.store.rows import naive_utc

    moment = None if since is None else naive_utc(since)
    sql = """SELECT event_id, kind, finding_id, created_at, payload FROM performance_events
        WHERE ? IS NULL OR created_at >= ? ORDER BY created_at, event_id"""
    return [
        Event(
            event_id=str(row["event_id"]),
            kind=str(row["kind"]),
            finding_id=str(row["finding_id"]),
            created_at=cast("datetime", row["created_at"]).replace(tzinfo=UTC),
            payload=json.loads(str(row["payload"])),
        )
        for row in ledger.query(sql, [moment, moment]).to_dicts()
    ]


def accept(ledger: Ledger, finding: str, reason: str) -> str:
    """Acknowledge a finding: the level after it becomes the baseline of its case.

    Args:
        ledger: Open for writing.
        finding: Its id, or a unique beginning of it.
        reason: Why it is accepted.

    Returns:
        The whole id.

    Raises:
        InputError: The beginning fits several findings, or the reason is empty.
        UnknownNameError: It fits none.
    """
    sql = "SELECT finding_id FROM performance_anomalies WHERE origin = 'measured'"
    known = [str(row[0]) for row in ledger.query(sql).rows]
    fits = [name for name in known if name.startswith(finding)] if finding else []
    if len(fits) > 1:
        raise InputError(f"finding {finding!r} is ambiguous: {', '.join(fits[:5])}")
    if not fits:
        hint = None if known else "`accel evidence regressions` stores what it finds"
        raise UnknownNameError(finding, known, hint=hint)
    ledger.acknowledge_finding(fits[0], reason)
    return fits[0]


def _record(finding: Finding) -> FindingRecord:
    change, key = finding.change, finding.key
    return FindingRecord(
        finding_id=finding.finding_id,
        kind=change.kind,
        severity=finding.severity,
        is_regression=finding.is_regression,
        **asdict(key),
        last_good_run=finding.last_good.run_id,
        first_run=finding.first.run_id,
        operator=finding.operator.text if finding.operator else None,
        ratio=change.ratio,
        ratio_low=change.low,
        ratio_high=change.high,
        p_value=change.p_value,
        adjusted_p_value=finding.adjusted_p_value,
        causes=tuple(asdict(cause) for cause in finding.causes),
    )
