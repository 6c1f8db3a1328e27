"""Asks every device plugin once per process."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.hardware.device import Device, DeviceKind
from ipfs_accelerate.hardware.system import natural_key
from ipfs_accelerate.plugins import plugin_manager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pluggy import PluginManager

__all__ = ["detect"]

logger = logging.getLogger(__name__)

_lock = Lock()
_found: tuple[Device, ...] | None = None


def detect(*, refresh: bool = False) -> tuple[Device, ...]:
    """Every device of this machine, usable or not, the processor first.

    Each kind of hardware has at least one entry; that of an absent kind says what is missing.
    Always the same order: by kind, then by id.

    Args:
        refresh: Look again instead of returning what this process found before.
    """
    global _found  # noqa: PLW0603 (the cache of the process)
    with _lock:
        if _found is None or refresh:
            _found = order(ask_plugins(plugin_manager()))
        return _found


def order(devices: Iterable[Device]) -> tuple[Device, ...]:
    """Sort by kind, then by id; of devices with equal ids only the first stays."""
    kinds = list(DeviceKind)
    unique: dict[str, Device] = {}
    for device in devices:
        if unique.setdefault(device.id, device) is not device:
            logger.warning("two plugins report a device %r; the first is kept", device.id)
    return tuple(sorted(unique.values(), key=lambda d: (kinds.index(d.kind), natural_key(d.id))))


def ask_plugins(manager: PluginManager) -> list[Device]:
    """Devices of all plugins; one that raises is logged and left out."""
    devices: list[Device] = []
    for implementation in manager.hook.ipfs_accelerate_devices.get_hookimpls():
        try:
            devices += cast("Iterable[Device]", implementation.function())
        except Exception:  # a foreign plugin may raise anything; ours have tests that they do not
            logger.exception("device plugin %r failed and was left out", implementation.plugin_name)
    return devices
