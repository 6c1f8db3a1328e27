"""Importing legacy JSON result files: validate, store, archive the originals, report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store.archive import ArchivedFile, archive
from ipfs_accelerate.store.legacy import (
    LegacyContext,
    Refusal,
    RefusedError,
    legacy_measurement,
)
from ipfs_accelerate.store.records import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ipfs_accelerate.store.ledger import Ledger
    from ipfs_accelerate.store.records import MeasurementRecord

__all__ = ["ImportOptions", "ImportReport", "RefusedRecord", "find_files", "import_json"]

_CHUNK = 20_000
_FREE_SHARE = 0.1  # beyond this, an import gives free space back
_LISTS = ("results", "performance_results", "benchmarks", "benchmark_results", "records", "data")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        batch_size: Taken for records that have none; ``None`` refuses them.
        archive: Keep the originals in a tar.gz beside the ledger.
        delete_originals: Delete each original once its copy in the archive is verified.
    """

    batch_size: int | None = None
    archive: bool = True
    delete_originals: bool = False

    def __post_init__(self) -> None:
        if self.delete_originals and not self.archive:
            raise InputError("originals are only deleted when they are archived")


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One thing that was not imported.

    Attributes:
        file: Where it stands.
        index: Its position in the file; ``None`` when the whole file was refused.
        reason: Its class.
        message: What was found.
    """

    file: str
    index: int | None
    reason: Refusal
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        files: Files read.
        records: Records found in them.
        imported: Rows that are new in the ledger.
        known: Records that were in the ledger already, or twice in the files.
        refused: Everything that was not imported, with its reason.
        archive: The tar.gz with the originals; ``None`` when there is none.
        deleted: Originals deleted after verification.
    """

    files: int = 0
    records: int = 0
    imported: int = 0
    known: int = 0
    refused: list[RefusedRecord] = field(default_factory=list)
    archive: str | None = None
    deleted: list[str] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """Reason → how often."""
        counts: dict[str, int] = {}
        for entry in self.refused:
            counts[entry.reason.value] = counts.get(entry.reason.value, 0) + 1
        return dict(sorted(counts.items()))

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {**asdict(self), "reasons": self.reasons()}


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and all ``*.json`` below the folders named, sorted, each once.

    Raises:
        InputError: A path does not exist, or nothing is found.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted(p.resolve() for p in path.rglob("*.json")))
        elif path.is_file():
            found[path.resolve()] = None
        else:
            raise InputError(f"no such file or folder: {str(path)!r}")
    if not found:
        raise InputError(f"no *.json below {', '.join(map(str, paths))}")
    return list(found)


def import_json(
    ledger: Ledger,
    files: Sequence[Path],
    options: ImportOptions | None = None,
    *,
    progress: Callable[[Path], None] | None = None,
) -> ImportReport:
    """Import legacy files; a record that is refused never stops the others.

    Repeating it changes nothing: a row's key is the hash of its record.

    Args:
        ledger: Open for writing.
        files: See `find_files`.
        options: See `ImportOptions`.
        progress: Called after each file.
    """
    chosen = options or ImportOptions()
    originals = [ArchivedFile.of(path) for path in files]
    run = _run(originals)
    ledger.record_run(run)
    report = ImportReport(files=len(files))
    pending: list[MeasurementRecord] = []
    for original in originals:
        context = LegacyContext(run.run_id, original.path.name, chosen.batch_size)
        for record in _measurements(original.path, context, report):
            pending.append(record)
            if len(pending) >= _CHUNK:
                _store(ledger, pending, report)
        if progress:
            progress(original.path)
    _store(ledger, pending, report)
    ledger.compact(threshold=_FREE_SHARE)
    ledger.finish_run(run.run_id, datetime.now(UTC), success=not report.refused)
    _keep_originals(ledger, originals, chosen, report)
    return report


def _run(originals: Sequence[ArchivedFile]) -> RunRecord:
    digest = hashlib.sha256("".join(sorted(o.sha256 for o in originals)).encode()).hexdigest()
    names = [str(o.path) for o in originals[:1000]]
    return RunRecord(
        run_id=digest[:32],
        test_name="db import-json",
        test_type="performance",
        started_at=datetime.now(UTC),
        metadata={"files": names, "file_count": len(originals)},
    )


def _store(ledger: Ledger, pending: list[MeasurementRecord], report: ImportReport) -> None:
    if pending:
        new = ledger.record_measurements(pending)
        report.imported += new
        report.known += len(pending) - new
        pending.clear()


def _measurements(
    path: Path, context: LegacyContext, report: ImportReport
) -> Iterator[MeasurementRecord]:
    try:
        records, shared = _records(path)
    except RefusedError as error:
        report.refused.append(RefusedRecord(str(path), None, error.reason, str(error)))
        return
    report.records += len(records)
    for index, record in enumerate(records):
        whole = {**shared, **record} if shared and isinstance(record, dict) else record
        try:
            yield legacy_measurement(whole, context)
        except RefusedError as error:
            report.refused.append(RefusedRecord(str(path), index, error.reason, str(error)))


def _records(path: Path) -> tuple[list[object], dict[str, object]]:
    """Records of a file, and what all of them have in common."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(Refusal.UNREADABLE_FILE, f"not JSON: {error}") from error
    if isinstance(document, list):
        return list(_flat(document)), {}
    if not isinstance(document, dict):
        raise RefusedError(Refusal.NO_RECORDS, f"the file is a bare {type(document).__name__}")
    for name in _LISTS:
        listed = document.get(name)
        if isinstance(listed, list):
            shared: dict[str, object] = {
                k: v for k, v in document.items() if isinstance(v, (str, int, float))
            }
            return list(_flat(listed)), shared
    return [document], {}


def _flat(entries: list[object]) -> Iterator[object]:
    """Records in lists of lists, in order; the parser bounds how deep they go."""
    for entry in entries:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry


def _keep_originals(
    ledger: Ledger,
    originals: Sequence[ArchivedFile],
    options: ImportOptions,
    report: ImportReport,
) -> None:
    if not options.archive:
        return
    report.archive = str(archive(originals, beside=ledger.path))
    if options.delete_originals:
        unread = {r.file for r in report.refused}
        for original in originals:
            if str(original.path) not in unread:
                original.path.unlink()
                report.deleted.append(str(original.path))
