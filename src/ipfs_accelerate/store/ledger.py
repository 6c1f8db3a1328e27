"""The ledger file: one writer, many readers, across processes.

The file is open only while a transaction lasts, under a lock file: shared for readers, exclusive
for the writer. What a ``record_*`` call returned from is on disk, whatever happens next.
"""

from __future__ import annotations

import json
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, Unpack

from ipfs_accelerate.errors import InputError, QueryError, StoreError
from ipfs_accelerate.store import migrate as schema
from ipfs_accelerate.store.compact import compact, free_bytes
from ipfs_accelerate.store.compatibility import insert_details
from ipfs_accelerate.store.connection import connect, translated
from ipfs_accelerate.store.content import insert_transfers
from ipfs_accelerate.store.derived import insert_acknowledgement, insert_findings
from ipfs_accelerate.store.gateway import MOST_CALLS, insert_calls
from ipfs_accelerate.store.lock import LedgerLock
from ipfs_accelerate.store.profiling import insert_profile
from ipfs_accelerate.store.query import QueryResult, query_arrow, run_query
from ipfs_accelerate.store.reading import Criteria, read_performance, read_runs, rows_of
from ipfs_accelerate.store.rows import (
    availability_row,
    compatibility_row,
    hardware_row,
    json_text,
    model_row,
    naive_utc,
    result_row,
    run_row,
)
from ipfs_accelerate.store.statistics import LedgerStats, read_stats
from ipfs_accelerate.store.writing import flat_table, insert_results, insert_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from ipfs_accelerate.store.compatibility import VerdictRecord
    from ipfs_accelerate.store.content import TransferRecord
    from ipfs_accelerate.store.derived import FindingRecord
    from ipfs_accelerate.store.gateway import GatewayCallRecord
    from ipfs_accelerate.store.profiling import ProfileRecord
    from ipfs_accelerate.store.records import (
        AvailabilityRecord,
        CompatibilityRecord,
        HardwareRecord,
        MeasurementRecord,
        ModelRecord,
        RunRecord,
    )

__all__ = ["Ledger"]


