"""The history of every case, as the ledger has it: one point a run, oldest first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.store.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ipfs_accelerate.store import Ledger

__all__ = ["CaseKey", "CaseSeries", "Operator", "Point", "read_history"]

_SQL = """
SELECT model_name, host, device_id, device_name, target, test_case, run_id, created_at,
    model_version, git_commit, latency_p50_ns, latency_low_ns, latency_high_ns, confidence,
    driver_version, platform_version, executed_precision, environment,
    try_cast(metrics ->> 'foreign_cpu_share' AS DOUBLE) AS load
FROM performance_history
WHERE origin = 'measured' AND status = 'ok' AND (? IS NULL OR created_at >= ?)
ORDER BY created_at, run_id"""
_COLUMNS = {
    "driver": "driver_version",
    "platform": "platform_version",
    "model version": "model_version",
    "executed precision": "executed_precision",
}


@dataclass(frozen=True, slots=True, order=True)
class CaseKey:
    """What stays equal when a case is repeated: the line of a chart.

    Attributes:
        model_name: A renamed model is another case: nothing proves that it is the same.
        host: Name of the machine.
        device_id: Device id used in targets.
        device_name: Vendor's name.
        target: Target.
        test_case: Workload.
    """

    model_name: str
    host: str
    device_id: str
    device_name: str
    target: str
    test_case: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.model_name} {self.target} {self.test_case} on {self.host}"


@dataclass(frozen=True, slots=True, order=True)
class Operator:
    """One operator of a profile, or all of one type.

    Attributes:
        op_type: In the words of its runtime.
        name: Likewise; empty for all of the type together.
    """

    op_type: str
    name: str = ""

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.op_type} {self.name}" if self.name else f"all {self.op_type}"


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a case.

    Attributes:
        run_id: The run.
        created_at: UTC.
        git_commit: ``None`` outside a repository.
        median_ns: Median of its samples.
        error: Relative standard error of it, from its interval; ``None`` when unknown.
        load: Share of the machine that others took; ``None`` when unknown.
        recorded: What is known of the machine, as the ledger has it.
    """

    run_id: str
    created_at: datetime
    git_commit: str | None
    median_ns: float
    error: float | None
    load: float | None
    recorded: Mapping[str, object]

    @property
    def facts(self) -> dict[str, object]:
        """What may explain a change: versions, driver, settings, by name."""
        columns = {name: self.recorded.get(column) for name, column in _COLUMNS.items()}
        known = {name: value for name, value in columns.items() if value is not None}
        return known | Environment.parse(self.recorded.get("environment")).facts


@dataclass(frozen=True, slots=True)
class CaseSeries:
    """All usable runs of a case.

    Attributes:
        key: The case.
        points: Oldest first.
        left_out: Why runs are missing: reason → how many.
        operator: Whose times they are; ``None`` for the whole case.
    """

    key: CaseKey
    points: tuple[Point, ...]
    left_out: Mapping[str, int]
    operator: Operator | None = None

    @property
    def medians_ns(self) -> NDArray[np.float64]:
        """In order."""
        return np.array([p.median_ns for p in self.points], dtype=np.float64)

    @property
    def errors(self) -> NDArray[np.float64]:
        """In order; an unknown one counts as a typical one, or as 0 where none is known."""
        known = [p.error for p in self.points if p.error is not None]
        typical = float(np.median(known)) if known else 0.0
        found = [typical if p.error is None else p.error for p in self.points]
        return np.array(found, dtype=np.float64)


def read_history(ledger: Ledger, *, since: datetime | None = None) -> list[CaseSeries]:
    """Every measured case with its runs, in one consistent read.

    A run without a positive median is left out and counted. Runs come in the order of their clock;
    a clock that was set back puts them where it says, which `findings` cannot notice.
    """
    from ipfs_accelerate.store.rows import naive_utc

    moment = None if since is None else naive_utc(since)
    cases: dict[CaseKey, list[Mapping[str, object]]] = {}
    for row in ledger.query(_SQL, [moment, moment]).to_dicts():
        key = CaseKey(*(str(row[name]) for name in CaseKey.__dataclass_fields__))
        cases.setdefault(key, []).append(row)
    return [_series(key, cases[key]) for key in sorted(cases)]


def _series(key: CaseKey, rows: Sequence[Mapping[str, object]]) -> CaseSeries:
    usable = [row for row in rows if _number(row["latency_p50_ns"]) > 0]
    missing = len(rows) - len(usable)
    reasons = {"no positive median": missing} if missing else {}
    return CaseSeries(key, tuple(map(_point, usable)), reasons)


def _point(row: Mapping[str, object]) -> Point:
    commit, load = row["git_commit"], row["load"]
    return Point(
        run_id=str(row["run_id"]),
        created_at=row["created_at"],  # type: ignore[arg-type]
        git_commit=None if commit is None else str(commit),
        median_ns=_number(row["latency_p50_ns"]),
        error=_error(row),
        load=float(load) if isinstance(load, float) else None,
        recorded=row,
    )


def _error(row: Mapping[str, object]) -> float | None:
    low, high = _number(row["latency_low_ns"]), _number(row["latency_high_ns"])
    level = _number(row["confidence"])
    if not 0 < low <= high or not 0 < level < 1:
        return None
    return math.log(high / low) / (2 * _critical(level))


@lru_cache(maxsize=64)
def _critical(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
