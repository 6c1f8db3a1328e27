"""Limits that control groups put on this process (versions 1, 2 and both at once)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.hardware.system import System

__all__ = ["CgroupLimits", "read_limits"]

_UNLIMITED_BYTES = 2**60  # version 1 writes "no limit" as the largest multiple of a page


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """The tightest limits on the way from this process' group to the root.

    Attributes:
        cpu_quota: CPU time per wall time, in processors; ``None`` when not limited.
        memory_bytes: Memory; ``None`` when not limited.
        source: Which version set the limits: ``cgroup v1``, ``cgroup v2`` or ``None``.
    """

    cpu_quota: float | None = None
    memory_bytes: int | None = None
    source: str | None = None


def read_limits(system: System) -> CgroupLimits:
    """Read the limits; whatever cannot be read counts as no limit.

    Source: Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max) and
    cgroup-v1/memory.rst, scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    groups = _own_groups(system)
    quotas: list[tuple[float, str]] = []
    memories: list[tuple[int, str]] = []
    for kind, controllers, mount_root, mount_point in _mounts(system):
        version = "cgroup v2" if kind == "cgroup2" else "cgroup v1"
        for directory in _directories(groups, controllers, mount_root, mount_point):
            if kind == "cgroup2" or "cpu" in controllers:
                quotas += [(q, version) for q in _quota(system, directory, kind)]
            if kind == "cgroup2" or "memory" in controllers:
                memories += [(m, version) for m in _memory(system, directory, kind)]
    quota, memory = min(quotas, default=None), min(memories, default=None)
    sources = {found[1] for found in (quota, memory) if found}
    return CgroupLimits(
        cpu_quota=quota[0] if quota else None,
        memory_bytes=memory[0] if memory else None,
        source=" and ".join(sorted(sources)) or None,
    )


def _own_groups(system: System) -> dict[str, str]:
    """Controller (empty for version 2) → path of this process' group."""
    groups: dict[str, str] = {}
    for line in (system.read("/proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            groups |= dict.fromkeys(parts[1].split(","), parts[2])
    return groups


def _mounts(system: System) -> Iterator[tuple[str, frozenset[str], str, str]]:
    """Type, controllers, root within the hierarchy and mount point of every cgroup mount."""
    for line in (system.read("/proc/self/mountinfo") or "").splitlines():
        left, separator, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if separator and len(fields) >= 5 and len(kinds) >= 3 and kinds[0] in {"cgroup", "cgroup2"}:
            yield kinds[0], frozenset(kinds[2].split(",")), fields[3], fields[4]


def _directories(
    groups: dict[str, str], controllers: frozenset[str], mount_root: str, mount_point: str
) -> Iterator[str]:
    """The process' group and all its ancestors that are visible below the mount point."""
    own = next((groups[c] for c in sorted(controllers) if c in groups), groups.get("", "/"))
    path = PurePosixPath(own)
    if path.is_relative_to(mount_root):
        path = PurePosixPath("/") / path.relative_to(mount_root)
    if ".." in path.parts:
        path = PurePosixPath("/")
    for directory in (path, *path.parents):
        yield f"{mount_point}{directory}".rstrip("/")


def _quota(system: System, directory: str, kind: str) -> list[float]:
    if kind == "cgroup2":
        numbers = (system.read(f"{directory}/cpu.max") or "").split()
    else:
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        numbers = [system.read(f"{directory}/{name}") or "" for name in files]
    try:
        quota, period = (int(number) for number in numbers)
    except ValueError:  # "max 100000", absent or malformed
        return []
    return [quota / period] if quota > 0 and period > 0 else []


def _memory(system: System, directory: str, kind: str) -> list[int]:
    name = "memory.max" if kind == "cgroup2" else "memory.limit_in_bytes"
    limit = system.read_int(f"{directory}/{name}")
    return [limit] if limit is not None and 0 < limit < _UNLIMITED_BYTES else []
