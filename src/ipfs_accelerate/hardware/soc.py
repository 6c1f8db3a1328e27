"""Which system-on-chip this is, from the kernel, the device tree or Android's properties."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.system import System

__all__ = ["Soc", "read_soc"]

# What the three sources call the vendors.
_VENDORS = {
    "qualcomm": "qualcomm",
    "qti": "qualcomm",
    "qcom": "qualcomm",
    "snapdragon": "qualcomm",
    "mediatek": "mediatek",
    "samsung": "samsung",
    "exynos": "samsung",
    "rockchip": "rockchip",
    "google": "google",
    "nvidia": "nvidia",
    "amlogic": "amlogic",
    "brcm": "broadcom",
}
_MODEL = re.compile(
    r"\b((?:SM|SC|SA|QCS|QCM|QRB|SDM|MSM|MT|RK)\d{3,5}\w*|X1[EP]\d+|exynos\d+)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Soc:
    """A system-on-chip.

    Attributes:
        vendor: ``qualcomm``, ``mediatek``, ``samsung`` or another name in lower case.
        model: Part number such as ``SM8550`` in capitals; ``None`` when not told.
        source: The file it was read from.
    """

    vendor: str
    model: str | None
    source: str


def read_soc(system: System) -> Soc | None:
    """The system-on-chip; ``None`` where nothing names one (as on every PC)."""
    return _from_sysfs(system) or _from_properties(system) or _from_device_tree(system)


def _from_sysfs(system: System) -> Soc | None:
    base = "/sys/devices/soc0"
    texts = [system.read(f"{base}/{name}") or "" for name in ("vendor", "family", "machine")]
    return _soc(" ".join(texts), base)


def _from_properties(system: System) -> Soc | None:
    for file in ("/vendor/build.prop", "/system/build.prop"):
        facts = system.read_fields(file, "=")
        names = ("ro.soc.manufacturer", "ro.soc.model", "ro.board.platform")
        found = _soc(" ".join(facts.get(name, "") for name in names), file)
        if found:
            return found
    return None


def _from_device_tree(system: System) -> Soc | None:
    file = "/proc/device-tree/compatible"
    # The board comes first, the chip it is built on last.
    entries = reversed((system.read(file) or "").split("\0"))
    return next(filter(None, (_soc(entry.replace(",", " "), file) for entry in entries)), None)


def _soc(text: str, source: str) -> Soc | None:
    words = re.findall(r"[a-z]+", text.lower())
    vendor = next((_VENDORS[word] for word in words if word in _VENDORS), None)
    model = _MODEL.search(text)
    return Soc(vendor, model[1].upper() if model else None, source) if vendor else None
