"""The order of targets where nothing was measured: stated, short, and never by guessed speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware import DeviceKind, Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.runtimes import Target

__all__ = ["DEVICE_ORDER", "RUNTIME_ORDER", "rule_order"]

#: Kinds taken unasked, best first. Software GPUs, emulators and browsers are taken by name only.
DEVICE_ORDER = (
    DeviceKind.CUDA,
    DeviceKind.ROCM,
    DeviceKind.MPS,
    DeviceKind.XPU,
    DeviceKind.OPENVINO,
    DeviceKind.CPU,
)
#: Runtimes first to last; others follow by name.
RUNTIME_ORDER = ("onnxruntime", "openvino", "torch")


def rule_order(
    targets: Sequence[Target], devices: Sequence[Device], named: Sequence[Target] = ()
) -> tuple[list[Target], list[tuple[Target, str]]]:
    """Order targets nobody measured.

    1. With ``named`` targets, their order as given, nothing else.
    2. Device kinds in `DEVICE_ORDER`; other kinds only by name.
    3. Runtimes in `RUNTIME_ORDER`.
    4. Precision ``fp32`` without options; every other precision only by name or by measurement.

    Returns:
        The chain, and the targets left out with the reason.
    """
    if named:
        return [t for t in named if t in targets], []
    kinds = {device.id: device.kind for device in devices}
    chain: list[Target] = []
    left_out: list[tuple[Target, str]] = []
    for target in targets:
        why = _left_out(target, kinds)
        if why is None:
            chain.append(target)
        else:
            left_out.append((target, why))
    chain.sort(key=lambda t: (_kind_rank(t, kinds), _runtime_rank(t), t))
    return chain, left_out


def _left_out(target: Target, kinds: dict[str, DeviceKind]) -> str | None:
    kind = kinds.get(target.device)
    if kind not in DEVICE_ORDER:
        return f"{kind.value if kind else target.device} devices are taken by name only"
    if target.precision is not Precision.FP32:
        return f"{target.precision.value} is taken by name, or when measured with parity"
    if target.options:
        return "targets with options are taken by name, or when measured"
    return None


def _kind_rank(target: Target, kinds: dict[str, DeviceKind]) -> int:
    return DEVICE_ORDER.index(kinds[target.device])


def _runtime_rank(target: Target) -> int:
    known = target.runtime in RUNTIME_ORDER
    return RUNTIME_ORDER.index(target.runtime) if known else len(RUNTIME_ORDER)
