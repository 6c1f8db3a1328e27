"""NVIDIA's management library through ctypes: facts and sensors, without a CUDA context.

Source: NVIDIA, "NVML API Reference Guide" (nvml.h); names and argument types below are its.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.system import System

__all__ = ["Nvml", "NvmlGpu", "NvmlUnavailable"]

_LIBRARIES = {
    "Linux": ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"),
    "Windows": ("nvml.dll",),
}
_ERRORS = {
    1: "uninitialized",
    3: "not supported",
    4: "no permission",
    9: "the kernel driver is not loaded",
    12: "library not found",
    15: "the GPU fell off the bus",
    18: "driver and library versions differ",
    999: "unknown error",
}
_TEXT_BYTES = 96


class NvmlUnavailable(Exception):  # noqa: N818 (private to the probes, never reaches a user)
    """The library is absent or refuses to start; the text says why."""


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("multiprocessors", ctypes.c_uint),
        ("_engines_and_slices", ctypes.c_uint * 7),
        ("memory_mib", ctypes.c_ulonglong),
    )


class Nvml:
    """An initialised library. Every query answers ``None`` where the driver does not know.

    Raises:
        NvmlUnavailable: No library, or no driver that answers it.
    """

    def __init__(self, system: System) -> None:
        self._library: Any = self._open(system)
        status = self._call("nvmlInit_v2")
        if status != 0:
            raise NvmlUnavailable(f"NVML does not start: {_ERRORS.get(status, f'error {status}')}")

    @staticmethod
    def _open(system: System) -> object:
        reasons = []
        for name in _LIBRARIES.get(system.os_name, ()):
            try:
                return system.load_library(name)
            except OSError as error:
                reasons.append(str(error))
        raise NvmlUnavailable(next(iter(reasons), f"NVML does not exist on {system.os_name}"))

    def _call(self, function: str, *arguments: object) -> int:
        """NVML's status; 3 (not supported) for a function this library does not have."""
        try:
            return int(getattr(self._library, function)(*arguments))
        except AttributeError:
            return 3

    def number(self, function: str, *arguments: object) -> int | None:
        """An unsigned number; ``None`` where not supported."""
        value = ctypes.c_uint()
        return value.value if self._call(function, *arguments, ctypes.byref(value)) == 0 else None

    def long_number(self, function: str, *arguments: object) -> int | None:
        """A 64-bit unsigned number; ``None`` where not supported."""
        value = ctypes.c_ulonglong()
        return value.value if self._call(function, *arguments, ctypes.byref(value)) == 0 else None

    def pair(self, function: str, *arguments: object) -> tuple[int, int] | None:
        """Two numbers; ``None`` where not supported."""
        first, second = ctypes.c_int(), ctypes.c_int()
        status = self._call(function, *arguments, ctypes.byref(first), ctypes.byref(second))
        return (first.value, second.value) if status == 0 else None

    def text(self, function: str, *arguments: object) -> str | None:
        """A string; ``None`` where not supported."""
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        status = self._call(function, *arguments, buffer, ctypes.c_uint(_TEXT_BYTES))
        return buffer.value.decode("utf-8", "replace") if status == 0 else None

    def memory_bytes(self, handle: object) -> int | None:
        """Total memory of a GPU."""
        value = _Memory()
        status = self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(value))
        return int(value.total) if status == 0 else None

    def multiprocessors(self, handle: object) -> int | None:
        """Multiprocessors of a MIG instance; ``None`` for anything else."""
        value = _Attributes()
        status = self._call("nvmlDeviceGetAttributes_v2", handle, ctypes.byref(value))
        return int(value.multiprocessors) if status == 0 else None

    @property
    def driver(self) -> str | None:
        """Version of the kernel driver."""
        return self.text("nvmlSystemGetDriverVersion")

    @property
    def cuda(self) -> str | None:
        """Highest CUDA version of the driver, e.g. ``12.4``."""
        version = self.number("nvmlSystemGetCudaDriverVersion_v2")
        return f"{version // 1000}.{version % 1000 // 10}" if version else None

    def gpus(self) -> list[NvmlGpu]:
        """All GPUs in the order of their PCI addresses."""
        found = []
        for index in range(self.number("nvmlDeviceGetCount_v2") or 0):
            handle, status = self._handle("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index))
            found.append(NvmlGpu(self, index, handle, fault=_ERRORS.get(status, f"error {status}")))
        return found

    def instances(self, gpu: NvmlGpu) -> list[NvmlGpu]:
        """The MIG instances a GPU is split into."""
        found = []
        for index in range(self.number("nvmlDeviceGetMaxMigDeviceCount", gpu.handle) or 0):
            handle, _ = self._handle(
                "nvmlDeviceGetMigDeviceHandleByIndex", gpu.handle, ctypes.c_uint(index)
            )
            if handle is not None:
                found.append(NvmlGpu(self, index, handle, parent=gpu))
        return found

    def _handle(self, function: str, *arguments: object) -> tuple[ctypes.c_void_p | None, int]:
        handle = ctypes.c_void_p()
        status = self._call(function, *arguments, ctypes.byref(handle))
        return (handle if status == 0 else None), status


class NvmlGpu:
    """One GPU, or one MIG instance of its ``parent``; its properties are read when asked for."""

    def __init__(
        self,
        nvml: Nvml,
        index: int,
        handle: ctypes.c_void_p | None,
        *,
        fault: str | None = None,
        parent: NvmlGpu | None = None,
    ) -> None:
        self._nvml = nvml
        self.handle = handle
        self.index = index
        self.parent = parent
        self.fault = fault if handle is None else None

    @property
    def name(self) -> str | None:
        """Product name."""
        return self._nvml.text("nvmlDeviceGetName", self.handle)

    @property
    def uuid(self) -> str | None:
        """``GPU-…``, as CUDA_VISIBLE_DEVICES takes it."""
        return self._nvml.text("nvmlDeviceGetUUID", self.handle)

    @property
    def memory_bytes(self) -> int | None:
        """Total memory."""
        return self._nvml.memory_bytes(self.handle)

    @property
    def capability(self) -> tuple[int, int] | None:
        """Compute capability, major and minor."""
        handle = (self.parent or self).handle
        return self._nvml.pair("nvmlDeviceGetCudaComputeCapability", handle)

    @property
    def cores(self) -> int | None:
        """CUDA cores."""
        return self._nvml.number("nvmlDeviceGetNumGpuCores", self.handle)

    @property
    def multiprocessors(self) -> int | None:
        """Multiprocessors of a MIG instance; ``None`` for a whole GPU (NVML does not tell)."""
        return self._nvml.multiprocessors(self.handle) if self.parent else None

    @property
    def is_mig(self) -> bool | None:
        """Whether the GPU is split into instances; ``None`` where it cannot be."""
        modes = self._nvml.pair("nvmlDeviceGetMigMode", self.handle)
        return bool(modes[0]) if modes else None

    @property
    def power_mw(self) -> int | None:
        """Power drawn now in milliwatts."""
        return self._nvml.number("nvmlDeviceGetPowerUsage", self.handle)

    @property
    def power_limit_mw(self) -> int | None:
        """Enforced power limit in milliwatts."""
        return self._nvml.number("nvmlDeviceGetEnforcedPowerLimit", self.handle)

    @property
    def energy_mj(self) -> int | None:
        """Energy since the driver was loaded in millijoules (Volta and later)."""
        return self._nvml.long_number("nvmlDeviceGetTotalEnergyConsumption", self.handle)

    @property
    def temperature_celsius(self) -> int | None:
        """Temperature of the die."""
        return self._nvml.number("nvmlDeviceGetTemperature", self.handle, ctypes.c_uint(0))
