"""Results of any DuckDB file, of ours or of the published layout, for a look without migration."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import QueryError
from ipfs_accelerate.store.connection import connect, translated
from ipfs_accelerate.store.lock import Deadline
from ipfs_accelerate.store.reading import rows_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_result_rows"]

_WAIT_S = 5.0
_MOST_ROWS = 100_000
_ROWS = """
SELECT p.* EXCLUDE (metrics), m.model_name, h.hardware_type, h.device_name
FROM performance_results p
LEFT JOIN models m USING (model_id)
LEFT JOIN hardware_platforms h USING (hardware_id)
LIMIT ?"""


def read_result_rows(path: Path) -> list[dict[str, object]]:
    """At most 100,000 rows of ``performance_results`` with names; nothing beside it is created.

    Raises:
        StoreError: The file is no DuckDB database or cannot be opened.
        QueryError: It has no results of a known layout.
    """
    opened = connect(path, read_only=True, deadline=Deadline(_WAIT_S))
    with translated(path), closing(opened) as connection:
        tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        if ("performance_results",) not in tables:
            raise QueryError(f"{path} has no performance_results")
        return rows_of(connection, _ROWS, [_MOST_ROWS])
