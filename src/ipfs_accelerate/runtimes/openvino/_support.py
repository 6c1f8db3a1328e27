"""Which targets OpenVINO has on which devices, and why not the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware import DeviceKind, Precision, Support
from ipfs_accelerate.runtimes.openvino._library import openvino_name

if TYPE_CHECKING:
    from ipfs_accelerate.hardware import Device

__all__ = ["AUTO", "PRECISIONS", "Capabilities", "is_served", "precision_support", "support_of"]

#: OpenVINO's name of a device → what it says it computes.
Capabilities = dict[str, frozenset[str]]
#: The id of OpenVINO's own choice among its devices.
AUTO = "auto"
PRECISIONS = (Precision.FP32, Precision.BF16, Precision.FP16, Precision.INT8)
_KINDS = {DeviceKind.CPU, DeviceKind.OPENVINO, DeviceKind.XPU}
_CAPABILITIES = {
    Precision.FP32: "FP32",
    Precision.BF16: "BF16",
    Precision.FP16: "FP16",
    Precision.INT8: "INT8",
}


def is_served(device: Device) -> bool:
    """Whether a device is of a kind OpenVINO has plugins for."""
    return device.kind in _KINDS and openvino_name(device.id) is not None


def support_of(device: Device, precision: Precision, found: Capabilities) -> Support:
    """Whether OpenVINO can use a device in a precision."""
    if not device.support.usable:
        return device.support
    return precision_support(device.id, precision, found)


def precision_support(device_id: str, precision: Precision, found: Capabilities) -> Support:
    """Whether OpenVINO found a device and says that it computes in a precision.

    Args:
        device_id: Of a target.
        precision: Likewise.
        found: What OpenVINO found, see `capabilities`.
    """
    name = openvino_name(device_id)
    if name == "AUTO":
        return _auto_support(found, precision)
    if name is None or name not in _with_aliases(found):
        return Support.no(
            f"OpenVINO finds no {name or device_id} (only {', '.join(found) or 'nothing'})",
            "install the vendor's driver and compute runtime",
        )
    able = _with_aliases(found)[name]
    if _CAPABILITIES[precision] in able:
        return Support.yes(f"{name} reports {_CAPABILITIES[precision]}")
    return Support.no(
        f"{name} does not compute natively in {precision.value}: OpenVINO reports only"
        f" {', '.join(sorted(able & set(_CAPABILITIES.values())))} and would emulate it",
        "use fp32 or int8",
    )


def _auto_support(found: Capabilities, precision: Precision) -> Support:
    able = [d for d, caps in found.items() if _CAPABILITIES[precision] in caps]
    if not able or len(able) < len(found):
        return Support.no(
            f"AUTO may choose any of {', '.join(found) or 'no devices'}, not all of which compute"
            f" natively in {precision.value}",
            "name the device",
        )
    return Support.yes(f"chooses among {', '.join(able)} and says which")


def _with_aliases(found: Capabilities) -> Capabilities:
    """``GPU`` is ``GPU.0`` and the other way round."""
    aliases = {f"{d}.0": caps for d, caps in found.items() if "." not in d}
    aliases |= {d.removesuffix(".0"): caps for d, caps in found.items() if d.endswith(".0")}
    return {**aliases, **found}
