"""What a model needs of a device, and how well a pair of model and device suits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware import Device, DeviceKind, Precision
from ipfs_accelerate.models.artifact import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMPATIBILITY",
    "Suitability",
    "memory_need_bytes",
    "parameters_from_config",
    "suitability",
]

_BITS = {
    Precision.FP64: 64,
    Precision.FP32: 32,
    Precision.TF32: 32,
    Precision.FP16: 16,
    Precision.BF16: 16,
    Precision.FP8: 8,
    Precision.INT8: 8,
    Precision.INT4: 4,
    Precision.INT3: 3,
    Precision.INT2: 2,
    Precision.BINARY: 1,
}
#: Activations and the runtime's own buffers on top of the weights.
ACTIVATION_SHARE = 0.20
#: Scales and zero points of quantized weights: 16 + 4 bits for every 32 weights.
SCALE_BITS = 20 / 32

_ALL = 1.0
#: Family → device kind → how well the kind of device carries the family's operators, 0..1.
#: 1.0: dense products of static shape, everywhere at home. Lower: caches that grow (generation),
#: mixed front-ends (audio), several graphs (multimodal), which small accelerators run in parts.
COMPATIBILITY: Mapping[Family, Mapping[DeviceKind, float]] = {
    Family.EMBEDDING: {DeviceKind.QNN: 0.9, DeviceKind.MEDIATEK: 0.9, DeviceKind.EXYNOS: 0.9},
    Family.VISION: {DeviceKind.QNN: 1.0, DeviceKind.MEDIATEK: 1.0, DeviceKind.EXYNOS: 1.0},
    Family.TEXT_GENERATION: {
        DeviceKind.CPU: 0.7,
        DeviceKind.QNN: 0.6,
        DeviceKind.MEDIATEK: 0.5,
        DeviceKind.EXYNOS: 0.5,
        DeviceKind.BROWSER: 0.6,
    },
    Family.AUDIO: {DeviceKind.QNN: 0.7, DeviceKind.MEDIATEK: 0.6, DeviceKind.EXYNOS: 0.6},
    Family.MULTIMODAL: {
        DeviceKind.CPU: 0.6,
        DeviceKind.QNN: 0.4,
        DeviceKind.MEDIATEK: 0.3,
        DeviceKind.EXYNOS: 0.3,
        DeviceKind.BROWSER: 0.4,
    },
    Family.VIDEO: {DeviceKind.CPU: 0.5, DeviceKind.BROWSER: 0.4, DeviceKind.QNN: 0.5},
}
#: Kinds that compute on the CPU while imitating something else: usable, never preferable.
_IMITATIONS = {DeviceKind.SOFTWARE_GPU: 0.1, DeviceKind.EMULATOR: 0.1, DeviceKind.NULL: 0.0}


@dataclass(frozen=True, slots=True)
class Suitability:
    """How well a model and a device suit each other, before anything was measured.

    Attributes:
        score: ``compatibility × memory × precision``, 0..1; 0.0 when the device is unusable.
        compatibility: Entry of `COMPATIBILITY`; 1.0 where the table has none.
        memory: 1.0 while the need is at most half of the device's memory, falling linearly to 0.0
            where it fills it; ``None`` when either is unknown (then it does not enter the score).
        precision: 1.0 when the device multiplies the precision natively, else 0.5; ``None`` when
            the device does not say (then it does not enter the score).
        reason: The deciding factor in words.
    """

    score: float
    compatibility: float
    memory: float | None
    precision: float | None
    reason: str


def memory_need_bytes(parameters: int, precision: Precision) -> int:
    """Memory that weights and activations take.

    ``parameters × bits / 8 × (1 + ACTIVATION_SHARE)``, with `SCALE_BITS` more per weight for
    quantized precisions. A cache of generated tokens comes on top; it depends on the request.

    Args:
        parameters: Count of weights, not negative.
        precision: What they are held in.
    """
    bits = _BITS[precision] + (SCALE_BITS if precision.is_quantized else 0.0)
    return round(parameters * bits / 8 * (1 + ACTIVATION_SHARE))


def parameters_from_config(config: Mapping[str, object]) -> int | None:
    """Estimate a transformer's weights: ``12 · layers · hidden² + vocabulary · hidden``.

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", table 1.

    Returns:
        The estimate, or ``None`` when a size is not stated.
    """
    text = config.get("text_config")
    sizes = text if isinstance(text, dict) else config
    hidden = _size(sizes, "hidden_size", "d_model", "n_embd", "dim")
    layers = _size(sizes, "num_hidden_layers", "num_layers", "n_layer", "n_layers")
    if hidden is None or layers is None:
        return None
    return 12 * layers * hidden * hidden + (_size(sizes, "vocab_size") or 0) * hidden


def _size(config: Mapping[str, object], *names: str) -> int | None:
    for name in names:
        value = config.get(name)
        if type(value) is int and value > 0:
            return value
    return None


def suitability(
    family: Family, parameters: int | None, device: Device, *, precision: Precision = Precision.FP32
) -> Suitability:
    """Score a pair of model and device; see `Suitability` for the formula.

    Args:
        family: The model's family.
        parameters: Count of its weights; ``None`` when unknown.
        device: The device.
        precision: What it would be run in.
    """
    compatibility = _IMITATIONS.get(
        device.kind, COMPATIBILITY.get(family, {}).get(device.kind, _ALL)
    )
    memory = _memory_factor(parameters, device, precision)
    native = None
    if device.precisions:
        native = 1.0 if precision in device.precisions else 0.5
    if not device.support.usable:
        return Suitability(0.0, compatibility, memory, native, device.support.reason)
    known = [factor for factor in (memory, native) if factor is not None]
    score = compatibility
    for factor in known:
        score *= factor
    reason = _reason(compatibility, memory, native)
    return Suitability(round(score, 4), compatibility, memory, native, reason)


def _memory_factor(parameters: int | None, device: Device, precision: Precision) -> float | None:
    if parameters is None or not device.memory_bytes:
        return None
    share = memory_need_bytes(parameters, precision) / device.memory_bytes
    return min(1.0, max(0.0, 2.0 * (1.0 - share)))


def _reason(compatibility: float, memory: float | None, native: float | None) -> str:
    if memory == 0.0:
        return "does not fit into the device's memory"
    lowest = min(f for f in (compatibility, memory, native) if f is not None)
    if lowest >= 1.0:
        return "nothing speaks against it"
    if lowest == memory:
        return "takes most of the device's memory"
    if lowest == native:
        return "the device converts this precision instead of multiplying it natively"
    return "this kind of device carries this family in part"
