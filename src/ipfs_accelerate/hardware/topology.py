"""Cores, caches and memory nodes as Linux describes them in sysfs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.system import System

__all__ = ["count_cores", "parse_cpu_list", "parse_size_bytes", "read_caches", "read_numa_nodes"]

_CPU = "/sys/devices/system/cpu"
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def parse_cpu_list(text: str | None) -> frozenset[int] | None:
    """Parse ``0-3,8``; ``None`` when the text is not such a list.

    Example:
        >>> sorted(parse_cpu_list("0-2,5"))
        [0, 1, 2, 5]
    """
    if not text or not re.fullmatch(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", text):
        return None
    ranges = (part.partition("-") for part in text.split(","))
    return frozenset(n for a, _, b in ranges for n in range(int(a), int(b or a) + 1))


def parse_size_bytes(text: str | None) -> int | None:
    """Parse sysfs' ``36608K``; ``None`` when the text is no size."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text or "")
    return int(found[1]) * _UNITS[found[2]] if found else None


def count_cores(system: System, cpus: frozenset[int]) -> int:
    """Physical cores behind logical processors; each processor counts where sysfs is silent."""
    cores = set()
    for cpu in cpus:
        siblings = parse_cpu_list(
            system.read(f"{_CPU}/cpu{cpu}/topology/core_cpus_list")
            or system.read(f"{_CPU}/cpu{cpu}/topology/thread_siblings_list")
        )
        cores.add(min(siblings) if siblings else cpu)
    return len(cores)


def read_caches(system: System, cpu: int) -> list[dict[str, object]]:
    """Caches of one processor: level, type, size in bytes, how many processors share it."""
    caches: list[dict[str, object]] = []
    for index in system.glob(f"{_CPU}/cpu{cpu}/cache/index*"):
        shared = parse_cpu_list(system.read(f"{index}/shared_cpu_list"))
        caches.append(
            {
                "level": system.read_int(f"{index}/level"),
                "type": (system.read(f"{index}/type") or "unknown").lower(),
                "size_bytes": parse_size_bytes(system.read(f"{index}/size")),
                "shared_by": len(shared) if shared else None,
            }
        )
    return caches


def read_numa_nodes(system: System) -> list[dict[str, object]]:
    """Memory nodes: number, processors and bytes of memory (``None`` when not told)."""
    nodes: list[dict[str, object]] = []
    for path in system.glob("/sys/devices/system/node/node[0-9]*"):
        number = path.rpartition("node")[2]
        if not number.isdigit():
            continue
        total = re.search(r"MemTotal:\s*(\d+) kB", system.read(f"{path}/meminfo") or "")
        nodes.append(
            {
                "node": int(number),
                "cpus": system.read(f"{path}/cpulist"),
                "memory_bytes": int(total[1]) * 1024 if total else None,
            }
        )
    return nodes
