"""What a timing report reads: the newest attempts of every cell, their rows, stored profiles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.store.records import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
)
from ipfs_accelerate.store.rows import naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.store.ledger import Ledger

__all__ = [
    "Attempt",
    "StoredProfile",
    "count_origins",
    "read_attempts",
    "read_profiles",
    "read_results",
]

#: Attempts of a cell that are looked at, newest first: enough to find one that can be trusted.
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Attempt:
    """One result of a cell, without its samples.

    Attributes:
        result_id: Its key.
        model_id: Version of the model.
        model_name: The cell: model, host, device, target, workload.
        host: Likewise.
        device_name: Likewise.
        target: Likewise.
        test_case: Likewise.
        model_type: As its configuration says; ``None`` when unknown.
        architecture: Class name; ``None`` when unknown.
        origin: How the numbers came to be.
        status: How it ended.
        created_at: UTC.
        latency_p50_ns: Median; ``None`` without one.
        samples: Raw samples it has.
        least_ns: Shortest sample; ``None`` without samples.
        flags: Doubts.
        is_alternated: Whether it was sampled in alternation with others.
        error: What went wrong, as JSON text; ``None`` when nothing did.
        runs: Attempts of this cell in all.
        recent_since: When the oldest of its recent attempts was, UTC.
    """

    result_id: str
    model_id: str
    model_name: str
    host: str
    device_name: str
    target: str
    test_case: str
    model_type: str | None
    architecture: str | None
    origin: Origin
    status: CaseStatus
    created_at: datetime
    latency_p50_ns: int | None
    samples: int
    least_ns: int | None
    flags: tuple[str, ...]
    is_alternated: bool
    error: str | None
    runs: int
    recent_since: datetime


_ATTEMPTS_SQL = """
WITH numbered AS (
    SELECT r.rowid AS number, s.model_id,
        row_number() OVER newest AS age, count(*) OVER cell AS runs,
        min(r.created_at) OVER recent AS recent_since
    FROM results r
    JOIN series s USING (series_key) JOIN models m USING (model_id)
    JOIN hardware_platforms h USING (hardware_id)
    WHERE r.origin = ? AND r.status <> 'cancelled' AND (? IS NULL OR r.created_at >= ?)
    WINDOW cell AS (PARTITION BY m.model_name, h.host, h.device_name, s.target, s.test_case),
        newest AS (cell ORDER BY r.created_at DESC, r.rowid DESC),
        recent AS (newest ROWS BETWEEN CURRENT ROW AND {recent} FOLLOWING)
),
chosen AS (SELECT number, age, runs, recent_since FROM numbered WHERE age <= ?)
SELECT r.result_id, s.model_id, m.model_name, h.host, h.device_name, s.target, s.test_case,
    m.metadata ->> 'model_type' AS model_type, m.architecture, r.origin, r.status, r.created_at,
    r.latency_p50_ns, coalesce(len(p.samples_ns), 0) AS samples,
    list_min(p.samples_ns) AS least_ns, r.flags,
    coalesce((d.environment ->> 'interleaved') = 'true'
        AND (d.environment ->> 'group') IS NOT NULL, false) AS is_alternated,
    CASE WHEN r.status <> 'ok' THEN d.error END AS error, c.runs,
    c.recent_since
FROM chosen c JOIN results r ON r.rowid = c.number
JOIN series s USING (series_key) JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
LEFT JOIN result_details d USING (result_id) LEFT JOIN performance_samples p USING (result_id)
ORDER BY m.model_name, h.host, h.device_name, s.test_case, s.target, c.age"""


def read_attempts(
    ledger: Ledger,
    *,
    origin: Origin = Origin.MEASURED,
    since: datetime | None = None,
    recent: int = 1,
) -> list[Attempt]:
    """The newest attempts of every model, device, target and workload, newest first in each.

    Args:
        ledger: Where they are.
        origin: Only rows of this origin.
        since: Only rows since then.
        recent: Attempts that count as recent, from the one at hand.
    """
    moment = None if since is None else naive_utc(since)
    sql = _ATTEMPTS_SQL.format(recent=int(recent) - 1)
    found = ledger.query(sql, [origin.value, moment, moment, _ATTEMPTS]).to_dicts()
    return [
        Attempt(
            **{
                **row,
                "origin": Origin(str(row["origin"])),
                "status": CaseStatus(str(row["status"])),
                "created_at": _moment(row["created_at"]),
                "recent_since": _moment(row["recent_since"]),
                "flags": tuple(cast("list[str]", row["flags"] or ())),
            }  # type: ignore[arg-type]
        )
        for row in found
    ]


_RESULT_COLUMNS = (
    "run_id", "target", "test_case", "task", "batch_size", "precision", "executed_precision",
    "origin_reason", "latency_p50_ns", "latency_low_ns", "latency_high_ns", "latency_mean_ns",
    "confidence", "throughput_items_per_s", "tokens_per_s", "load_ns", "first_inference_ns",
    "peak_memory_bytes", "cpu_time_ns", "energy_j", "iterations", "warmup_iterations", "total_ns",
)  # fmt: skip
_MODEL_COLUMNS = (
    "model_name", "version", "model_family", "modality", "source", "architecture",
    "parameters_million",
)  # fmt: skip
_HARDWARE_COLUMNS = (
    "hardware_type", "device_id", "device_name", "platform", "platform_version", "host",
    "driver_version", "memory_gb", "compute_units",
)  # fmt: skip
_RESULTS_SQL = f"""
SELECT r.result_id, r.status, r.origin, r.created_at, r.flags, r.metrics, s.shapes,
    p.samples_ns, p.warmup_ns, d.parity, d.placement, d.environment, d.error,
    m.metadata AS model_metadata, h.metadata AS hardware_metadata,
    {", ".join(f"m.{name}" for name in _MODEL_COLUMNS)},
    {", ".join(f"h.{name}" for name in _HARDWARE_COLUMNS)},
    {", ".join(_RESULT_COLUMNS)}
