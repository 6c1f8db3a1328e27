"""Rows that an analysis derived from observations: findings, decisions about them, events."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.store.rows import naive_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from duckdb import DuckDBPyConnection

__all__ = ["EVENT_SCHEMA", "FindingRecord", "insert_acknowledgement", "insert_findings"]

EVENT_SCHEMA = "ipfs-accelerate/performance-event/1"


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A row of ``performance_anomalies``: a change in the history of one case.

    Attributes:
        finding_id: Stays the same when the finding is made again.
        kind: ``step``, ``drift`` or ``variance``.
        severity: ``critical``, ``major``, ``minor`` or ``notice``.
        is_regression: Whether it became slower.
        model_name: The case.
        host: Likewise.
        device_id: Likewise.
        device_name: Likewise.
        target: Likewise.
        test_case: Likewise.
        last_good_run: Last run before the change.
        first_run: First run after it.
        ratio: Latency after over before.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        p_value: Of this series.
        adjusted_p_value: For all series of its report.
        causes: What changed at the same moment; environment first.
        origin: Of the rows it is derived from.
        operator: Whose history it is; ``None`` for that of the whole case.
    """

    finding_id: str
    kind: str
    severity: str
    is_regression: bool
    model_name: str
    host: str
    device_id: str
    device_name: str
    target: str
    test_case: str
    last_good_run: str
    first_run: str
    ratio: float
    ratio_low: float
    ratio_high: float
    p_value: float
    adjusted_p_value: float
    causes: tuple[Mapping[str, object], ...] = ()
    origin: str = "measured"
    operator: str | None = None


def insert_findings(
    connection: DuckDBPyConnection, findings: Iterable[FindingRecord], now: datetime
) -> int:
    """Insert findings that are new, each with an event; returns how many were."""
    from ipfs_accelerate.store.writing import insert_rows

    rows = [{**asdict(f), "causes": json.dumps(list(f.causes), sort_keys=True)} for f in findings]
    stamped = [{**row, "created_at": naive_utc(now)} for row in rows]
    events = [_event("found", str(row["finding_id"]), row, now) for row in rows]
    insert_rows(connection, "performance_events", events)
    return insert_rows(connection, "performance_anomalies", stamped)


def insert_acknowledgement(
    connection: DuckDBPyConnection, finding_id: str, reason: str, now: datetime
) -> bool:
    """Accept a finding; returns whether it had not been accepted before."""
    from ipfs_accelerate.store.writing import insert_rows

    payload: dict[str, object] = {"finding_id": finding_id, "reason": reason}
    row = {**payload, "created_at": naive_utc(now)}
    insert_rows(
        connection, "performance_events", [_event("acknowledged", finding_id, payload, now)]
    )
    return insert_rows(connection, "performance_baselines", [row]) == 1


def _event(
    kind: str, finding_id: str, payload: Mapping[str, object], now: datetime
) -> dict[str, object]:
    return {
        "event_id": f"{kind}/{finding_id}",
        "schema_name": EVENT_SCHEMA,
        "kind": kind,
        "finding_id": finding_id,
        "payload": json.dumps({"schema": EVENT_SCHEMA, **payload}, sort_keys=True),
        "created_at": naive_utc(now),
    }
