"""``accel doctor``: what this machine can do, and what would make it do more."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.output import emit_json, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, RenderableType

    from ipfs_accelerate.cli.diagnosis import Diagnosis
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Device, Support

__all__ = ["command"]

_UNAVAILABLE = 3


@click.command(epilog="Example: accel doctor --json | jq '.targets[] | select(.usable)'")
@json_option
def command(*, as_json: bool) -> int:
    """Say what this machine can do, and why not.

    Exit status 3 when no target can run a model.
    """
    from ipfs_accelerate.config import load_settings

    found = _diagnose(load_settings())
    if as_json:
        emit_json("doctor/1", found.to_dict())
    else:
        _print(found)
    return 0 if found.usable_targets else _UNAVAILABLE


def _diagnose(settings: Settings) -> Diagnosis:
    from rich.console import Console

    from ipfs_accelerate.cli.diagnosis import diagnose

    stderr = Console(stderr=True)
    if not sys.stderr.isatty():
        return diagnose(settings)
    with stderr.status("loading the installed runtimes …"):
        return diagnose(settings)


def _print(found: Diagnosis) -> None:
    from ipfs_accelerate.cli.text import console

    screen = console()
    machine = found.machine
    screen.print(
        f"[bold]IPFS Accelerate {machine['version']}[/] on {machine['host']}: {machine['system']} "
        f"{machine['release']} {machine['machine']}, Python {machine['python']}"
    )
    _section(screen, "Machine", _machine(found))
    browsers = [device for device in found.devices if device.kind.value == "browser"]
    _section(screen, "Devices", map(_device, (d for d in found.devices if d not in browsers)))
    _section(screen, "Browsers", map(_device, browsers))
    _section(screen, "Runtimes", (_row(n, None, s) for n, s in found.runtimes.items()))
    title = f"Targets: {found.usable_targets} of {len(found.targets)} usable"
    _section(screen, title, _targets(found))
    _section(screen, "Sensors", _sensors(found))
    _section(screen, "Ledger", _ledger(found))
    _section(screen, "Settings", ((None, name, value) for name, value in _settings(found)))
    if not found.usable_targets:
        screen.print("\nNo target can run a model here; install a runtime: pip install onnxruntime")
    else:
        screen.print("\nNext: accel bench run ./model --targets all")


def _section(
    screen: Console, title: str, rows: Iterable[tuple[bool | None, str, RenderableType]]
) -> None:
    """A title and aligned rows: mark (or none), name, text."""
    from rich.table import Table

    from ipfs_accelerate.cli.text import mark

    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column(no_wrap=True, min_width=18)
    table.add_column(overflow="fold")
    for usable, name, text in rows:
        table.add_row("" if usable is None else mark(usable=usable), name, text)
    screen.print(f"\n[bold]{title}[/]")
    screen.print(table)


def _device(device: Device) -> tuple[bool, str, RenderableType]:
    """An absent device has no name worth telling."""
    is_found = device.support.usable or device.driver or device.precisions
    return _row(device.id, device.name if is_found else None, device.support)


def _row(name: str, what: str | None, support: Support) -> tuple[bool, str, RenderableType]:
    """What it is, what was found, and after an arrow what to do."""
    from rich.text import Text

    style = "" if support.usable else "dim"
    text = Text(f"{what}: {support.reason}" if what else support.reason, style=style)
    if support.hint:
        text.append(f" → {support.hint}", style="not dim cyan")
    return support.usable, name, text


def _machine(found: Diagnosis) -> Iterator[tuple[None, str, str]]:
    from ipfs_accelerate.cli.text import size

    cpu = next(device for device in found.devices if device.id == "cpu")
    virtual = ", a virtual machine" if cpu.details.get("is_virtual") else ""
    precisions = " ".join(sorted(p.value for p in cpu.precisions))
    yield None, "processor", f"{cpu.name}{virtual}"
    yield (
        None,
        "usable",
        (
            f"{cpu.compute_units} of {cpu.details['physical_cores']} cores, "
            f"{size(cpu.memory_bytes)} memory ({_size(found.machine['available_bytes'])} free)"
        ),
    )
    yield None, "multiplies", f"{precisions} natively"
    if found.machine["load_1min"] is not None:
        yield None, "load", f"{found.machine['load_1min']:.2f} over the last minute"
    for place in found.disk:
        free, total = _size(place["free_bytes"]), _size(place["total_bytes"])
        yield None, "disk", f"{free} free of {total} for {place['path']}"


def _size(value: object) -> str:
    from ipfs_accelerate.cli.text import size

    return size(value if isinstance(value, int) else None)


def _targets(found: Diagnosis) -> Iterator[tuple[bool, str, RenderableType]]:
    """Usable ones by device; the others by reason, those of absent devices in one row."""
    from rich.text import Text

    usable: dict[str, list[str]] = defaultdict(list)
    refused: dict[tuple[str, Support], list[str]] = defaultdict(list)
    absent: dict[str, set[str]] = defaultdict(set)
    missing = {device.id for device in found.devices if not device.support.usable}
    loaded = {name for name, support in found.runtimes.items() if support.usable}
    for target, support in found.targets:
        place = f"{target.runtime}/{target.device}"
        way = "+".join((target.precision.value, *target.options))
        if support.usable:
            usable[place].append(way)
        elif target.device in missing and target.runtime in loaded:
            absent[target.runtime].add(target.device)
        else:
            refused[place, support].append(way)
    for place, ways in usable.items():
        yield True, place, "  ".join(ways)
    for (place, support), ways in refused.items():
        yield _row(place, "  ".join(ways), support)
    for runtime, devices in absent.items():
        yield False, runtime, Text(f"no {', '.join(sorted(devices))} (see Devices)", style="dim")


def _sensors(found: Diagnosis) -> Iterator[tuple[bool, str, RenderableType]]:
    for counter in found.energy:
        yield _row(counter.name, "energy", counter.support)
    for thermometer in found.temperatures:
        celsius = thermometer.read_celsius()
        what = "temperature" if celsius is None else f"{celsius:.1f} °C"
        yield _row(thermometer.name, what, thermometer.support)


def _ledger(found: Diagnosis) -> Iterator[tuple[bool, str, str]]:
    ledger = found.ledger
    stats = ledger.get("stats")
    state = str(ledger["state"])
    if isinstance(stats, dict):
        tables = stats["tables"]
        state += f", {_size(stats['size_bytes'])}, {tables.get('results', 0)} results"
    yield bool(ledger["usable"]), "file", str(ledger["path"])
    yield bool(ledger["usable"]), "state", state


def _settings(found: Diagnosis) -> Iterator[tuple[str, str]]:
    for name, value in found.settings.items():
        is_size = name.endswith("_bytes") and value is not None
        yield name, "not set" if value is None else _size(value) if is_size else str(value)
