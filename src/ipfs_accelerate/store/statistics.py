"""What a ledger holds, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.store.migrate import applied

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["LedgerStats", "read_stats"]


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """Size, schema and counts of a ledger.

    Attributes:
        path: The file.
        size_bytes: Its size.
        schema_version: Number of the newest migration applied.
        tables: Table → rows.
        origins: Origin → results.
        statuses: Status → results.
        first_result_at: UTC without zone; ``None`` without results.
        last_result_at: Likewise.
    """

    path: str
    size_bytes: int
    schema_version: int
    tables: dict[str, int]
    origins: dict[str, int]
    statuses: dict[str, int]
    first_result_at: datetime | None
    last_result_at: datetime | None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        moments = (self.first_result_at, self.last_result_at)
        first, last = (m.isoformat() + "Z" if m else None for m in moments)
        return {**asdict(self), "first_result_at": first, "last_result_at": last}


def read_stats(connection: DuckDBPyConnection, path: Path) -> LedgerStats:
    """Count everything."""
    names = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"
    ).fetchall()
    span = connection.execute("SELECT min(created_at), max(created_at) FROM results").fetchone()
    assert span is not None
    return LedgerStats(
        path=str(path),
        size_bytes=path.stat().st_size,
        schema_version=max(applied(connection)),
        tables={str(n): _count(connection, f'SELECT count(*) FROM "{n}"') for (n,) in names},  # noqa: S608
        origins=_counts(connection, "origin"),
        statuses=_counts(connection, "status"),
        first_result_at=span[0],
        last_result_at=span[1],
    )


def _count(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _counts(connection: DuckDBPyConnection, column: str) -> dict[str, int]:
    sql = f"SELECT {column}, count(*) FROM results GROUP BY 1 ORDER BY 1"  # noqa: S608
    return {str(value): int(count) for value, count in connection.execute(sql).fetchall()}
