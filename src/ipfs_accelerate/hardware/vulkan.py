"""Vulkan adapters that compute on the processor (lavapipe, SwiftShader)."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.hardware.system import System

__all__ = ["find_software_adapters"]

# Source: Vulkan loader, docs/LoaderDriverInterface.md, "Driver Discovery"; browsers ship their own.
_MANIFESTS = (
    "/etc/vulkan/icd.d/*.json",
    "/usr/local/share/vulkan/icd.d/*.json",
    "/usr/share/vulkan/icd.d/*.json",
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
    "/opt/microsoft/msedge/vk_swiftshader_icd.json",
)
_ADAPTERS = {"lvp": ("lavapipe", "lavapipe (Mesa)"), "swiftshader": ("swiftshader", "SwiftShader")}


def find_software_adapters(system: System) -> list[Device]:
    """One device per adapter; one entry that says what to install when there is none."""
    found: dict[str, Device] = {}
    for manifest in _manifests(system):
        device = _adapter(system, manifest)
        if device and (device.id not in found or not found[device.id].support.usable):
            found[device.id] = device
    return list(found.values()) or [
        Device(
            id="software_gpu",
            kind=DeviceKind.SOFTWARE_GPU,
            name="software Vulkan adapter",
            support=Support.no(
                "no lavapipe or SwiftShader manifest in the Vulkan loader's folders",
                "apt-get install mesa-vulkan-drivers",
            ),
        )
    ]


def _manifests(system: System) -> Iterator[str]:
    for variable in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        yield from filter(None, system.environ.get(variable, "").split(":"))
    for pattern in _MANIFESTS:
        yield from system.glob(pattern)


def _adapter(system: System, manifest: str) -> Device | None:
    try:
        icd = json.loads(system.read(manifest) or "")["ICD"]
        library, version = str(icd["library_path"]), str(icd.get("api_version", "?"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    names = next((names for mark, names in _ADAPTERS.items() if mark in library.lower()), None)
    if names is None:
        return None
    return Device(
        id=names[0],
        kind=DeviceKind.SOFTWARE_GPU,
        name=names[1],
        support=_library_support(system, manifest, library),
        precisions=frozenset({Precision.FP32}),
        driver=system.installed_version("mesa-vulkan-drivers") if names[0] == "lavapipe" else None,
        details={"manifest": manifest, "vulkan": version, "computes_on": "cpu"},
    )


def _library_support(system: System, manifest: str, library: str) -> Support:
    if "/" not in library:
        found = system.find_library(library)
    else:
        absolute = str(PurePosixPath(manifest).parent / library)
        found = absolute if system.exists(absolute) else None
    if found is None:
        return Support.no(f"{manifest} names {library}, which is missing", "reinstall the driver")
    return Support.yes("computes on the CPU: for tests, never a GPU")
