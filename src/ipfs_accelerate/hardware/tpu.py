"""Google's TPUs: cloud boards on the PCI bus, Edge TPUs on PCI or USB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.pci import pci_devices, usb_devices
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.pci import PciDevice

__all__ = ["find_tpus", "ipfs_accelerate_devices"]

_GOOGLE = 0x1AE0
_GLOBAL_UNICHIP = 0x1AC1
# Source: JAX, jax/_src/hardware_utils.py.
_BOARDS = {
    0x0027: "TPU v2/v3",
    0x005E: "TPU v4",
    0x0062: "TPU v5p",
    0x0063: "TPU v5e",
    0x006F: "TPU v6e",
    0x0076: "TPU v7",
}
# Before and after its firmware is loaded. Source: Coral, "Get started with the USB Accelerator".
_EDGE_USB = {"1a6e:089a", "18d1:9302"}
_EDGE_PCI = 0x089A


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """TPUs of this machine."""
    return find_tpus(System.local())


def find_tpus(system: System) -> list[Device]:
    """Every chip, or one entry that says why there is none."""
    boards = [card for card in pci_devices(system, _GOOGLE) if card.device in _BOARDS]
    found = [_cloud(system, card, index) for index, card in enumerate(boards)]
    edge_cards = [card for card in pci_devices(system, _GLOBAL_UNICHIP) if card.device == _EDGE_PCI]
    if edge_cards:
        found.append(_edge(system, "Edge TPU (PCIe)", "/dev/apex_0"))
    elif usb_devices(system) & _EDGE_USB:
        found.append(_edge(system, "Edge TPU (USB)", None))
    support = Support.no(
        "no TPU on the PCI or USB bus", "needs a Cloud TPU machine or a Coral Edge TPU"
    )
    return found or [Device("tpu", DeviceKind.TPU, "Google TPU", support)]


def _cloud(system: System, card: PciDevice, index: int) -> Device:
    return Device(
        id=f"tpu:{index}",
        kind=DeviceKind.TPU,
        name=f"Google {_BOARDS[card.device]}",
        support=_cloud_support(system, index),
        precisions=frozenset({Precision.FP32, Precision.BF16, Precision.INT8}),
        driver=card.driver,
        details={"pci": card.number},
    )


def _cloud_support(system: System, index: int) -> Support:
    nodes = [
        n for n in (f"/dev/accel{index}", *system.glob("/dev/vfio/[0-9]*")) if system.exists(n)
    ]
    if not nodes:
        return Support.no("no node /dev/accel* or /dev/vfio/*", "run in a privileged container")
    if system.first_usable(nodes) is None:
        return Support.no(f"this user may not open {nodes[0]}", "run as root or in its group")
    if not (system.find_package("libtpu") or system.find_library("libtpu.so")):
        return Support.no("libtpu is not installed", "pip install libtpu")
    return Support.yes(f"{nodes[0]} with libtpu")


def _edge(system: System, name: str, node: str | None) -> Device:
    return Device(
        id="edgetpu:0",
        kind=DeviceKind.TPU,
        name=name,
        support=_edge_support(system, node),
        precisions=frozenset({Precision.INT8}),
    )


def _edge_support(system: System, node: str | None) -> Support:
    if node and not system.exists(node):
        return Support.no(f"{node} is missing", "install the gasket driver (gasket-dkms)")
    if node and not system.may_use(system.path(node)):
        return Support.no(f"this user may not open {node}", "sudo usermod -aG apex $USER")
    library = system.find_library("libedgetpu.so.1")
    if library is None:
        return Support.no("libedgetpu.so.1 is not installed", "apt-get install libedgetpu1-std")
    return Support.yes(f"{node or 'USB'} with {library}")
