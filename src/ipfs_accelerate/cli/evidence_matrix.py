"""``accel evidence matrix``: which class of model works on which target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import names

if TYPE_CHECKING:
    from datetime import datetime

    from ipfs_accelerate.evidence.matrix import Matrix

__all__ = ["matrix"]

_SUFFIXES = (".html", ".md", ".json")
_MOST_CAUSES = 12


@click.command(epilog="Example: accel evidence matrix --report matrix.html")
@click.option("--host", help="Which machine; the one with the newest verdict if not given.")
@click.option("--class", "classes", type=names, help="Show these rows: BertModel or BertConfig.")
@click.option("--since", type=click.DateTime(), help="Changes since then (UTC).")
@click.option("--report", type=click.Path(path_type=Path), help="Write .html, .md or .json.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def matrix(
    *,
    host: str | None,
    classes: tuple[str, ...] | None,
    since: datetime | None,
    report: Path | None,
    db: Path | None,
    as_json: bool,
) -> int:
    """Say which class of model works on which target, why not, and what changed.

    `accel bench sweep` and `accel bench run` find the verdicts. Exit status: 1 when something that
    worked before does not any more.
    """
    from ipfs_accelerate.evidence.report.matrix import to_json

    found, total = _read(db, host, since), _total()
    if report is not None:
        _write(found, total, report)
    if as_json:
        emit_json("evidence-matrix/1", to_json(found, total))
    elif classes:
        _print_rows(found, classes)
    else:
        _print(found, total)
    return 1 if any(change.is_worse for change in found.changes) else 0


def _read(db: Path | None, host: str | None, since: datetime | None) -> Matrix:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.matrix import read_matrix
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    ledger = Ledger(settings.ledger_path, read_only=True, lock_timeout_s=settings.lock_timeout_s)
    return read_matrix(ledger, host=host, since=since)


def _total() -> int | None:
    """Configuration classes of the installed `transformers`; ``None`` without it."""
    from ipfs_accelerate.bench.sweep import config_classes
    from ipfs_accelerate.errors import MissingExtraError

    try:
        return len(config_classes())
    except MissingExtraError:
        return None


def _write(found: Matrix, total: int | None, path: Path) -> None:
    import json

    from ipfs_accelerate.evidence.report import matrix as report

    if path.suffix not in _SUFFIXES:
        raise click.BadParameter(f"{path.name!r} does not end with {', '.join(_SUFFIXES)}")
    if path.suffix == ".html":
        text = report.render_html(found, total)
    elif path.suffix == ".md":
        text = report.render_markdown(found, total)
    else:
        text = json.dumps(report.to_json(found, total), indent=2, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    note(f"wrote {path}")


def _print(found: Matrix, total: int | None) -> None:
    from rich.table import Table

    from ipfs_accelerate.cli.text import console
    from ipfs_accelerate.evidence.report.matrix import MARKS, SHARE, headline
    from ipfs_accelerate.store import Verdict

    out = console()
    for line in headline(found, total):
        out.print(line)
    table = Table("target", *(f"{MARKS[v]} {v.value}" for v in Verdict), box=None)
    for target in found.targets:
        table.add_row(target, *(str(n) for n in found.counts(target).values()))
    out.print(table)
    out.print(SHARE, style="dim")
    for change in found.changes[:_MOST_CAUSES]:
        sign = "worse" if change.is_worse else "changed"
        line = f"{sign}: {change.model_class} on {change.target}"
        out.print(f"{line}: {change.before.value} → {change.now.value}", markup=False)
    causes = Table("classes", "target", "stage", "why", "e.g.", box=None, title="Why not")
    for group in found.failures[:_MOST_CAUSES]:
        text = f"{group.error_class}: {group.first_line}"
        example = group.model_classes[0]
        count = str(len(group.model_classes))
        causes.add_row(count, group.target, group.stage or "–", _plain(text[:70]), example)
    if found.failures:
        out.print(causes)
    if len(found.failures) > _MOST_CAUSES:
        note(f"{len(found.failures) - _MOST_CAUSES} rarer causes: --report matrix.html, or --json")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_rows(found: Matrix, classes: tuple[str, ...]) -> None:
    from ipfs_accelerate.errors import UnknownNameError
    from ipfs_accelerate.evidence.report.matrix import MARKS

    known = {r.model_class for r in found.rows} | found.config_classes
    for name in classes:
        if name not in known:
            raise UnknownNameError(name, known)
    for row in found.rows:
        if {row.model_class, row.config_class} & set(classes):
            print(f"{row.model_class} ({row.config_class})")
            for cell in row.cells:
                reason = f": {cell.reason}" if cell.reason else ""
                stage = f" at {cell.stored.stage}" if cell.stored and cell.stored.stage else ""
                print(f"  {MARKS[cell.verdict]} {cell.target}  {cell.verdict.value}{stage}{reason}")
