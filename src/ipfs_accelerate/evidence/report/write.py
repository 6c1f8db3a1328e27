"""Finds a run in the ledger and writes it in the formats asked for."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.summary import summarise
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.evidence.summary import RunSummary
    from ipfs_accelerate.store import Ledger, RunRecord

__all__ = ["FORMATS", "load_summary", "write"]

#: Format → (module with ``render(summary) -> str``, file suffix).
FORMATS = {
    "html": ("ipfs_accelerate.evidence.report.html", ".html"),
    "markdown": ("ipfs_accelerate.evidence.report.markdown", ".md"),
    "csv": ("ipfs_accelerate.evidence.report.table", ".csv"),
}


def write(
    run_id: str, ledger: Ledger, destination: Path, formats: Sequence[str] = ("html",)
) -> list[Path]:
    """Write a report of one run.

    Args:
        run_id: The run, or a unique beginning of its id.
        ledger: Where it is stored.
        destination: A file (its suffix must fit a single format) or a folder, which gets
            ``report.<suffix>`` for each format.
        formats: Names of `FORMATS`.

    Raises:
        UnknownNameError: A format or the run is unknown.
    """
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError(name, FORMATS)
    summary = load_summary(run_id, ledger)
    written = []
    for name in formats:
        module, suffix = FORMATS[name]
        is_file = destination.suffix == suffix
        path = destination if is_file else _folder_of(destination) / f"report{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, import_module(module).render(summary))
        written.append(path)
    return written


def load_summary(run_id: str, ledger: Ledger) -> RunSummary:
    """Read a run with all its rows, of every origin and status, and rank it."""
    run = _find_run(run_id, ledger)
    records = ledger.performance(
        run_id=run.run_id, statuses=tuple(CaseStatus), origins=tuple(Origin), with_samples=True
    )
    unavailable = run.metadata.get("unavailable")
    return summarise(
        run,
        reversed(records),
        unavailable=unavailable if isinstance(unavailable, dict) else None,
    )


def _find_run(run_id: str, ledger: Ledger) -> RunRecord:
    runs = {run.run_id: run for run in ledger.runs()}
    found = [key for key in runs if key.startswith(run_id)] if run_id else []
    if len(found) > 1:
        raise InputError(f"run {run_id!r} is ambiguous: {', '.join(sorted(found)[:5])}")
    if not found:
        raise UnknownNameError(run_id, runs)
    return runs[found[0]]


def _folder_of(destination: Path) -> Path:
    known = {suffix for _, suffix in FORMATS.values()}
    return destination.parent if destination.suffix in known else destination


def _write_whole(path: Path, text: str) -> None:
    """Write through a temporary file, so that an interrupted write leaves the old report."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
