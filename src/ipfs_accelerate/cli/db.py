"""``accel db``: look into the ledger, bring it up to date, bring old results in."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.store import ImportReport, Ledger, QueryResult

__all__ = ["command"]

_SHOWN_REFUSALS = 10

db_option = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ledger file; BENCHMARK_DB_PATH or the setting db_path otherwise.",
)


@click.group(epilog="Example: accel db query 'SELECT * FROM latest_performance_metrics'")
def command() -> None:
    """Query, migrate and import into the ledger."""


@command.command(epilog="Example: accel db path")
@db_option
@json_option
def path(db: Path | None, as_json: bool) -> None:  # noqa: FBT001 (an option)
    """Print where the ledger is."""
    from ipfs_accelerate.config import load_settings

    file = load_settings({"db_path": db}).ledger_path
    if as_json:
        emit_json("db-path/1", {"path": str(file), "exists": file.is_file()})
    else:
        print(file)


@command.command(epilog="Example: accel db migrate --db ledger.duckdb")
@db_option
@json_option
def migrate(db: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Create the ledger, bring its tables up to date, or adopt a database of the old layout."""
    _adopt_if_published(db)
    ledger = _open(db, read_only=False)
    if as_json:
        emit_json("db-migrate/1", {"path": str(ledger.path), "applied": list(ledger.migrated)})
    else:
        print(f"{ledger.path}: " + (", ".join(ledger.migrated) or "up to date"))


@command.command(epilog="Example: accel db stats --json")
@db_option
@json_option
def stats(db: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Say what the ledger holds."""
    found = _open(db, read_only=True).stats()
    if as_json:
        emit_json("db-stats/1", found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 2**20:.1f} MiB  schema {found.schema_version}")
    if found.first_result_at and found.last_result_at:
        print(f"results from {found.first_result_at:%Y-%m-%d} to {found.last_result_at:%Y-%m-%d}")
    for title, counts in (("origin", found.origins), ("status", found.statuses)):
        for name, count in counts.items():
            print(f"  {title:8} {name:28} {count:>12,}")
    for name, count in found.tables.items():
        print(f"  {'table':8} {name:28} {count:>12,}")


@command.command(
    epilog="Example: accel db query 'SELECT * FROM performance_results WHERE run_id = ?' -p 4f…"
)
@click.argument("sql")
@click.option("-p", "--parameter", "parameters", multiple=True, help="Value for the next ?.")
@db_option
@json_option
def query(sql: str, parameters: Sequence[str], db: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Run one SELECT, or read it from stdin with ``-``."""
    text = sys.stdin.read() if sql == "-" else sql
    result = _open(db, read_only=True).query(text, parameters)
    if as_json:
        rows = [[_plain(value) for value in row] for row in result.rows]
        emit_json("db-query/1", {"columns": list(result.columns), "rows": rows})
    else:
        _print_table(result)


@command.command("import-json", epilog="Example: accel db import-json old_results/")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--batch-size", type=click.IntRange(1), help="For records that have none.")
@click.option("--delete-originals", is_flag=True, help="Once their archived copies are verified.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the full report.",
)
@db_option
@json_option
def import_json(
    paths: Sequence[Path],
    batch_size: int | None,
    delete_originals: bool,  # noqa: FBT001
    report: Path | None,
    db: Path | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Import legacy JSON result files or folders; exit status 1 when records were refused."""
    from ipfs_accelerate import store

    files = store.find_files(paths)
    options = store.ImportOptions(batch_size, delete_originals=delete_originals)
    ledger = _open(db, read_only=False)
    with _Progress(files) as progress:
        done = store.import_json(ledger, files, options, progress=progress)
    target = report or Path(str(done.archive).removesuffix(".tar.gz") + ".report.json")
    target.write_text(json.dumps(done.to_dict(), indent=1), encoding="utf-8")
    if as_json:
        emit_json("db-import/1", {**done.to_dict(), "report": str(target)})
    else:
        _print_report(done, target)
    return 1 if done.refused else 0


@command.command(epilog="Example: accel db export results.parquet --origin measured")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--origin", "origins", multiple=True, help="Measured unless given; repeatable.")
@db_option
@json_option
def export(file: Path, origins: Sequence[str], db: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Write results to a .json, .csv or .parquet file."""
    from ipfs_accelerate.errors import UnknownNameError
    from ipfs_accelerate.store import export_results
    from ipfs_accelerate.telemetry import Origin

    known = {origin.value: origin for origin in Origin}
    unknown = [name for name in origins if name not in known]
    if unknown:
        raise UnknownNameError(unknown[0], known)
    chosen = [known[name] for name in origins] or [Origin.MEASURED]
    count = export_results(_open(db, read_only=True), file, chosen)
    facts = {"file": str(file), "results": count, "origins": [o.value for o in chosen]}
    if as_json:
        emit_json("db-export/1", facts)
    else:
        print(f"{file}: {count:,} results of origin {', '.join(o.value for o in chosen)}")


def _adopt_if_published(db: Path | None) -> None:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.store import adopt_published, is_published

    settings = load_settings({"db_path": db})
    file, wait = settings.ledger_path, settings.lock_timeout_s
    if is_published(file, lock_timeout_s=wait):
        done = adopt_published(file, lock_timeout_s=wait)
        note(f"adopted {done.imported:,} results; the original is now {done.original}")
        for entry in done.refused:
            note(f"refused row {entry.index}: {entry.message}")


def _open(db: Path | None, *, read_only: bool) -> Ledger:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    return Ledger(settings.ledger_path, read_only=read_only, lock_timeout_s=settings.lock_timeout_s)


class _Progress:
    """A bar over the bytes of the files on stderr; silent where nobody looks."""

    def __init__(self, files: Sequence[Path]) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("import", total=sum(f.stat().st_size for f in files))

    def __enter__(self) -> Callable[[Path], None]:
        self._bar.start()
        return lambda file: self._bar.advance(self._task, file.stat().st_size)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _print_table(result: QueryResult) -> None:
    """A table for people; tab-separated lines for a pipe, which has no width."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [["" if v is None else str(_plain(v)) for v in row] for row in result.rows]
    console = Console()
    if not console.is_terminal:
        for row in (list(result.columns), *rows):
            print("\t".join(row))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in result.columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_report(report: ImportReport, target: Path) -> None:
    print(
        f"{report.files} files, {report.records:,} records: {report.imported:,} imported, "
        f"{report.known:,} known already, {len(report.refused):,} refused"
    )
    for reason, count in report.reasons().items():
        print(f"  {count:>8,} {reason}")
    for entry in report.refused[:_SHOWN_REFUSALS]:
        place = entry.file if entry.index is None else f"{entry.file}[{entry.index}]"
        note(f"refused {place}: {entry.message}")
    print(f"originals: {report.archive}\nreport: {target}")
    if report.deleted:
        print(f"deleted {len(report.deleted)} originals")


def _plain(value: object) -> object:
    """A value as JSON knows it."""
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
