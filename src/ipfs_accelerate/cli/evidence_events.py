"""``accel evidence events``: what a connector may tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option
from ipfs_accelerate.cli.quantities import moment

if TYPE_CHECKING:
    from datetime import datetime

    from ipfs_accelerate.evidence.regressions import Event

__all__ = ["events"]


@click.command(epilog="Example: accel evidence events --since 2026-01-31T06:00 --json")
@click.option("--since", type=moment, help="Only events since then.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def events(*, since: datetime | None, db: Path | None, as_json: bool) -> None:
    """List findings made and accepted, oldest first, each once; nothing is sent from here."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.regressions import read_events
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    timeout_s = settings.lock_timeout_s
    ledger = Ledger(settings.ledger_path, read_only=True, lock_timeout_s=timeout_s)
    found = read_events(ledger, since=since)
    if as_json:
        emit_json("evidence-events/1", {"events": [event.to_dict() for event in found]})
    for event in () if as_json else found:
        when = f"{event.created_at:%Y-%m-%d %H:%M:%S}"
        print(f"{when}  {event.finding_id}  {event.kind}: {_told(event)}")
    if not found and not as_json:
        print("no event")


def _told(event: Event) -> str:
    facts = event.payload
    if event.kind == "acknowledged":
        return str(facts["reason"])
    change = f"{100 * (float(str(facts['ratio'])) - 1):+.1f} %"
    if facts["kind"] == "variance":
        change = f"scatter × {float(str(facts['ratio'])):.1f}"
    operator = f"{facts['operator']} in " if facts.get("operator") else ""
    case = f"{facts['model_name']} {facts['target']} {facts['test_case']}"
    return f"{facts['severity']}, {change}, {operator}{case}"
