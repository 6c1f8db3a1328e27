"""Statements that put rows into the ledger; each skips what is already there by its key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store.rows import DETAIL_FIELDS, RESULT_FIELDS, SERIES_FIELDS, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

__all__ = ["FLAT_FIELDS", "insert_results", "insert_rows"]

#: Column → Arrow type of the flat rows that `insert_results` takes.
FLAT_FIELDS = {
    "result_id": "string",
    "series_id": "string",
    **SERIES_FIELDS,
    **RESULT_FIELDS,
    **dict.fromkeys(DETAIL_FIELDS, "string"),
    "samples_ns": "list<int64>",
    "warmup_ns": "list<int64>",
}
_SERIES = ", ".join(SERIES_FIELDS)
_RESULTS = ", ".join(RESULT_FIELDS)
_DETAILS = ", ".join(DETAIL_FIELDS)

_NEW_SERIES = f"""
INSERT INTO series BY NAME
SELECT (row_number() OVER () + (SELECT coalesce(max(series_key), 0) FROM series))::INTEGER
    AS series_key, *
FROM (
    SELECT DISTINCT ON (series_id) series_id, {_SERIES} FROM incoming
    ANTI JOIN series USING (series_id)
)"""  # noqa: S608 (our own column names)
_NEW_RESULTS = f"""
INSERT INTO results BY NAME
SELECT f.result_id::UUID AS result_id, s.series_key, {_RESULTS}
FROM fresh f JOIN series s USING (series_id)"""  # noqa: S608
_NEWEST = """
INSERT INTO newest_results
SELECT s.series_key, f.origin, arg_max(f.result_id::UUID, f.created_at), max(f.created_at)
FROM fresh f JOIN series s USING (series_id)
WHERE f.status = 'ok' GROUP BY s.series_key, f.origin
ON CONFLICT DO UPDATE SET result_id = excluded.result_id, created_at = excluded.created_at
    WHERE excluded.created_at >= newest_results.created_at"""
_NEW_DETAILS = f"""
INSERT INTO result_details BY NAME
SELECT result_id::UUID AS result_id, {_DETAILS} FROM fresh
WHERE coalesce({_DETAILS}) IS NOT NULL"""  # noqa: S608
_NEW_SAMPLES = """
INSERT INTO performance_samples BY NAME
SELECT result_id::UUID AS result_id, samples_ns, warmup_ns FROM fresh
WHERE len(samples_ns) + len(warmup_ns) > 0"""
_KNOWN = """
SELECT result_id FROM results
WHERE result_id IN (SELECT result_id::UUID FROM incoming)"""


def insert_results(connection: DuckDBPyConnection, flat: pa.Table) -> int:
    """Insert flat rows (`FLAT_FIELDS`) whose key is new; returns how many were.

    Raises:
        InputError: A row belongs to a run that was never recorded.
    """
    connection.register("incoming", flat)
    _require_runs(connection)
    connection.execute(_NEW_SERIES)
    fresh = _without(flat, connection)
    connection.register("fresh", fresh)
    for statement in (_NEW_RESULTS, _NEWEST, _NEW_DETAILS, _NEW_SAMPLES):
        connection.execute(statement)
    connection.unregister("incoming")
    connection.unregister("fresh")
    return int(fresh.num_rows)


def insert_rows(
    connection: DuckDBPyConnection,
    name: str,
    rows: Sequence[Mapping[str, object]],
    *,
    stamp: bool = False,
) -> int:
    """Insert rows with a primary key, keeping what is there; returns how many were new.

    Args:
        connection: Open for writing.
        name: The table.
        rows: Its columns, the key first, generated ones left out.
        stamp: Fill ``created_at`` with the present moment.
    """
    by_key: dict[object, Mapping[str, object]] = {}
    for row in rows:
        by_key.setdefault(next(iter(row.values())), row)
    for known in _known_keys(connection, name, by_key):
        del by_key[known]
    now = {"created_at": datetime.now(UTC).replace(tzinfo=None)} if stamp else {}
    for row in by_key.values():
        full = {**row, **now}
        marks = ", ".join("?" * len(full))
        statement = f"INSERT INTO {name} ({', '.join(full)}) VALUES ({marks})"  # noqa: S608
        connection.execute(statement, list(full.values()))
    return len(by_key)


def _known_keys(
    connection: DuckDBPyConnection, name: str, by_key: Mapping[object, Mapping[str, object]]
) -> list[object]:
    if not by_key:
        return []
    key = next(iter(next(iter(by_key.values()))))
    sql = f"SELECT {key} FROM {name} WHERE {key} IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608
    return [found for (found,) in connection.execute(sql, [list(by_key)]).fetchall()]


def _require_runs(connection: DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT DISTINCT run_id FROM incoming ANTI JOIN test_runs USING (run_id) LIMIT 1"
    ).fetchone()
    if found:
        raise InputError(
            f"no run {found[0]!r} in the ledger", hint="call record_run before its measurements"
        )


def _without(flat: pa.Table, connection: DuckDBPyConnection) -> pa.Table:
    """Rows whose key is neither in the ledger nor earlier in ``flat``."""
    known = {key.hex for (key,) in connection.execute(_KNOWN).fetchall()}
    keep = []
    for key in flat.column("result_id").to_pylist():
        keep.append(key not in known)
        known.add(key)
    return flat if all(keep) else flat.filter(keep)


def flat_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Flat rows as the Arrow table that `insert_results` takes."""
    return table(rows, FLAT_FIELDS)
