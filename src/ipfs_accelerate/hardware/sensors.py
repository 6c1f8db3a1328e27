"""Energy and temperature sensors; an absent one is an entry that says why, and reads ``None``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Support
from ipfs_accelerate.hardware.nvml import Nvml, NvmlUnavailable
from ipfs_accelerate.hardware.system import System

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.nvml import NvmlGpu

__all__ = ["EnergySensor", "TemperatureSensor", "energy_sensors", "temperature_sensors"]

_RAPL = "/sys/class/powercap"
_COLDEST_CELSIUS, _HOTTEST_CELSIUS = -60.0, 200.0


@dataclass(frozen=True)
class EnergySensor:
    """A counter of energy.

    Attributes:
        name: ``package-0``, ``dram``, ``NVIDIA H100``.
        device_id: Device whose energy it counts; ``None`` when that cannot be told.
        support: Whether it can be read, with the reason.
        part_of: Name of a sensor that already includes this one; sum only those without.
        counter: Gives the joules since some fixed point, or ``None``.
    """

    name: str
    device_id: str | None
    support: Support
    part_of: str | None = None
    counter: Callable[[], float | None] | None = None

    def read_j(self) -> float | None:
        """Joules since a fixed point; only differences mean something. ``None`` when unreadable."""
        return self.counter() if self.counter else None


@dataclass(frozen=True)
class TemperatureSensor:
    """A thermometer.

    Attributes:
        name: Its label, e.g. ``coretemp Package id 0``.
        device_id: Device it sits on; ``None`` when that cannot be told.
        support: Whether it can be read, with the reason.
        thermometer: Gives degrees Celsius, or ``None``.
    """

    name: str
    device_id: str | None
    support: Support
    thermometer: Callable[[], float | None] | None = None

    def read_celsius(self) -> float | None:
        """Temperature now; ``None`` when it cannot be read."""
        return self.thermometer() if self.thermometer else None


def energy_sensors(system: System | None = None) -> tuple[EnergySensor, ...]:
    """Energy counters of this machine; at least one entry, which may only say why there is none.

    Source: Linux Documentation/power/powercap/powercap.rst; NVML API Reference Guide.
    """
    system = system or System.local()
    zones = [path for path in system.glob(f"{_RAPL}/*") if system.exists(f"{path}/energy_uj")]
    rapl = [sensor for path in zones if (sensor := _rapl(system, path))]
    gpus = [_gpu_energy(gpu) for gpu in _gpus(system)]
    return (*(rapl or [_no_rapl(system)]), *gpus)


def temperature_sensors(system: System | None = None) -> tuple[TemperatureSensor, ...]:
    """Thermometers of this machine; at least one entry, which may only say why there is none.

    Source: Linux Documentation/hwmon/sysfs-interface.rst and driver-api/thermal/sysfs-api.rst.
    """
    system = system or System.local()
    found = [_hwmon(system, path) for path in system.glob("/sys/class/hwmon/hwmon*/temp*_input")]
    found += [_zone(system, path) for path in system.glob("/sys/class/thermal/thermal_zone*")]
    found += [_gpu_temperature(gpu) for gpu in _gpus(system)]
    if found:
        return tuple(found)
    support = _absent(system, "no hwmon or thermal zone", "sudo modprobe coretemp")
    return (TemperatureSensor("hwmon", "cpu", support),)


class _RaplCounter:
    """Adds up a counter that wraps around at ``range_uj``; must be read more often than it does."""

    def __init__(self, system: System, path: str) -> None:
        self._system = system
        self._path = path
        self._range_uj = system.read_int(f"{path}/max_energy_range_uj")
        self._last_uj = self._read_uj()
        self._total_uj = 0

    def _read_uj(self) -> int | None:
        return self._system.read_int(f"{self._path}/energy_uj")

    def __call__(self) -> float | None:
        now_uj = self._read_uj()
        if now_uj is None:
            return None
        step_uj = now_uj - (now_uj if self._last_uj is None else self._last_uj)
        if step_uj < 0:
            if not self._range_uj:
                return None
            step_uj += self._range_uj
        self._last_uj = now_uj
        self._total_uj += step_uj
        return self._total_uj / 1e6


def _rapl(system: System, path: str) -> EnergySensor | None:
    """A power domain; ``psys`` is left out, it overlaps with the packages."""
    name = system.read(f"{path}/name") or path.rpartition("/")[2]
    if name == "psys":
        return None
    folder, _, zone = path.rpartition("/")
    parent = (
        system.read(f"{folder}/{zone.rpartition(':')[0]}/name") if zone.count(":") == 2 else None
    )
    part_of = None if name == "dram" else parent
    label = f"{parent} {name}" if parent else name
    counter = _RaplCounter(system, path)
    if system.read_int(f"{path}/energy_uj") is None:
        support = Support.no(
            f"{path}/energy_uj is readable by root only", f"sudo chmod a+r {path}/energy_uj"
        )
        return EnergySensor(label, "cpu", support, part_of)
    return EnergySensor(label, "cpu", Support.yes(f"RAPL, {path}"), part_of, counter)


def _no_rapl(system: System) -> EnergySensor:
    support = _absent(system, f"no RAPL domain in {_RAPL}", "sudo modprobe intel_rapl_msr")
    return EnergySensor("RAPL", "cpu", support)


def _absent(system: System, reason: str, hint: str) -> Support:
    """Nothing helps in a virtual machine or on a system whose sensors are not read."""
    if not system.is_linux:
        return Support.no(f"sensors are not read on {system.os_name or 'this system'}")
    if "hypervisor" in (system.read("/proc/cpuinfo") or "").split():
        return Support.no(f"{reason}: a virtual machine does not pass it on")
    return Support.no(reason, hint)


def _gpus(system: System) -> list[NvmlGpu]:
    try:
        return [gpu for gpu in Nvml(system).gpus() if gpu.fault is None]
    except NvmlUnavailable:
        return []


def _gpu_energy(gpu: NvmlGpu) -> EnergySensor:
    def joules() -> float | None:
        energy_mj = gpu.energy_mj
        return None if energy_mj is None else energy_mj / 1e3

    name, device_id = gpu.name or "NVIDIA GPU", f"cuda:{gpu.index}"
    if joules() is None:
        support = Support.no("NVML counts no energy on this GPU", "needs a Volta GPU or later")
        return EnergySensor(name, device_id, support)
    return EnergySensor(name, device_id, Support.yes("NVML energy counter"), counter=joules)


def _gpu_temperature(gpu: NvmlGpu) -> TemperatureSensor:
    support = (
        Support.no("NVML reads no temperature on this GPU")
        if gpu.temperature_celsius is None
        else Support.yes("NVML")
    )
    name, device_id = gpu.name or "NVIDIA GPU", f"cuda:{gpu.index}"
    return TemperatureSensor(name, device_id, support, lambda: gpu.temperature_celsius)


def _hwmon(system: System, path: str) -> TemperatureSensor:
    chip = system.read(f"{path.rpartition('/')[0]}/name") or "hwmon"
    label = system.read(path.replace("_input", "_label"))
    device_id = "cpu" if chip in {"coretemp", "k10temp", "zenpower", "cpu_thermal"} else None
    return _thermometer(system, f"{chip} {label}" if label else chip, device_id, path)


def _zone(system: System, path: str) -> TemperatureSensor:
    kind = system.read(f"{path}/type") or path.rpartition("/")[2]
    device_id = "cpu" if kind.startswith(("cpu", "x86_pkg_temp", "soc")) else None
    return _thermometer(system, kind, device_id, f"{path}/temp")


def _thermometer(system: System, name: str, device_id: str | None, path: str) -> TemperatureSensor:
    def celsius() -> float | None:
        millidegrees = system.read_int(path)
        degrees = None if millidegrees is None else millidegrees / 1e3
        plausible = degrees is not None and _COLDEST_CELSIUS < degrees < _HOTTEST_CELSIUS
        return degrees if plausible else None

    if celsius() is None:
        return TemperatureSensor(name, device_id, Support.no(f"{path} holds no temperature"))
    return TemperatureSensor(name, device_id, Support.yes(path), celsius)
