"""``accel gateway report``: what the gateway did, from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.gateway import GatewaySummary

__all__ = ["report"]

_SUFFIXES = (".html", ".md", ".json")


@click.command(epilog="Example: accel gateway report --since 2026-01-01 --report calls.html")
@click.option("--since", type=click.DateTime(), help="Calls since then (UTC).")
@click.option("--route", help="Calls of this route only.")
@click.option(
    "--report", "path", type=click.Path(path_type=Path), help="Write .html, .md or .json."
)
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def report(
    *, since: datetime | None, route: str | None, path: Path | None, db: Path | None, as_json: bool
) -> None:
    """Sum up the calls of gateways that record them: outcomes, times, cost and keys.

    `accel gateway serve --record` records; `accel gateway stats` asks a running server instead.
    """
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.gateway import read_gateway
    from ipfs_accelerate.store import Ledger

    if path is not None and path.suffix not in _SUFFIXES:
        raise click.BadParameter(
            f"{path.name!r} ends in none of {', '.join(_SUFFIXES)}", param_hint="--report"
        )
    settings = load_settings({"db_path": db})
    ledger = Ledger(settings.ledger_path, read_only=True, lock_timeout_s=settings.lock_timeout_s)
    found = read_gateway(ledger, since=since and since.replace(tzinfo=UTC), route=route)
    if path is not None:
        _write(found, path)
    if as_json:
        emit_json("gateway-report/1", found.to_dict())
    else:
        _print(found)


def _write(found: GatewaySummary, path: Path) -> None:
    import json

    from ipfs_accelerate.evidence.report.gateway import to_html, to_markdown

    match path.suffix:
        case ".html":
            text = to_html(found, made_at=datetime.now(UTC))
        case ".md":
            text = to_markdown(found)
        case _:
            text = json.dumps(found.to_dict(), indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    note(f"wrote {path}")


def _print(found: GatewaySummary) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipfs_accelerate.evidence.report.gateway import sentences, tables

    console = Console()
    for sentence in sentences(found):
        console.print(sentence, markup=False, highlight=False)
    for one in tables(found, has_intervals=False):
        shown = Table(title=one.title, title_justify="left", box=None, pad_edge=False)
        for at, name in enumerate(one.columns):
            shown.add_column(name, justify="left" if at < one.names else "right")
        for row in one.rows:
            shown.add_row(*map(Text, row))
        console.print()
        console.print(shown)
