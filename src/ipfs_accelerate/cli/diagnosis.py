"""Collects what ``accel doctor`` tells, as plain JSON-serialisable facts; prints nothing."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Device, EnergySensor, Support, TemperatureSensor
    from ipfs_accelerate.runtimes import Target

__all__ = ["Diagnosis", "diagnose"]

_LOCK_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Diagnosis:
    """Everything the doctor found.

    Attributes:
        devices: Usable or not.
        runtimes: Name → whether it loads.
        targets: Every target of every runtime.
        energy: Energy counters.
        temperatures: Thermometers.
        machine: Facts about operating system, load and memory.
        ledger: Path, state and size of the ledger.
        settings: In effect.
        disk: Free space where models and ledger are kept.
    """

    devices: Sequence[Device]
    runtimes: dict[str, Support]
    targets: Sequence[tuple[Target, Support]]
    energy: Sequence[EnergySensor]
    temperatures: Sequence[TemperatureSensor]
    machine: dict[str, object]
    ledger: dict[str, object]
    settings: dict[str, object]
    disk: Sequence[dict[str, object]]

    @property
    def usable_targets(self) -> int:
        """How many targets can run a model now."""
        return sum(support.usable for _, support in self.targets)

    def to_dict(self) -> dict[str, object]:
        """The payload of schema ``doctor/1``."""
        devices = [device.to_dict() for device in self.devices]
        return {
            "usable_targets": self.usable_targets,
            "machine": self.machine,
            "devices": devices,
            "browsers": [device for device in devices if device["kind"] == "browser"],
            "runtimes": [{"name": n, **_support(s)} for n, s in self.runtimes.items()],
            "targets": [{"target": str(t), **_support(s)} for t, s in self.targets],
            "sensors": {
                "energy": [_sensor(s) | {"part_of": s.part_of} for s in self.energy],
                "temperature": [
                    _sensor(s) | {"celsius": s.read_celsius()} for s in self.temperatures
                ],
            },
            "ledger": self.ledger,
            "settings": self.settings,
            "disk": self.disk,
        }


def diagnose(settings: Settings) -> Diagnosis:
    """Look at everything; loads every installed runtime, but no model."""
    from ipfs_accelerate import runtimes
    from ipfs_accelerate.hardware import detect, energy_sensors, temperature_sensors

    devices = detect()
    return Diagnosis(
        devices=devices,
        runtimes={name: runtime.probe() for name, runtime in runtimes.runtimes().items()},
        targets=runtimes.targets(devices),
        energy=energy_sensors(),
        temperatures=temperature_sensors(),
        machine=_machine(),
        ledger=_ledger(settings.ledger_path),
        settings=settings.model_dump(mode="json"),
        disk=_disk([settings.home, settings.ledger_path.parent]),
    )


def _machine() -> dict[str, object]:
    from ipfs_accelerate.telemetry import observe_machine

    load = observe_machine()
    return {
        "host": platform.node(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "version": __version__,
        "load_1min": load.load_1min,
        "available_bytes": load.available_bytes,
    }


def _ledger(path: Path) -> dict[str, object]:
    from ipfs_accelerate.store import Ledger

    state: dict[str, object] = {"path": str(path), "usable": True, "error": None}
    if not path.exists():
        return state | {"state": "not created yet: the first recorded result creates it"}
    try:
        with Ledger(path, read_only=True, lock_timeout_s=_LOCK_TIMEOUT_S) as ledger:
            stats = ledger.stats()
    except AccelerateError as error:
        return state | {"usable": False, "state": error.message, "error": error.to_dict()}
    return state | {"state": f"schema {stats.schema_version}", "stats": stats.to_dict()}


def _disk(folders: Iterable[Path]) -> list[dict[str, object]]:
    """Free space of the file systems that hold the folders, existing or still to be made."""
    found: dict[int, dict[str, object]] = {}
    for folder in folders:
        place = next((p for p in (folder, *folder.parents) if p.is_dir()), None)
        if place is None or place.stat().st_dev in found:
            continue
        usage = shutil.disk_usage(place)
        found[place.stat().st_dev] = {
            "path": str(folder),
            "free_bytes": usage.free,
            "total_bytes": usage.total,
        }
    return list(found.values())


def _support(support: Support) -> dict[str, object]:
    return {"usable": support.usable, "reason": support.reason, "hint": support.hint}


def _sensor(sensor: EnergySensor | TemperatureSensor) -> dict[str, object]:
    return {"name": sensor.name, "device_id": sensor.device_id, **_support(sensor.support)}
