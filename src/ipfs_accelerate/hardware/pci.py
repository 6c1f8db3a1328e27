"""What sits on the PCI and USB buses, with or without a driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.system import System

__all__ = ["PciDevice", "pci_devices", "pci_name", "usb_devices"]

_DISPLAY_CLASS = 0x03


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One function on the bus.

    Attributes:
        path: Its folder in sysfs.
        vendor: Vendor number.
        device: Device number.
        base_class: Highest byte of the class code; 3 is a display controller.
        driver: Kernel driver bound to it; ``None`` when there is none.
    """

    path: str
    vendor: int
    device: int
    base_class: int
    driver: str | None

    @property
    def is_display(self) -> bool:
        """Whether it is a graphics adapter."""
        return self.base_class == _DISPLAY_CLASS

    @property
    def address(self) -> str:
        """Position on the bus, ``0000:03:00.0``."""
        return self.path.rpartition("/")[2]

    @property
    def number(self) -> str:
        """``vendor:device`` in hexadecimal."""
        return f"{self.vendor:04x}:{self.device:04x}"


def pci_devices(system: System, vendor: int) -> list[PciDevice]:
    """All devices of a vendor, in the order of their addresses."""
    found = []
    for path in system.glob("/sys/bus/pci/devices/*"):
        device = read_pci_device(system, path)
        if device and device.vendor == vendor:
            found.append(device)
    return found


def read_pci_device(system: System, path: str) -> PciDevice | None:
    """The device behind a sysfs folder (or a link to one); ``None`` when it is no PCI device."""
    vendor, device = system.read_int(f"{path}/vendor"), system.read_int(f"{path}/device")
    if vendor is None or device is None:
        return None
    class_code = system.read_int(f"{path}/class") or 0
    return PciDevice(
        path, vendor, device, base_class=class_code >> 16, driver=system.link_name(f"{path}/driver")
    )


def pci_name(system: System, device: PciDevice) -> str | None:
    """Product name from the system's ``pci.ids``; ``None`` without that file or entry."""
    for file in ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"):
        text = f"{system.read(file)}\n"
        section = re.search(rf"^{device.vendor:04x}  .*\n((?:\t.*\n|#.*\n)*)", text, re.MULTILINE)
        entry = section and re.search(rf"^\t{device.device:04x}  (.+)$", section[1], re.MULTILINE)
        if entry:
            return entry[1]
    return None


def usb_devices(system: System) -> set[str]:
    """``vendor:product`` of everything plugged in, four lower-case hexadecimal digits each."""
    return {
        f"{vendor}:{system.read(f'{path}/idProduct')}"
        for path in system.glob("/sys/bus/usb/devices/*")
        if (vendor := system.read(f"{path}/idVendor"))
    }
