"""The GPU of Apple silicon, used through Metal Performance Shaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision
from ipfs_accelerate.hardware.processor import read_processor
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.hardware.processor import Processor

__all__ = ["find_apple", "ipfs_accelerate_devices"]

_NEEDS = "needs a Mac with Apple silicon and macOS 12.3 or later"
_OLDEST_DARWIN = (21, 4)  # macOS 12.3. Source: PyTorch, "MPS backend"


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """The Apple GPU of this machine."""
    return find_apple(System.local())


def find_apple(system: System) -> list[Device]:
    """The GPU, or one entry that says why there is none."""
    if system.os_name != "Darwin":
        found = f"{system.os_name} {system.machine}"
        return [_device("Apple GPU", Support.no(f"no Mac: this is {found}", _NEEDS))]
    processor = read_processor(system)
    support = _support(system)
    return [_device(f"{processor.name} GPU", support, processor if support.usable else None)]


def _device(name: str, support: Support, processor: Processor | None = None) -> Device:
    return Device(
        id="mps",
        kind=DeviceKind.MPS,
        name=name,
        support=support,
        memory_bytes=processor.memory_bytes if processor else None,
        precisions=frozenset({Precision.FP32, Precision.FP16}) if processor else frozenset(),
        details={"memory": "shared with the processor"} if processor else {},
    )


def _support(system: System) -> Support:
    if system.machine != "arm64":
        return Support.no("a Mac with an Intel processor", _NEEDS)
    version = tuple(int(part) for part in system.release.split(".")[:2] if part.isdigit())
    if version < _OLDEST_DARWIN:
        return Support.no(f"Darwin {system.release or '?'} is too old", "update to macOS 12.3")
    if not system.exists("/System/Library/Frameworks/Metal.framework"):
        return Support.no("Metal.framework is missing", "reinstall macOS")
    return Support.yes("Metal on Apple silicon")
