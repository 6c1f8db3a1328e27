"""Profiles as rows of the ledger; plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.store.rows import naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from ipfs_accelerate.store.records import HardwareRecord, ModelRecord

__all__ = ["ProfileMetric", "ProfileRecord", "insert_profile"]


@dataclass(frozen=True, slots=True)
class ProfileMetric:
    """One value of a profile.

    Attributes:
        name: What it is.
        value: ``None`` with a reason where there is none.
        unit: Of the value.
        reason: Why there is no value.
    """

    name: str
    value: float | None
    unit: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """One profile.

    Attributes:
        run_id: Its run, recorded before.
        model: What was profiled.
        hardware: On what.
        target: Where.
        test_case: Name of the workload.
        created_at: When, with zone.
        operators: Columns of ``performance_profiling`` from ``name`` to ``reason``, in order of
            execution.
        memory: Time since the beginning in ns, phase, resident bytes.
        metrics: Of the whole.
        origin: What the times are.
        origin_reason: Needed for all but measured ones.
    """

    run_id: str
    model: ModelRecord
    hardware: HardwareRecord
    target: str
    test_case: str
    created_at: datetime
    operators: Sequence[Mapping[str, object]]
    memory: Sequence[tuple[int, str, int]] = ()
    metrics: Sequence[ProfileMetric] = ()
    origin: Origin = Origin.MEASURED
    origin_reason: str | None = None

    def __post_init__(self) -> None:
        if self.origin is not Origin.MEASURED and not self.origin_reason:
            raise ValueError(f"an origin of {self.origin.value!r} needs a reason")


def insert_profile(connection: DuckDBPyConnection, record: ProfileRecord) -> int:
    """Insert a profile that is new; returns how many operators were."""
    from ipfs_accelerate.store.writing import insert_rows

    origin = {"origin": record.origin.value, "origin_reason": record.origin_reason}
    insert_rows(connection, "performance_timeseries", list(_series(record, origin)))
    insert_rows(connection, "performance_extended_metrics", list(_metrics(record, origin)))
    return insert_rows(connection, "performance_profiling", list(_operators(record, origin)))


def _operators(record: ProfileRecord, origin: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for index, operator in enumerate(record.operators):
        yield {
            "profiling_id": f"{record.run_id}/{index}",
            "run_id": record.run_id,
            "model_id": record.model.model_id,
            "hardware_id": record.hardware.hardware_id,
            "target": record.target,
            "test_case": record.test_case,
            "operator_index": index,
            **operator,
            **origin,
            "created_at": naive_utc(record.created_at),
        }


def _series(record: ProfileRecord, origin: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for index, (at_ns, phase, used) in enumerate(record.memory):
        yield {
            "timeseries_id": f"{record.run_id}/resident_memory/{index}",
            "run_id": record.run_id,
            "metric": "resident_memory",
            "phase": phase,
            "at_ns": at_ns,
            "value": float(used),
            "unit": "bytes",
            **origin,
        }


def _metrics(record: ProfileRecord, origin: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for metric in record.metrics:
        yield {
            "metric_id": f"{record.run_id}/{metric.name}",
            "run_id": record.run_id,
            "name": metric.name,
            "value": metric.value,
            "unit": metric.unit,
            "reason": metric.reason,
            **origin,
        }
