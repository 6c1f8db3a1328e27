"""ROCm devices, read from the kernel's compute topology."""

from __future__ import annotations

import itertools
from dataclasses import replace

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.pci import PciDevice, pci_devices, pci_name, read_pci_device
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

__all__ = ["find_amd", "gfx_name", "ipfs_accelerate_devices"]

_VENDOR = 0x1002
_NODES = "/sys/class/kfd/kfd/topology/nodes"
_NEEDS = "needs a machine with an AMD GPU and the amdgpu driver"
_HIDDEN = Support.no(
    "hidden by ROCR_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES", "unset both variables"
)
_ALWAYS = {Precision.FP32, Precision.FP64, Precision.FP16}
# Source: AMD instruction set guides (CDNA 1-4, RDNA 2-4): dot products and matrix cores.
_NATIVE = {
    "gfx906": {Precision.INT8},
    "gfx908": {Precision.INT8, Precision.BF16},
    "gfx90a": {Precision.INT8, Precision.BF16},
    "gfx942": {Precision.INT8, Precision.BF16, Precision.FP8, Precision.TF32},
    "gfx950": {Precision.INT8, Precision.BF16, Precision.FP8},
    "gfx103": {Precision.INT8, Precision.INT4},
    "gfx11": {Precision.INT8, Precision.INT4, Precision.BF16},
    "gfx12": {Precision.INT8, Precision.INT4, Precision.BF16, Precision.FP8},
}


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """AMD GPUs of this machine."""
    return find_amd(System.local())


def find_amd(system: System) -> list[Device]:
    """GPUs of the compute topology, or one entry that says why there are none."""
    nodes = [node for node in system.glob(f"{_NODES}/*") if _number(system, node, "simd_count")]
    if nodes:
        visible = _visible(nodes, system)
        hidden = [node for node in nodes if node not in visible]
        return [
            *(_device(system, node, f"rocm:{n}") for n, node in enumerate(visible)),
            *(
                replace(_device(system, n, f"rocm-hidden:{n.rpartition('/')[2]}"), support=_HIDDEN)
                for n in hidden
            ),
        ]
    cards = [card for card in pci_devices(system, _VENDOR) if card.is_display]
    if not cards:
        return [_absent(Support.no("no AMD GPU on the PCI bus", _NEEDS))]
    name = pci_name(system, cards[0]) or cards[0].number
    state = f"bound to {cards[0].driver}" if cards[0].driver else "without a driver"
    return [
        _absent(
            Support.no(
                f"{name} is here ({state}), but the kernel offers no compute topology",
                "apt-get install firmware-amd-graphics, load amdgpu, then reboot",
            )
        )
    ]


def gfx_name(version: int) -> str:
    """Name of a target version as the kernel writes it: 90010 is ``gfx90a``.

    Source: Linux include/uapi/linux/kfd_sysfs.h and LLVM AMDGPU usage.
    """
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def _device(system: System, node: str, name: str) -> Device:
    version = _number(system, node, "gfx_target_version")
    gfx = gfx_name(version) if version else None
    simds, per_unit = _number(system, node, "simd_count"), _number(system, node, "simd_per_cu")
    minor = _number(system, node, "drm_render_minor")
    card = read_pci_device(system, f"/sys/class/drm/renderD{minor}/device") if minor else None
    return Device(
        id=name,
        kind=DeviceKind.ROCM,
        name=_name(system, node, card, gfx),
        support=_support(system, minor, gfx),
        memory_bytes=_memory_bytes(system, node),
        compute_units=simds // per_unit if simds and per_unit else None,
        precisions=_precisions(gfx),
        features=frozenset({gfx} if gfx else ()),
        driver=system.read("/sys/module/amdgpu/version") or f"amdgpu (Linux {system.release})",
        details={"gfx": gfx, "rocm": system.read("/opt/rocm/.info/version")},
    )


def _visible(nodes: list[str], system: System) -> list[str]:
    """Nodes as HIP numbers them. Source: ROCm documentation, "GPU isolation techniques"."""
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if (value := system.environ.get(variable)) is not None:
            entries = itertools.takewhile(str.isdigit, (e.strip() for e in value.split(",")))
            nodes = [nodes[int(e)] for e in entries if int(e) < len(nodes)]
    return nodes


def _number(system: System, node: str, key: str) -> int | None:
    value = system.read_fields(f"{node}/properties", " ").get(key, "")
    return int(value) if value.isdigit() else None


def _name(system: System, node: str, card: PciDevice | None, gfx: str | None) -> str:
    product = system.read(f"{card.path}/product_name") if card else None
    listed = pci_name(system, card) if card else None
    chip = system.read(f"{node}/name") or gfx
    return product or listed or f"AMD GPU ({chip})"


def _memory_bytes(system: System, node: str) -> int | None:
    """Local memory: heaps 1 (visible) and 2 (private) of the node."""
    banks = [
        system.read_fields(f"{bank}/properties", " ") for bank in system.glob(f"{node}/mem_banks/*")
    ]
    sizes = [
        int(bank["size_in_bytes"])
        for bank in banks
        if bank.get("heap_type") in {"1", "2"} and bank.get("size_in_bytes", "").isdigit()
    ]
    return sum(sizes) or None


def _precisions(gfx: str | None) -> frozenset[Precision]:
    if gfx is None:
        return frozenset()
    extra = next((p for prefix, p in _NATIVE.items() if gfx.startswith(prefix)), set())
    return frozenset(_ALWAYS | extra)


def _support(system: System, minor: int | None, gfx: str | None) -> Support:
    for node in ("/dev/kfd", f"/dev/dri/renderD{minor}"):
        if not system.exists(node):
            return Support.no(f"{node} is missing", "pass --device=/dev/kfd --device=/dev/dri")
        if not system.may_use(system.path(node)):
            return Support.no(
                f"this user may not open {node}",
                "sudo usermod -aG render,video $USER, log in again",
            )
    return Support.yes(f"{gfx or 'unknown target'} through /dev/kfd")


def _absent(support: Support) -> Device:
    return Device(id="rocm", kind=DeviceKind.ROCM, name="AMD GPU", support=support)
