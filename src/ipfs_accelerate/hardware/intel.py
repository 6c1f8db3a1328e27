"""Intel GPUs (Level Zero, kind ``xpu``) and NPUs (reached through OpenVINO only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.pci import pci_devices, pci_name
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.pci import PciDevice

__all__ = ["find_gpus", "find_npu", "ipfs_accelerate_devices"]

_VENDOR = 0x8086
# Source: Linux drivers/accel/ivpu/ivpu_drv.h.
_NPUS = {
    0x7D1D: "Meteor Lake",
    0xAD1D: "Arrow Lake",
    0x643E: "Lunar Lake",
    0xB03E: "Panther Lake",
    0xFD3E: "Wildcat Lake",
    0xD71D: "Nova Lake",
}
_GROUP_HINT = "sudo usermod -aG render $USER, log in again"


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """Intel GPUs and the NPU of this machine."""
    system = System.local()
    return [*find_gpus(system), find_npu(system)]


def find_gpus(system: System) -> list[Device]:
    """GPUs as Level Zero numbers them, or one entry that says why there are none."""
    cards = [card for card in pci_devices(system, _VENDOR) if card.is_display]
    if cards:
        return [_gpu(system, card, index) for index, card in enumerate(cards)]
    needs = "needs a machine with an Intel GPU"
    where = "on the PCI bus" if system.is_linux else f"that can be probed on {system.os_name}"
    support = Support.no(f"no Intel GPU {where}", needs)
    return [Device(id="xpu", kind=DeviceKind.XPU, name="Intel GPU", support=support)]


def find_npu(system: System) -> Device:
    """The NPU, or an entry that says why there is none."""
    cards = [card for card in pci_devices(system, _VENDOR) if card.device in _NPUS]
    if not cards:
        support = Support.no(
            "no Intel NPU on the PCI bus", "needs an Intel Core Ultra processor and Linux 6.3"
        )
        return Device(id="npu", kind=DeviceKind.OPENVINO, name="Intel NPU", support=support)
    return Device(
        id="npu",
        kind=DeviceKind.OPENVINO,
        name=f"Intel NPU ({_NPUS[cards[0].device]})",
        support=_npu_support(system, cards[0]),
        precisions=frozenset({Precision.FP16, Precision.INT8}),
        driver=_driver(system, cards[0]),
        details={"pci": cards[0].number},
    )


def _gpu(system: System, card: PciDevice, index: int) -> Device:
    return Device(
        id=f"xpu:{index}",
        kind=DeviceKind.XPU,
        name=pci_name(system, card) or f"Intel GPU {card.number}",
        support=_gpu_support(system, card),
        memory_bytes=_local_memory_bytes(system, card),
        precisions=frozenset({Precision.FP32, Precision.FP16, Precision.INT8}),
        driver=_driver(system, card),
        details={"pci": card.number},
    )


def _local_memory_bytes(system: System, card: PciDevice) -> int | None:
    """Memory of a discrete card; ``None`` for one that shares the machine's or does not tell."""
    sizes = [system.read_int(f) for f in system.glob(f"{card.path}/drm/card*/lmem_total_bytes")]
    return next(filter(None, sizes), None)


def _gpu_support(system: System, card: PciDevice) -> Support:
    if card.driver not in {"i915", "xe"}:
        return Support.no(
            f"bound to {card.driver or 'no driver'} instead of i915 or xe", "load i915 or xe"
        )
    node = _node(system, card, "/sys/class/drm/renderD*", "/dev/dri")
    if node is None:
        return Support.no("no render node in /dev/dri", "pass --device=/dev/dri")
    if not system.may_use(system.path(node)):
        return Support.no(f"this user may not open {node}", _GROUP_HINT)
    if not system.find_library("libze_loader.so.1"):
        return Support.no("libze_loader.so.1 is not installed", "apt-get install libze1")
    if not system.find_library("libze_intel_gpu.so.1"):
        return Support.no(
            "libze_intel_gpu.so.1 is not installed", "apt-get install libze-intel-gpu1"
        )
    return Support.yes(f"{node} through Level Zero ({card.driver})")


def _npu_support(system: System, card: PciDevice) -> Support:
    if card.driver != "intel_vpu":
        return Support.no("the kernel driver intel_vpu is not bound", "sudo modprobe intel_vpu")
    node = _node(system, card, "/sys/class/accel/accel*", "/dev/accel")
    if node is None:
        return Support.no("no node in /dev/accel", "pass --device=/dev/accel")
    if not system.may_use(system.path(node)):
        return Support.no(f"this user may not open {node}", _GROUP_HINT)
    if not system.find_library("libze_intel_npu.so.1", "libze_intel_vpu.so.1"):
        return Support.no(
            "libze_intel_npu.so.1 is not installed",
            "install intel-level-zero-npu from github.com/intel/linux-npu-driver/releases",
        )
    return Support.yes(f"{node} through OpenVINO")


def _node(system: System, card: PciDevice, pattern: str, folder: str) -> str | None:
    """Device node whose sysfs entry leads to the card."""
    for entry in system.glob(pattern):
        node = f"{folder}/{entry.rpartition('/')[2]}"
        if system.link_name(f"{entry}/device") == card.address and system.exists(node):
            return node
    return None


def _driver(system: System, card: PciDevice) -> str | None:
    return f"{card.driver} (Linux {system.release})" if card.driver else None