class Ledger:
    """What was observed, in one DuckDB file.

    Opening it for writing creates folder and file and applies missing migrations.

    Args:
        path: The file; ``load_settings().ledger_path`` is where the product keeps it.
        read_only: Never create or change anything.
        lock_timeout_s: Longest wait for other processes.

    Raises:
        StoreLockedError: Another process kept it for longer.
        SchemaTooNewError: A newer version of the product wrote it.
        StoreCorruptError: The file is not a ledger.
        StoreError: It does not exist and ``read_only`` is set, or cannot be opened.

    Example:
        >>> with Ledger(path) as ledger:  # doctest: +SKIP
        ...     ledger.record_run(run)
        ...     ledger.record_measurements(records)
        ...     newest = ledger.performance(model_name="org/name", limit=1)
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, lock_timeout_s: float = 30.0
    ) -> None:
        self._path = path.expanduser().absolute()
        self._read_only = read_only
        self._lock = LedgerLock(self._path, timeout_s=lock_timeout_s)
        self._local = threading.local()
        if read_only:
            self._require_file()
            with self._reading() as connection:
                schema.require_current(connection, self._path)
        else:
            self._create_folder()
            self._migrated = self._create_or_migrate()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def migrated(self) -> tuple[str, ...]:
        """Names of the migrations that opening it applied."""
        return () if self._read_only else self._migrated

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open between calls."""

    def record_run(self, run: RunRecord) -> None:
        """Note that a run began; a run that is already known stays as it is."""
        self.record_runs([run])

    def record_runs(self, runs: Iterable[RunRecord]) -> int:
        """Note several runs at once; returns how many were new."""
        with self._transaction() as connection:
            return insert_rows(connection, "test_runs", [run_row(r) for r in runs], stamp=True)

    def finish_run(self, run_id: str, completed_at: datetime, *, success: bool) -> None:
        """Note that a run ended.

        Raises:
            InputError: No such run was recorded.
        """
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE test_runs SET completed_at = ?, success = ? WHERE run_id = ?",
                [naive_utc(completed_at), success, run_id],
            ).fetchone()
            if not changed or changed[0] == 0:
                raise InputError(f"no run {run_id!r} in the ledger", hint="call record_run first")

    def record_models(self, records: Iterable[ModelRecord]) -> int:
        """Store versions of models; returns how many were new."""
        rows = [model_row(m) for m in {m.model_id: m for m in records}.values()]
        with self._transaction() as connection:
            return insert_rows(connection, "models", rows, stamp=True)

    def annotate_model(self, model_id: str, annotations: Mapping[str, object]) -> None:
        """Merge into ``metadata.annotations`` of a model; a value of ``None`` removes its entry.

        Raises:
            InputError: No such model is stored.
        """
        with self._transaction() as connection:
            found = rows_of(
                connection, "SELECT metadata FROM models WHERE model_id = ?", [model_id]
            )
            if not found:
                raise InputError(f"no model {model_id!r} in the ledger", hint="register it first")
            metadata = json.loads(str(found[0]["metadata"] or "{}"))
            merged = {**metadata.get("annotations", {}), **annotations}
            metadata["annotations"] = {k: v for k, v in merged.items() if v is not None}
            connection.execute(
                "UPDATE models SET metadata = ? WHERE model_id = ?",
                [json_text(metadata), model_id],
            )

    def record_measurements(self, records: Iterable[MeasurementRecord]) -> int:
        """Store results with their samples, models and devices; returns how many were new.

        A result whose ``result_id`` is already stored is left as it is.

        Raises:
            InputError: Its run was never recorded, or a value cannot be stored.
            DiskFullError: Nothing of these records is stored, all earlier ones are.
        """
        batch = list(records)
        flat = flat_table([result_row(record) for record in batch])
        with self._transaction() as connection:
            self._record_nouns(connection, batch)
            return insert_results(connection, flat)

    def record_availability(self, records: Iterable[AvailabilityRecord]) -> int:
        """Store what probes found; returns how many were new."""
        batch = list(records)
        with self._transaction() as connection:
            self._record_hardware(connection, [r.hardware for r in batch])
            rows = [availability_row(r) for r in batch]
            return insert_rows(connection, "hardware_availability_log", rows)

    def record_compatibility(self, records: Iterable[CompatibilityRecord]) -> int:
        """Store verdicts on models and targets; returns how many were new."""
        batch = list(records)
        with self._transaction() as connection:
            self._record_nouns(connection, batch)
            rows = [compatibility_row(r) for r in batch]
            return insert_rows(connection, "hardware_compatibility", rows)

    def record_verdicts(self, records: Iterable[VerdictRecord]) -> int:
        """Store verdicts of a sweep with their details; returns how many were new."""
        batch = list(records)
        with self._transaction() as connection:
            self._record_nouns(connection, [r.base for r in batch])
            rows = [compatibility_row(r.base) for r in batch]
            insert_rows(connection, "hardware_compatibility", rows)
            return insert_details(connection, batch)

    def record_transfers(self, records: Iterable[TransferRecord]) -> int:
        """Store fetches of content with their sources; returns how many were new."""
        with self._transaction() as connection:
            return insert_transfers(connection, records)

    def record_gateway_calls(
        self, records: Sequence[GatewayCallRecord], *, most: int = MOST_CALLS
    ) -> int:
        """Store calls of the gateway, drop the oldest above ``most``; returns how many were new."""
        with self._transaction() as connection:
            return insert_calls(connection, records, most=most)

    def record_profile(self, record: ProfileRecord) -> int:
        """Store where the time of a run went; returns how many operators were new."""
        with self._transaction() as connection:
            insert_rows(connection, "models", [model_row(record.model)], stamp=True)
            self._record_hardware(connection, [record.hardware])
            return insert_profile(connection, record)

    def record_findings(self, records: Iterable[FindingRecord]) -> int:
        """Store findings with an event for each new one; returns how many were new."""
        with self._transaction() as connection:
            return insert_findings(connection, records, datetime.now(UTC))

    def acknowledge_finding(self, finding_id: str, reason: str) -> bool:
        """Accept a stored finding; returns whether it had not been accepted before.

        Raises:
            InputError: No such finding is stored, or the reason is empty.
        """
        if not reason.strip():
            raise InputError("an acknowledgement needs a reason", hint="say why it is accepted")
        with self._transaction() as connection:
            sql = "SELECT 1 FROM performance_anomalies WHERE finding_id = ?"
            if not connection.execute(sql, [finding_id]).fetchone():
                raise InputError(f"no finding {finding_id!r} in the ledger")
            return insert_acknowledgement(connection, finding_id, reason, datetime.now(UTC))

    def performance(
        self,
        *,
        limit: int | None = None,
        with_samples: bool = False,
        **criteria: Unpack[Criteria],
    ) -> list[MeasurementRecord]:
        """Results that meet all criteria, newest first; measured and ``ok`` unless told otherwise.

        Args:
            limit: At most so many.
            with_samples: Fill ``samples_ns`` and ``warmup_ns``, which are empty otherwise.
            criteria: See `Criteria`.
        """
        _require_known(criteria)
        with self._reading() as connection:
            return read_performance(connection, criteria, limit=limit, with_samples=with_samples)

    def samples(self, result_id: str) -> np.ndarray:
        """Raw latencies of one result in ns, int64, in order; empty for a failed case.

        Raises:
            InputError: There is no such result.
        """
        import numpy as np

        with self._reading() as connection:
            rows = rows_of(
                connection,
                """SELECT p.samples_ns FROM results r
                LEFT JOIN performance_samples p USING (result_id)
                WHERE r.result_id = try_cast(? AS UUID)""",
                [result_id],
            )
        if not rows:
            raise InputError(f"no result {result_id!r} in the ledger")
        return np.asarray(rows[0]["samples_ns"] or (), dtype=np.int64)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Runs, newest first."""
        with self._reading() as connection:
            return read_runs(connection, limit)

    def stats(self) -> LedgerStats:
        """Size, schema and counts."""
        with self._reading() as connection:
            return read_stats(connection, self._path)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        """Run one SELECT; ``?`` stands for parameters.

        Raises:
            QueryError: It is not one valid SELECT, or reaches outside the ledger.
            MixedOriginsError: It reads rows of several origins and names none.
        """
        with self._reading() as connection:
            return run_query(connection, sql, parameters)

    def arrow(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Like `query`, for large results: an Arrow table, keys as they are stored."""
        with self._reading() as connection:
            return query_arrow(connection, sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads of this thread inside see one state; writers wait meanwhile."""
        with self._reading():
            yield

    def compact(self, *, threshold: float = 0.0) -> int:
        """Give back the free space inside the file; returns the bytes gained.

        Args:
            threshold: Do nothing unless more than this share of the file is free.
        """
        with self._writing() as connection:
            free = free_bytes(connection)
        if free <= threshold * self._path.stat().st_size:
            return 0
        with self._lock.exclusive(), translated(self._path):
            return compact(self._path)

    def _create_or_migrate(self) -> tuple[str, ...]:
        with self._lock.exclusive() as deadline, translated(self._path):
            exists = self._path.exists()
            # A new file gets its name only when it is whole, should we be killed meanwhile.
            path = self._path if exists else self._path.with_name(self._path.name + ".new")
            if not exists:
                path.unlink(missing_ok=True)
            with closing(connect(path, read_only=False, deadline=deadline)) as connection:
                steps = schema.migrate(connection, self._path)
            if not exists:
                path.replace(self._path)
        return tuple(step.name for step in steps)

    def _create_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create the folder of {self._path}: {error}") from error

    def _require_file(self) -> None:
        if not self._path.is_file():
            raise StoreError(
                f"there is no ledger at {self._path}",
                hint="`accel bench run` fills one, `accel db migrate` creates an empty one",
            )

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBPyConnection]:
        if self._read_only:
            raise QueryError(f"{self._path} was opened for reading only")
        with self._writing() as connection:
            connection.begin()
            yield connection
            connection.commit()

    @contextmanager
    def _writing(self) -> Iterator[DuckDBPyConnection]:
        with self._lock.exclusive() as deadline, translated(self._path):
            opened = connect(self._path, read_only=False, deadline=deadline)
            with closing(opened) as connection:
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[DuckDBPyConnection]:
        held: DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if held is not None:
            with translated(self._path):
                yield held
            return
        with self._lock.shared() as deadline, translated(self._path):
            connection = connect(self._path, read_only=True, deadline=deadline)
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None
                connection.close()

    def _record_nouns(
        self,
        connection: DuckDBPyConnection,
        records: Sequence[MeasurementRecord | CompatibilityRecord],
    ) -> None:
        models: dict[str, ModelRecord] = {r.model.model_id: r.model for r in records}
        insert_rows(connection, "models", [model_row(m) for m in models.values()], stamp=True)
        self._record_hardware(connection, [r.hardware for r in records])

    @staticmethod
    def _record_hardware(connection: DuckDBPyConnection, devices: Sequence[HardwareRecord]) -> None:
        known = {d.hardware_id: d for d in devices}
        rows = [hardware_row(d) for d in known.values()]
        insert_rows(connection, "hardware_platforms", rows, stamp=True)


def _require_known(criteria: Criteria) -> None:
    unknown = set(criteria) - set(Criteria.__annotations__)
    if unknown:
        raise TypeError(f"unknown criteria: {', '.join(sorted(unknown))}")
