"""Load of the machine and usage of a process, read around every measurement."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass

__all__ = ["MachineLoad", "ProcessUsage", "observe_machine", "observe_process"]


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """The machine at one moment.

    Attributes:
        load_1min: Runnable tasks averaged over one minute; ``None`` where not reported.
        cpu_busy_ns: CPU time spent by all processes since boot, all cores added up; time taken by
            the hypervisor is not in it.
        cpu_stolen_ns: CPU time taken by the hypervisor since boot; ``None`` where not reported.
        available_bytes: Memory that can be given out without swapping.
        frequency_hz: Current mean clock of the cores; ``None`` where not reported.
    """

    load_1min: float | None
    cpu_busy_ns: int
    cpu_stolen_ns: int | None
    available_bytes: int
    frequency_hz: int | None

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """One process at one moment.

    Attributes:
        cpu_ns: User and system time of all its threads; exact for this process, in steps of the
            scheduler's tick (usually 10 ms) for another one.
        rss_bytes: Resident memory now.
        peak_rss_bytes: Highest resident memory so far; ``None`` where not reported.
        involuntary_switches: Times the kernel took the CPU away; ``None`` where not reported.
    """

    cpu_ns: int
    rss_bytes: int
    peak_rss_bytes: int | None
    involuntary_switches: int | None

    def to_dict(self) -> dict[str, int | None]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def observe_machine() -> MachineLoad:
    """Read the load of this machine; a few hundred microseconds."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    stolen = getattr(times, "steal", None)
    busy = sum(times) - idle - guest - (stolen or 0.0)
    return MachineLoad(
        load_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        cpu_busy_ns=round(busy * 1e9),
        cpu_stolen_ns=None if stolen is None else round(stolen * 1e9),
        available_bytes=int(psutil.virtual_memory().available),
        frequency_hz=_frequency_hz(),
    )


def _frequency_hz() -> int | None:
    import psutil

    try:
        frequency = psutil.cpu_freq()
    except (OSError, RuntimeError, NotImplementedError):  # psutil on some Arm machines and Macs
        return None
    return round(frequency.current * 1e6) if frequency and frequency.current > 0 else None


def observe_process(pid: int | None = None) -> ProcessUsage:
    """Read the usage of a process.

    Args:
        pid: Its id; ``None`` for this process.

    Raises:
        psutil.NoSuchProcess: The process has ended.
    """
    import psutil

    process = psutil.Process(pid)
    with process.oneshot():
        times = process.cpu_times()
        memory = process.memory_info()
        try:
            switches: int | None = process.num_ctx_switches().involuntary
        except (psutil.AccessDenied, NotImplementedError):
            switches = None
    return ProcessUsage(
        cpu_ns=_own_cpu_ns() if pid is None else round((times.user + times.system) * 1e9),
        rss_bytes=int(memory.rss),
        peak_rss_bytes=_peak_rss_bytes(process.pid),
        involuntary_switches=switches,
    )


def _own_cpu_ns() -> int:
    return time.process_time_ns()


def _peak_rss_bytes(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 (hot path)
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
