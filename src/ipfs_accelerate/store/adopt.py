"""Taking over a database of the published layout, which has no origins and no migrations."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import QueryError, StoreError
from ipfs_accelerate.store.connection import connect, translated
from ipfs_accelerate.store.importing import RefusedRecord
from ipfs_accelerate.store.ledger import Ledger
from ipfs_accelerate.store.legacy import LegacyContext, RefusedError, legacy_measurement
from ipfs_accelerate.store.lock import LedgerLock
from ipfs_accelerate.store.reading import rows_of
from ipfs_accelerate.store.records import RunRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AdoptionReport", "adopt_published", "is_published"]

_ROWS = """
SELECT p.*, m.model_name, m.model_family, m.modality, h.hardware_type, h.device_name, h.platform
FROM performance_results p
LEFT JOIN models m USING (model_id)
LEFT JOIN hardware_platforms h USING (hardware_id)
ORDER BY p.created_at"""


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What became of a published database.

    Attributes:
        original: Where it is now; it is never deleted.
        imported: Results that are in the ledger.
        refused: Those that are not, with the reason.
    """

    original: Path
    imported: int
    refused: Sequence[RefusedRecord]


def is_published(path: Path, *, lock_timeout_s: float = 30.0) -> bool:
    """Whether a file is a database of the published layout that was not adopted yet."""
    if not path.is_file():
        return False
    names = {str(row["name"]) for row in _read(path, _TABLES, lock_timeout_s)}
    return "performance_results" in names and "schema_migrations" not in names


_TABLES = "SELECT table_name AS name FROM duckdb_tables() WHERE NOT internal"


def adopt_published(path: Path, *, lock_timeout_s: float = 30.0) -> AdoptionReport:
    """Put a ledger with its results in the file's place, the original beside it.

    Rows get the origin ``imported``, or ``simulated`` where they say so.

    Raises:
        StoreError: The original cannot be read, or a copy from an earlier try is in the way.
    """
    original = path.with_name(path.name + ".published")
    if original.exists():
        raise StoreError(f"{original} is in the way", hint="move it elsewhere and repeat")
    try:
        rows = _read(path, _ROWS, lock_timeout_s)
    except QueryError as error:
        raise StoreError(f"{path} has not the published columns: {error.message}") from error
    fresh = path.with_name(path.name + ".adopting")
    fresh.unlink(missing_ok=True)
    imported, refused = _fill(Ledger(fresh, lock_timeout_s=lock_timeout_s), path, rows)
    with LedgerLock(path, timeout_s=lock_timeout_s).exclusive():
        os.link(path, original)
        fresh.replace(path)
    for suffix in (".lock", ".gate"):
        Path(f"{fresh}{suffix}").unlink(missing_ok=True)
    return AdoptionReport(original, imported, refused)


def _read(path: Path, sql: str, lock_timeout_s: float) -> list[dict[str, object]]:
    with (
        LedgerLock(path, timeout_s=lock_timeout_s).shared() as deadline,
        translated(path),
        closing(connect(path, read_only=True, deadline=deadline)) as connection,
    ):
        return rows_of(connection, sql)


def _fill(
    ledger: Ledger, path: Path, rows: Sequence[dict[str, object]]
) -> tuple[int, list[RefusedRecord]]:
    now = datetime.now(UTC)
    run = RunRecord(uuid.uuid4().hex, "db migrate", "performance", now)
    context = LegacyContext(run.run_id, path.name)
    good, refused = [], []
    for index, row in enumerate(rows):
        try:
            good.append(legacy_measurement(_record(row), context))
        except RefusedError as error:
            refused.append(RefusedRecord(str(path), index, error.reason, str(error)))
    ledger.record_run(run)
    imported = ledger.record_measurements(good)
    ledger.finish_run(run.run_id, datetime.now(UTC), success=not refused)
    return imported, refused


def _record(row: dict[str, object]) -> dict[str, object]:
    record = {
        k: v for k, v in row.items() if v is not None and k not in {"model_id", "hardware_id"}
    }
    for name, value in record.items():
        if isinstance(value, datetime):
            record[name] = value.isoformat()
    metrics = record.pop("metrics", None)
    if isinstance(metrics, str):
        record["metrics"] = json.loads(metrics)
    return record
