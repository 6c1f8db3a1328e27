"""``accel evidence scan``: reports that present simulated numbers as real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipfs_accelerate.evidence.scanner import Report

__all__ = ["scan"]

_SHOWN_REASONS = 4


@click.command(epilog="Example: accel evidence scan reports/ --mark sidecar")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path)
)
@click.option(
    "--mark",
    type=click.Choice(["sidecar", "banner"]),
    help="Mark suspects: FILE.stale.json, or a banner in Markdown and HTML with a copy kept.",
)
@click.option(
    "--db",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ledger of the machine the reports come from: what it never had speaks against them.",
)
@click.option("--all", "shows_all", is_flag=True, help="List files without any claim too.")
@json_option
def scan(
    *, paths: tuple[Path, ...], mark: str | None, db: Path | None, shows_all: bool, as_json: bool
) -> int:
    """Find reports that present simulated numbers as real; exit 1 when there is one.

    Reads .json, .jsonl, .csv, .md, .txt, .html, .ipynb and DuckDB files, named or below folders.
    """
    from ipfs_accelerate.evidence.scanner import find_reports, scan_file

    missing = _never_available(db)
    files = list(dict.fromkeys(find_reports(paths)))
    found = [scan_file(path, missing=missing) for path in _with_progress(files)]
    suspects = [report for report in found if report.verdict == "suspect"]
    if as_json:
        emit_json("evidence-scan/1", {"files": len(found), "reports": [r.to_dict() for r in found]})
    else:
        _print(found, shows_all=shows_all)
    for report in suspects if mark else ():
        _mark(report, str(mark))
    return 1 if suspects else 0


def _with_progress(files: Sequence[Path]) -> Iterator[Path]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        files, "scanning", console=console, disable=not console.is_terminal, transient=True
    )


def _never_available(db: Path | None) -> set[str]:
    from ipfs_accelerate.store import Ledger

    if db is None:
        return set()
    sql = """SELECT h.hardware_type FROM hardware_availability_log l
        JOIN hardware_platforms h USING (hardware_id)
        GROUP BY 1 HAVING NOT bool_or(l.is_available)"""
    return {str(kind) for (kind,) in Ledger(db, read_only=True).query(sql).rows}


def _mark(report: Report, how: str) -> None:
    from ipfs_accelerate.errors import InputError
    from ipfs_accelerate.evidence.scanner import add_banner, write_sidecar

    try:
        path = write_sidecar(report) if how == "sidecar" else add_banner(report)
    except InputError as error:
        note(f"not marked: {error}")
        return
    note(f"marked already: {report.path}" if path is None else f"wrote {path}")


def _print(found: Sequence[Report], *, shows_all: bool) -> None:
    from collections import Counter

    from ipfs_accelerate.cli.text import console

    screen = console()
    colours = {"suspect": "red", "marked": "green", "not examined": "yellow"}
    for report in sorted(found, key=lambda r: (r.verdict != "suspect", r.path)):
        if report.verdict == "no claim" and not shows_all:
            continue
        screen.print(
            f"{report.verdict:<15}{report.path}",
            style=colours.get(report.verdict, ""), markup=False, emoji=False, soft_wrap=True,
        )  # fmt: skip
        for reason in report.reasons[:_SHOWN_REASONS]:
            place = f"line {reason.line}" if reason.line else "file"
            screen.print(f"    {place}: {reason.text}", markup=False, emoji=False, soft_wrap=True)
        hidden = len(report.reasons) - _SHOWN_REASONS
        if hidden > 0:
            screen.print(f"    and {hidden} more (--json)", style="dim")
    counts = Counter(report.verdict for report in found)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    screen.print(f"{len(found)} files: {told}" if found else "no file of a known kind")