FROM results r
JOIN series s USING (series_key) JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
LEFT JOIN result_details d USING (result_id) LEFT JOIN performance_samples p USING (result_id)
WHERE r.result_id IN (SELECT unnest(?::UUID[]))
ORDER BY r.created_at DESC, r.rowid DESC"""  # noqa: S608 (our own column names)


def read_results(ledger: Ledger, result_ids: Sequence[str]) -> list[MeasurementRecord]:
    """Whole rows with their raw samples, newest first, in one read.

    Args:
        ledger: Where they are.
        result_ids: Keys; an unknown one is left out.
    """
    rows = ledger.query(_RESULTS_SQL, [list(result_ids)]).to_dicts()
    return [_record(row) for row in rows]


def _record(row: Mapping[str, object]) -> MeasurementRecord:
    values: dict[str, object] = {name: row[name] for name in _RESULT_COLUMNS}
    values |= {name: _parsed(row[name]) or {} for name in ("shapes", "metrics", "environment")}
    values |= {name: _parsed(row[name]) for name in ("parity", "placement", "error")}
    for name in ("samples_ns", "warmup_ns", "flags"):
        values[name] = tuple(cast("list[object]", row[name] or ()))
    record = MeasurementRecord(
        **values,  # type: ignore[arg-type]
        model=ModelRecord(
            **{name: row[name] for name in _MODEL_COLUMNS},  # type: ignore[arg-type]
            metadata=_parsed(row["model_metadata"]) or {},
        ),
        hardware=HardwareRecord(
            **{name: row[name] for name in _HARDWARE_COLUMNS},  # type: ignore[arg-type]
            metadata=_parsed(row["hardware_metadata"]) or {},
        ),
        origin=Origin(str(row["origin"])),
        status=CaseStatus(str(row["status"])),
        created_at=_moment(row["created_at"]),
    )
    key = str(row["result_id"])
    if record.result_id != key:
        from dataclasses import replace

        record = replace(record, imported_key=key)
    return record


def _moment(value: object) -> datetime:
    return cast("datetime", value).replace(tzinfo=UTC)


def _parsed(text: object) -> dict[str, object] | None:
    value = json.loads(text) if isinstance(text, str) else text
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """Where the time of one profiled run went.

    Attributes:
        run_id: Its run.
        model_id: What was profiled.
        host: On which machine.
        target: Where.
        test_case: Name of the workload.
        created_at: UTC.
        operators: How many were seen.
        flops: Of those whose work is known; ``None`` when no work is.
        moved_bytes: Likewise.
        shares: Class → share of the run, as `bench.profiling.find_bottleneck` gave them.
    """

    run_id: str
    model_id: str
    host: str
    target: str
    test_case: str
    created_at: datetime
    operators: int
    flops: int | None
    moved_bytes: int | None
    shares: Mapping[str, float]


_PROFILES_SQL = """
SELECT p.run_id, p.model_id, h.host, p.target, p.test_case, max(p.created_at) AS created_at,
    count(*) AS operators, sum(p.flops)::BIGINT AS flops,
    sum(p.moved_bytes)::BIGINT AS moved_bytes
FROM performance_profiling p JOIN hardware_platforms h USING (hardware_id)
WHERE p.origin = ? GROUP BY p.run_id, p.model_id, h.host, p.target, p.test_case
QUALIFY row_number() OVER (PARTITION BY p.model_id, h.host, p.target, p.test_case
    ORDER BY max(p.created_at) DESC) = 1
ORDER BY created_at, p.run_id"""
_SHARES_SQL = """
SELECT run_id, substr(name, 7) AS name, value FROM performance_extended_metrics
WHERE origin = ? AND starts_with(name, 'share_') AND value IS NOT NULL
    AND run_id IN (SELECT unnest(?::VARCHAR[]))"""


def read_profiles(ledger: Ledger, *, origin: Origin = Origin.MEASURED) -> list[StoredProfile]:
    """The newest profile of every model version, host, target and workload."""
    found = ledger.query(_PROFILES_SQL, [origin.value]).to_dicts()
    shares: dict[str, dict[str, float]] = {}
    runs = [str(row["run_id"]) for row in found]
    for run_id, name, value in ledger.query(_SHARES_SQL, [origin.value, runs]).rows:
        shares.setdefault(str(run_id), {})[str(name)] = float(str(value))
    return [
        StoredProfile(
            **{**row, "created_at": _moment(row["created_at"])},  # type: ignore[arg-type]
            shares=shares.get(str(row["run_id"]), {}),
        )
        for row in found
    ]


def count_origins(ledger: Ledger, *, since: datetime | None = None) -> dict[str, int]:
    """Origin → results, so that a report of one origin can say what it leaves out."""
    moment = None if since is None else naive_utc(since)
    sql = """SELECT origin, count(*) FROM results
        WHERE ? IS NULL OR created_at >= ? GROUP BY origin ORDER BY origin"""
    return {str(name): int(str(n)) for name, n in ledger.query(sql, [moment, moment]).rows}
