"""Free SQL on the ledger: reading only, and never over mixed origins unasked."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MixedOriginsError, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

__all__ = ["QueryResult", "query_arrow", "run_query"]

# Base tables whose rows have an origin. A query may read them through views or macros: the
# binder, not the text, says which base tables it reaches.
_ORIGIN_TABLES = {
    "results": "results",
    "performance_samples": "results",
    "result_details": "results",
    "hardware_compatibility": "hardware_compatibility",
    "web_platform_results": "web_platform_results",
    "content_transfers": "content_transfers",
    "content_source_transfers": "content_transfers",
    "performance_anomalies": "performance_anomalies",
    "performance_profiling": "performance_profiling",
    "performance_timeseries": "performance_timeseries",
    "performance_extended_metrics": "performance_extended_metrics",
}
_ORIGIN_COLUMNS = frozenset({"origin", "origin_reason", "is_simulated", "simulation_reason"})


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query returned.

    Attributes:
        columns: Their names.
        rows: Plain Python values; keys as hex strings, moments in UTC without zone.
    """

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]

    def to_dicts(self) -> list[dict[str, object]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(
    connection: DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> QueryResult:
    """Run one SELECT.

    Raises:
        QueryError: It is not one valid SELECT, or reaches outside the ledger.
        MixedOriginsError: It reads rows of several origins and does not say which it wants.
    """
    _require_select(connection, sql)
    result = connection.execute(sql, list(parameters))
    columns = tuple(str(column[0]) for column in result.description or ())
    rows = [tuple(map(_plain, row)) for row in result.fetchall()]
    _require_one_origin(connection, sql, columns)
    return QueryResult(columns, rows)


def query_arrow(
    connection: DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> pa.Table:
    """Run one SELECT under the same rules into an Arrow table."""
    _require_select(connection, sql)
    table = connection.sql(sql, params=list(parameters)).to_arrow_table()
    _require_one_origin(connection, sql, table.column_names)
    return table


def _require_one_origin(connection: DuckDBPyConnection, sql: str, columns: Sequence[str]) -> None:
    if _names_origin(connection, sql, columns):
        return
    mixed = _mixed_origins(connection, sql)
    if mixed:
        raise MixedOriginsError(
            f"the query mixes rows of origin {', '.join(mixed)}",
            hint="add WHERE origin = 'measured', or select or group by origin",
            details={"origins": mixed},
        )


def _require_select(connection: DuckDBPyConnection, sql: str) -> None:
    import duckdb

    statements = connection.extract_statements(sql)
    kinds = [statement.type for statement in statements]
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(kinds) != 1 or kinds[0] not in allowed:
        names = ", ".join(kind.name for kind in kinds) or "nothing"
        raise QueryError(
            f"only one SELECT at a time is allowed, this is {names}: {sql.strip()[:200]!r}",
            hint="the ledger is written through record_* and `accel db import-json`",
        )


def _mixed_origins(connection: DuckDBPyConnection, sql: str) -> list[str]:
    reached = {_ORIGIN_TABLES[name] for name in _base_tables(connection, sql)}
    for name in sorted(reached):
        found = connection.execute(f"SELECT DISTINCT origin FROM {name} ORDER BY 1").fetchall()  # noqa: S608 (our own table names)
        if len(found) > 1:
            return [str(origin) for (origin,) in found]
    return []


def _base_tables(connection: DuckDBPyConnection, sql: str) -> set[str]:
    import duckdb

    try:
        names = connection.get_table_names(sql)
    except duckdb.BinderException:
        return set(_ORIGIN_TABLES)  # e.g. COLUMNS(…): cannot be told without running, so be strict
    return set(names) & set(_ORIGIN_TABLES)


def _names_origin(connection: DuckDBPyConnection, sql: str, columns: Sequence[str]) -> bool:
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        return False
    nodes = list(_nodes(tree))
    named = {
        str(part).lower()
        for node in nodes
        if node.get("class") == "COLUMN_REF"
        for part in node["column_names"]  # type: ignore[attr-defined]
    }
    if named & _ORIGIN_COLUMNS:
        return True
    has_star = any(node.get("class") == "STAR" for node in nodes)
    return has_star and not _ORIGIN_COLUMNS.isdisjoint(columns)


def _nodes(tree: object) -> Iterator[dict[str, object]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _plain(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value
