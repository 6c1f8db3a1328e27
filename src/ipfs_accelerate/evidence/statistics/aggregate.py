"""Ledger rows summed up by run, model, device, task or worker; one origin at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import UnknownNameError
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from datetime import datetime

    from ipfs_accelerate.store import Ledger

__all__ = ["LEVELS", "Aggregate", "aggregate"]

_DEVICE = "host || '/' || device_id || ' ' || device_name"
#: Level → what its rows share, as SQL over ``performance_history``.
LEVELS = {
    "test_run": "run_id",
    "model": "model_name",
    "hardware": _DEVICE,
    "model_hardware": f"model_name || ' on ' || {_DEVICE}",
    "task_type": "split_part(test_case, '/', 1)",
    "worker": "host",
}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One group of results.

    Attributes:
        level: See `LEVELS`.
        group: What its rows share.
        origin: Theirs.
        cases: Distinct model x device x target x test case.
        results: Rows that ended ``ok``.
        failures: Rows that did not.
        relative_latency: Geometric mean over its cases of their median latency relative to the
            fastest target of the same model and test case; 1 is best. A mean of milliseconds over
            different models would say which models were run, not how fast they are.
        fastest: Cases of the group in which no target was faster.
        spread: Median over its cases of the ratio of their slowest to their fastest result.
    """

    level: str
    group: str
    origin: str
    cases: int
    results: int
    failures: int
    relative_latency: float | None
    fastest: int
    spread: float | None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def aggregate(
    ledger: Ledger,
    level: str,
    *,
    origin: Origin = Origin.MEASURED,
    since: datetime | None = None,
) -> list[Aggregate]:
    """Groups of one level, best first; rows of other origins never enter.

    Raises:
        UnknownNameError: There is no such level.

    Source:
        Geometric mean of ratios: Fleming & Wallace (1986), How not to lie with statistics, CACM 29.
    """
    from ipfs_accelerate.store.rows import naive_utc

    if level not in LEVELS:
        raise UnknownNameError(level, LEVELS)
    moment = None if since is None else naive_utc(since)
    rows = ledger.query(_SQL.format(group=LEVELS[level]), [origin.value, moment, moment])
    return [Aggregate(level=level, origin=origin.value, **row) for row in rows.to_dicts()]  # type: ignore[arg-type]


_SQL = """
WITH rows AS (
    SELECT *, {group} AS grouped FROM performance_history
    WHERE origin = ? AND (? IS NULL OR created_at >= ?)
),
cases AS (
    SELECT grouped, model_name, host, device_id, device_name, target, test_case,
        count(*) FILTER (status = 'ok') AS results,
        count(*) FILTER (status <> 'ok') AS failures,
        median(latency_p50_ns) FILTER (status = 'ok' AND latency_p50_ns > 0) AS latency,
        max(latency_p50_ns) FILTER (status = 'ok' AND latency_p50_ns > 0)
            / min(latency_p50_ns) FILTER (status = 'ok' AND latency_p50_ns > 0) AS spread
    FROM rows GROUP BY ALL
),
compared AS (
    SELECT *, latency / min(latency) OVER (PARTITION BY model_name, test_case) AS relative
    FROM cases
)
SELECT grouped AS "group", count(*) AS cases, sum(results)::BIGINT AS results,
    sum(failures)::BIGINT AS failures, exp(avg(ln(relative))) AS relative_latency,
    count(*) FILTER (relative = 1) AS fastest, median(spread) AS spread
FROM compared GROUP BY grouped ORDER BY relative_latency NULLS LAST, grouped"""
