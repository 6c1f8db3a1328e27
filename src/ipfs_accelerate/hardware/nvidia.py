"""CUDA devices, read from NVML; no context is created on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.nvml import Nvml, NvmlUnavailable
from ipfs_accelerate.hardware.pci import pci_devices, pci_name
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.nvml import NvmlGpu

__all__ = ["find_nvidia", "ipfs_accelerate_devices", "visible_order"]

_VENDOR = 0x10DE
# Compute capability from which (and up to which) a format is multiplied in hardware.
# Source: CUDA C++ Programming Guide, tables "Throughput of Native Arithmetic Instructions" and
# "Tensor Core data types"; sub-byte tensor cores end with 8.9.
_NATIVE: tuple[tuple[Precision, tuple[int, int], tuple[int, int]], ...] = (
    (Precision.FP32, (0, 0), (99, 0)),
    (Precision.FP64, (1, 3), (99, 0)),
    (Precision.FP16, (5, 3), (99, 0)),
    (Precision.INT8, (6, 1), (99, 0)),
    (Precision.INT4, (7, 5), (8, 9)),
    (Precision.BINARY, (7, 5), (8, 9)),
    (Precision.TF32, (8, 0), (99, 0)),
    (Precision.BF16, (8, 0), (99, 0)),
    (Precision.FP8, (8, 9), (99, 0)),
)
# CUDA cores per multiprocessor. Source: CUDA C++ Programming Guide, "Compute Capabilities".
_CORES_PER_UNIT = {(5, 0): 128, (5, 2): 128, (6, 0): 64, (6, 1): 128, (7, 0): 64, (7, 2): 64}
_CORES_PER_UNIT |= {(7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 7): 128, (8, 9): 128, (9, 0): 128}
_CORES_PER_UNIT |= {(10, 0): 128, (10, 3): 128, (11, 0): 128, (12, 0): 128, (12, 1): 128}


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """NVIDIA GPUs of this machine."""
    return find_nvidia(System.local())


def find_nvidia(system: System) -> list[Device]:
    """GPUs as CUDA numbers them, hidden ones after those, or one entry that says why not."""
    try:
        nvml = Nvml(system)
    except NvmlUnavailable as error:
        return [_absent(_why_no_nvml(system, str(error)))]
    gpus = nvml.gpus()
    if not gpus:
        return [_absent(Support.no("the NVIDIA driver is loaded but finds no GPU", _NEEDS))]
    parts = [part for gpu in gpus for part in (nvml.instances(gpu) if gpu.is_mig else [gpu])]
    visible = visible_order(parts, system.environ.get("CUDA_VISIBLE_DEVICES"))
    hidden = [part for part in parts if part not in visible]
    return [
        *(_device(nvml, part, f"cuda:{n}", _support(part)) for n, part in enumerate(visible)),
        *(_device(nvml, part, f"cuda-hidden:{n}", _HIDDEN) for n, part in enumerate(hidden)),
    ] or [_absent(Support.no("MIG is on but no instance exists", "sudo nvidia-smi mig -cgi 0 -C"))]


def visible_order(parts: list[NvmlGpu], variable: str | None) -> list[NvmlGpu]:
    """GPUs in the order in which CUDA numbers them.

    Args:
        parts: GPUs and MIG instances in NVML's order.
        variable: CUDA_VISIBLE_DEVICES: indices or UUID prefixes; ``None`` hides nothing. As in
            CUDA, everything from the first entry on that names no GPU is ignored, and a process
            sees at most one MIG instance, and no other GPU beside it.

    Source: CUDA C++ Programming Guide, "Environment Variables"; NVIDIA MIG User Guide, "CUDA
    Device Enumeration".
    """
    if variable is None:
        return [part for part in parts if not part.parent] or parts[:1]
    visible: list[NvmlGpu] = []
    for entry in (text.strip() for text in variable.split(",")):
        match = next((part for part in parts if _is_named(part, entry)), None)
        if match is None or match in visible or (visible and match.parent):
            break
        visible.append(match)
        if match.parent:
            break
    return visible


def _is_named(gpu: NvmlGpu, entry: str) -> bool:
    if entry.isdigit():
        return (gpu.parent or gpu).index == int(entry)
    return entry.startswith(("GPU-", "MIG-")) and (gpu.uuid or "").startswith(entry)


def _device(nvml: Nvml, gpu: NvmlGpu, name: str, support: Support) -> Device:
    capability = gpu.capability
    per_unit = _CORES_PER_UNIT.get(capability) if capability else None
    units = gpu.cores // per_unit if gpu.cores and per_unit else None
    power_limit_mw = (gpu.parent or gpu).power_limit_mw
    return Device(
        id=name,
        kind=DeviceKind.CUDA,
        name=gpu.name or "NVIDIA GPU",
        support=support,
        memory_bytes=gpu.memory_bytes,
        compute_units=gpu.multiprocessors if gpu.parent else units,
        precisions=_precisions(capability),
        features=frozenset({f"sm_{capability[0]}{capability[1]}"} if capability else ()),
        driver=nvml.driver,
        details={
            "compute_capability": f"{capability[0]}.{capability[1]}" if capability else None,
            "cuda": nvml.cuda,
            "uuid": gpu.uuid,
            "pci_order": (gpu.parent or gpu).index,
            "is_mig_instance": gpu.parent is not None,
            "power_limit_w": None if power_limit_mw is None else power_limit_mw / 1e3,
        },
    )


def _precisions(capability: tuple[int, int] | None) -> frozenset[Precision]:
    if capability is None:
        return frozenset()
    return frozenset(p for p, low, high in _NATIVE if low <= capability <= high)


def _support(gpu: NvmlGpu) -> Support:
    if gpu.fault:
        return Support.no(f"the driver cannot open the GPU: {gpu.fault}", "run nvidia-smi")
    capability = gpu.capability
    shown = f"compute capability {capability[0]}.{capability[1]}" if capability else "found by NVML"
    return Support.yes(shown)


_NEEDS = "needs a machine with an NVIDIA GPU and its driver"
_HIDDEN = Support.no("hidden by CUDA_VISIBLE_DEVICES", "unset CUDA_VISIBLE_DEVICES")


def _absent(support: Support) -> Device:
    return Device(id="cuda", kind=DeviceKind.CUDA, name="NVIDIA GPU", support=support)


def _why_no_nvml(system: System, reason: str) -> Support:
    """Tells a GPU without driver from a machine without GPU."""
    if not system.is_linux:
        return Support.no(reason, _NEEDS)
    cards = [card for card in pci_devices(system, _VENDOR) if card.is_display]
    if not cards:
        return Support.no("no NVIDIA GPU on the PCI bus", _NEEDS)
    name = pci_name(system, cards[0]) or cards[0].number
    return Support.no(
        f"{name} is here, but {reason}",
        "apt-get install nvidia-driver firmware-misc-nonfree, then reboot",
    )
