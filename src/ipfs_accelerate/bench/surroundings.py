"""What surrounds a measurement and has to be known to read it: machine, sources, energy."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import EnergySensor

__all__ = ["EnergyMeter", "git_state", "machine_facts"]

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_GIT_TIMEOUT_S = 5


class EnergyMeter:
    """Adds up the energy counters of one device around the counted calls.

    Args:
        sensors: Of the machine (`hardware.energy_sensors`).
        device_id: Device of the case.
    """

    def __init__(self, sensors: Sequence[EnergySensor], device_id: str) -> None:
        mine = [s for s in sensors if s.device_id == device_id and s.part_of is None]
        self._usable = [s for s in mine if s.support.usable]
        refused = next((s.support.reason for s in mine if not s.support.usable), None)
        self.reason = None if self._usable else refused or f"no energy counter for {device_id}"
        self._total_j: float | None = 0.0 if self._usable else None
        self._started_j: float | None = None

    @property
    def total_j(self) -> float | None:
        """Energy so far, of the whole device, idle share included; ``None`` with a `reason`."""
        return self._total_j

    def start(self) -> None:
        """Begin an interval."""
        self._started_j = self._read_j()

    def stop(self) -> None:
        """End it."""
        now_j = self._read_j()
        if self._total_j is None:
            return
        if now_j is None or self._started_j is None:
            self._total_j, self.reason = None, "an energy counter could not be read meanwhile"
        else:
            self._total_j += now_j - self._started_j

    def _read_j(self) -> float | None:
        values = [v for s in self._usable if (v := s.read_j()) is not None]
        return sum(values) if values and len(values) == len(self._usable) else None


def machine_facts() -> dict[str, object]:
    """Facts of this machine that a latency depends on; ``None`` where the system does not tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "governor": _read(_GOVERNOR),
        "transparent_hugepages": _read(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
    }


@cache
def git_state() -> tuple[str | None, str | None]:
    """Commit and branch of the working directory; ``None`` outside a repository or without git."""
    commit = _git("rev-parse", "HEAD")
    branch = _git("rev-parse", "--abbrev-ref", "HEAD") if commit else None
    return commit, branch


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 (the user's git)
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
