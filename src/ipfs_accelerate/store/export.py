"""Writing results of chosen origins to a file other programs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import DiskFullError, InputError, StoreError
from ipfs_accelerate.store.archive import NO_SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ipfs_accelerate.store.ledger import Ledger
    from ipfs_accelerate.telemetry import Origin

__all__ = ["export_results"]

_SQL = """
SELECT p.* REPLACE (replace(p.result_id::VARCHAR, '-', '') AS result_id),
    m.model_name, m.model_family, m.version AS model_version,
    h.hardware_type, h.device_name, h.driver_version, h.host
FROM performance_results p
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
WHERE p.origin IN (SELECT unnest(?::VARCHAR[]))
ORDER BY p.created_at, p.result_id
"""


def export_results(ledger: Ledger, path: Path, origins: Sequence[Origin]) -> int:
    """Write results of these origins with names of models and devices; returns their count.

    Args:
        ledger: To read from.
        path: Ends in ``.json``, ``.csv`` or ``.parquet``; an existing file is replaced when the new
            one is whole.
        origins: Which rows; each row says its own.

    Raises:
        InputError: The suffix is none of these.
    """
    writers: dict[str, Callable[[pa.Table, Path], None]] = {
        ".json": _json,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InputError(f"cannot export to {path.name!r}", hint=f"end it in {', '.join(writers)}")
    table = ledger.arrow(_SQL, [[origin.value for origin in origins]])
    unfinished = path.with_name(path.name + ".part")
    try:
        write(table, unfinished)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        kind = DiskFullError if error.errno in NO_SPACE else StoreError
        raise kind(f"cannot write {path}: {error}") from error
    return int(table.num_rows)


def _json(table: pa.Table, path: Path) -> None:
    rows = table.to_pylist()
    document = {"schema": "ipfs-accelerate/db-export/1", "results": rows}
    path.write_text(json.dumps(document, default=str, allow_nan=False), encoding="utf-8")


def _csv(table: pa.Table, path: Path) -> None:
    from pyarrow import csv

    columns = table.column_names
    flags = [None if f is None else ";".join(f) for f in table.column("flags").to_pylist()]
    csv.write_csv(table.set_column(columns.index("flags"), "flags", [flags]), path)


def _parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, compression="zstd")
