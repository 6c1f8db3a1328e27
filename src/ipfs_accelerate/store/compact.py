"""Rewriting a ledger without the space that many small transactions leave free inside it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["compact", "free_bytes"]


def free_bytes(connection: DuckDBPyConnection) -> int:
    """Space inside the file that holds nothing; later rows would use it."""
    row = connection.execute(
        "SELECT block_size * free_blocks FROM pragma_database_size() LIMIT 1"
    ).fetchone()
    return int(row[0]) if row else 0


def compact(path: Path) -> int:
    """Put a copy without free space in the file's place; returns the bytes gained.

    The caller holds the exclusive lock. Killed at any point, the old or the new file is there.
    """
    import duckdb

    fresh = path.with_name(path.name + ".compact")
    fresh.unlink(missing_ok=True)
    before = path.stat().st_size
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CHECKPOINT")
    try:
        with closing(duckdb.connect()) as connection:
            connection.execute(f"ATTACH {_quoted(path)} AS old (READ_ONLY)")
            connection.execute(f"ATTACH {_quoted(fresh)} AS fresh")
            connection.execute("COPY FROM DATABASE old TO fresh")
            connection.execute("CHECKPOINT fresh")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
        Path(f"{fresh}.wal").unlink(missing_ok=True)
    return before - path.stat().st_size


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
