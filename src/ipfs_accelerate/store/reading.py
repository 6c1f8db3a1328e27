"""Results read back as the records they were written from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from ipfs_accelerate.store.records import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.store.rows import DETAIL_FIELDS, RESULT_FIELDS, SERIES_FIELDS, naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

__all__ = ["Criteria", "read_performance", "read_runs", "rows_of"]


class Criteria(TypedDict, total=False):
    """What results to read; a criterion that is absent or ``None`` does not restrict.

    ``statuses`` defaults to ``ok`` and ``origins`` to ``measured``: rows of other origins come
    only when asked for by name.
    """

    model_id: str | None
    model_name: str | None
    hardware_id: str | None
    target: str | None
    test_case: str | None
    task: str | None
    run_id: str | None
    result_id: str | None
    statuses: Sequence[CaseStatus]
    origins: Sequence[Origin]
    since: datetime | None


_COLUMNS = {
    "model_id": "s.model_id",
    "model_name": "m.model_name",
    "hardware_id": "s.hardware_id",
    "target": "s.target",
    "test_case": "s.test_case",
    "task": "s.task",
    "run_id": "r.run_id",
    "result_id": "r.result_id",
}
_RECORD_FIELDS = (*SERIES_FIELDS, *RESULT_FIELDS)


def rows_of(
    connection: DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> list[dict[str, object]]:
    """Run a statement of ours and return its rows by column name."""
    result = connection.execute(sql, list(parameters))
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def read_performance(
    connection: DuckDBPyConnection,
    criteria: Criteria,
    *,
    limit: int | None = None,
    with_samples: bool = False,
) -> list[MeasurementRecord]:
    """Results that meet all criteria, newest first."""
    where, parameters = _where(criteria)
    samples = ", p.samples_ns, p.warmup_ns" if with_samples else ""
    join = "LEFT JOIN performance_samples p USING (result_id)" if with_samples else ""
    fields = ", ".join((*_RECORD_FIELDS, *DETAIL_FIELDS))
    sql = f"""
        WITH chosen AS MATERIALIZED (
            SELECT r.rowid AS number FROM results r
            JOIN series s USING (series_key) JOIN models m USING (model_id)
            WHERE {where} ORDER BY r.created_at DESC, r.rowid DESC LIMIT ?
        )
        SELECT result_id, {fields}{samples} FROM results r JOIN series s USING (series_key)
        LEFT JOIN result_details USING (result_id) {join}
        WHERE r.rowid IN (SELECT number FROM chosen)
        ORDER BY r.created_at DESC, r.rowid DESC"""  # noqa: S608 (column names are ours)
    rows = rows_of(connection, sql, [*parameters, limit])
    models = _models(connection, {str(row["model_id"]) for row in rows})
    hardware = _hardware(connection, {str(row["hardware_id"]) for row in rows})
    return [
        _measurement(row, models[str(row["model_id"])], hardware[str(row["hardware_id"])])
        for row in rows
    ]


def read_runs(connection: DuckDBPyConnection, limit: int | None) -> list[RunRecord]:
    """Runs, newest first."""
    rows = rows_of(
        connection,
        """SELECT * EXCLUDE (execution_time_seconds, created_at) FROM test_runs
        ORDER BY started_at DESC, run_id LIMIT ?""",
        [limit],
    )
    return [RunRecord(**_parsed(row, "metadata")) for row in rows]  # type: ignore[arg-type]


def _where(criteria: Criteria) -> tuple[str, list[object]]:
    given: Mapping[str, object] = criteria
    equal = {c: given[n] for n, c in _COLUMNS.items() if given.get(n) is not None}
    clauses = [f"{column} = ?" for column in equal]
    parameters: list[object] = list(equal.values())
    for column, values in (
        ("r.status", criteria.get("statuses", (CaseStatus.OK,))),
        ("r.origin", criteria.get("origins", (Origin.MEASURED,))),
    ):
        clauses.append(f"{column} IN (SELECT unnest(?::VARCHAR[]))")
        parameters.append([value.value for value in values])
    since = criteria.get("since")
    if since is not None:
        clauses.append("r.created_at >= ?")
        parameters.append(naive_utc(since))
    return " AND ".join(clauses), parameters


def _measurement(
    row: dict[str, object], model: ModelRecord, hardware: HardwareRecord
) -> MeasurementRecord:
    values = _parsed(row, "shapes", "metrics", *DETAIL_FIELDS)
    for name in ("shapes", "metrics", "environment"):
        values[name] = values[name] or {}
    for name in ("samples_ns", "warmup_ns", "flags"):
        values[name] = tuple(values.get(name) or ())  # type: ignore[arg-type]
    for name in ("model_id", "hardware_id"):
        values.pop(name)
    key = values.pop("result_id").hex  # type: ignore[attr-defined]
    values |= {
        "origin": Origin(str(values["origin"])),
        "status": CaseStatus(str(values["status"])),
        "model": model,
        "hardware": hardware,
    }
    record = MeasurementRecord(**values)  # type: ignore[arg-type]
    if record.result_id == key:
        return record
    return MeasurementRecord(**values, imported_key=key)  # type: ignore[arg-type]


def _models(connection: DuckDBPyConnection, ids: set[str]) -> dict[str, ModelRecord]:
    rows = rows_of(
        connection,
        """SELECT model_id, model_name, version, model_family, modality, source, architecture,
        parameters_million, metadata FROM models WHERE model_id IN (SELECT unnest(?::VARCHAR[]))""",
        [sorted(ids)],
    )
    return {str(row.pop("model_id")): ModelRecord(**_parsed(row, "metadata")) for row in rows}  # type: ignore[arg-type]


def _hardware(connection: DuckDBPyConnection, ids: set[str]) -> dict[str, HardwareRecord]:
    rows = rows_of(
        connection,
        """SELECT * EXCLUDE (created_at) FROM hardware_platforms
        WHERE hardware_id IN (SELECT unnest(?::VARCHAR[]))""",
        [sorted(ids)],
    )
    return {str(row.pop("hardware_id")): HardwareRecord(**_parsed(row, "metadata")) for row in rows}  # type: ignore[arg-type]


def _parsed(row: dict[str, object], *json_columns: str) -> dict[str, object]:
    """The row with its JSON parsed and its moments marked as UTC."""
    parsed: dict[str, object] = {}
    for name, value in row.items():
        if name in json_columns:
            value = json.loads(value) if isinstance(value, str) else None  # noqa: PLW2901
            if name == "metadata":
                value = value or {}  # noqa: PLW2901
        elif isinstance(value, datetime):
            value = value.replace(tzinfo=UTC)  # noqa: PLW2901
        parsed[name] = value
    return parsed
