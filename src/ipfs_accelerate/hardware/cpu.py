"""The processor, as much of it as this process may use, and adapters that compute on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.cgroup import read_limits
from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.instruction_sets import describe, precisions_of
from ipfs_accelerate.hardware.processor import read_processor
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.hardware.topology import count_cores, read_caches, read_numa_nodes
from ipfs_accelerate.hardware.vulkan import find_software_adapters
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.cgroup import CgroupLimits
    from ipfs_accelerate.hardware.processor import Processor

__all__ = ["find_cpu", "ipfs_accelerate_devices"]


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """The processor of this machine and its software adapters."""
    system = System.local()
    return [find_cpu(system), *find_software_adapters(system)]


def find_cpu(system: System) -> Device:
    """The processor; ``compute_units`` and ``memory_bytes`` are what this process may use."""
    processor = read_processor(system)
    limits = read_limits(system)
    allowed = system.affinity or frozenset(range(processor.logical_cpus))
    units = _usable_cores(system, processor, limits, allowed)
    memories = [m for m in (processor.memory_bytes, limits.memory_bytes) if m is not None]
    return Device(
        id="cpu",
        kind=DeviceKind.CPU,
        name=processor.name,
        support=Support.yes(_reason(processor, limits, units)),
        memory_bytes=min(memories, default=None),
        compute_units=units,
        precisions=precisions_of(processor.features),
        features=processor.features,
        details={
            "logical_cpus": processor.logical_cpus,
            "allowed_cpus": len(allowed),
            "physical_cores": processor.physical_cores
            or count_cores(system, frozenset(range(processor.logical_cpus))),
            "is_virtual": processor.is_virtual,
            "cgroup": limits.source,
            "cgroup_cpu_quota": limits.cpu_quota,
            "cgroup_memory_bytes": limits.memory_bytes,
            "machine_memory_bytes": processor.memory_bytes,
            "caches": read_caches(system, min(allowed)),
            "numa_nodes": read_numa_nodes(system),
        },
    )


def _usable_cores(
    system: System, processor: Processor, limits: CgroupLimits, allowed: frozenset[int]
) -> int:
    """Physical cores among the allowed processors, never more than the quota pays for."""
    cores = processor.physical_cores or count_cores(system, allowed)
    quota = max(1, int(limits.cpu_quota)) if limits.cpu_quota is not None else cores
    return min(cores, quota)


def _reason(processor: Processor, limits: CgroupLimits, units: int) -> str:
    parts = [f"{units} core{'s' if units != 1 else ''}"]
    if limits.cpu_quota is not None:
        parts.append(f"{limits.source} allows {limits.cpu_quota:g} of {processor.logical_cpus}")
    parts.append(describe(processor.features) or processor.gap or "no vector extensions")
    return "; ".join(parts)
