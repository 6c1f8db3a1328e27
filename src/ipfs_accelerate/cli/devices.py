"""``accel devices``: what hardware this machine has."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import Device

__all__ = ["command"]

_LOCK_TIMEOUT_S = 1.0  # a listing does not wait for a long benchmark


@click.group()
def command() -> None:
    """List the devices of this machine."""


@command.command(
    name="list", epilog="Example: accel devices list --usable --json | jq '.devices[].id'"
)
@click.option("--all/--usable", "show_all", default=True, help="Also those that cannot be used.")
@click.option("--record/--no-record", default=True, help="Record what was found in the ledger.")
@json_option
def list_devices(*, show_all: bool, record: bool, as_json: bool) -> None:
    """List every device with what it can compute, or why it cannot be used.

    What was found is recorded in the ledger's hardware_availability_log.
    """
    from ipfs_accelerate.hardware import detect

    devices = detect()
    shown = [device for device in devices if show_all or device.support.usable]
    if not as_json:
        _print_table(shown, total=len(devices))
    recorded = _record(devices) if record else None
    if as_json:
        facts = [device.to_dict() for device in shown]
        emit_json("devices/1", {"host": platform.node(), "recorded": recorded, "devices": facts})


def _record(devices: Sequence[Device]) -> int | None:
    """Rows written; ``None``, with a note to stderr, when the ledger cannot be opened."""
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.inference.records import hardware_record
    from ipfs_accelerate.store import AvailabilityRecord, Ledger

    now = datetime.now(UTC)
    rows = [
        AvailabilityRecord(
            hardware=hardware_record(device),
            is_available=device.support.usable,
            reason=device.support.reason,
            detected_at=now,
            host=platform.node(),
        )
        for device in devices
    ]
    path = load_settings().ledger_path
    try:
        with Ledger(path, lock_timeout_s=_LOCK_TIMEOUT_S) as ledger:
            return ledger.record_availability(rows)
    except (AccelerateError, OSError) as error:
        note(f"not recorded in {path}: {error}")
        return None


def _print_table(devices: Sequence[Device], *, total: int) -> None:
    from rich.table import Table

    from ipfs_accelerate.cli.text import console, mark, size

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("name", no_wrap=True, max_width=40)
    table.add_column("", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("multiplies", overflow="fold")
    table.add_column("found", overflow="fold", ratio=1)
    for device in devices:
        table.add_row(
            device.id,
            device.kind.value,
            device.name,
            mark(usable=device.support.usable),
            size(device.memory_bytes),
            " ".join(sorted(p.value for p in device.precisions)) or "–",
            device.support.reason,
            style=None if device.support.usable else "dim",
        )
    screen = console()
    screen.print(table)
    usable = sum(device.support.usable for device in devices)
    screen.print(f"\n{usable} of {total} usable; `accel doctor` says how to get the others.")
