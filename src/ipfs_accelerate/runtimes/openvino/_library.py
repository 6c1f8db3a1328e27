"""The one place that imports OpenVINO."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["capabilities", "core", "library", "openvino_name"]

# First part of a device id → OpenVINO's device.
_NAMES = {"cpu": "CPU", "gpu": "GPU", "xpu": "GPU", "npu": "NPU", "auto": "AUTO"}


@cache
def library() -> Any:  # noqa: ANN401 (an untyped module)
    """The module ``openvino``.

    Raises:
        ImportError: It is not installed or does not load.
    """
    import openvino

    return openvino


@cache
def core() -> Any:  # noqa: ANN401
    """The one `Core` of this process; it holds the plugins of all devices."""
    return library().Core()


def openvino_name(device_id: str) -> str | None:
    """OpenVINO's name of a device id: ``gpu:1`` is ``GPU.1``; ``None`` when it has none."""
    kind, _, index = device_id.removeprefix("openvino:").lower().replace(".", ":").partition(":")
    name = _NAMES.get(kind)
    return f"{name}.{index}" if name and index.isdecimal() else name


@cache
def capabilities() -> dict[str, frozenset[str]]:
    """OpenVINO's name of every device it found → its ``OPTIMIZATION_CAPABILITIES``."""
    found = core().available_devices
    return {d: frozenset(core().get_property(d, "OPTIMIZATION_CAPABILITIES")) for d in found}
