"""The nouns of hardware detection."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.hardware.precision import Precision

__all__ = ["Device", "DeviceKind", "Support"]


class DeviceKind(StrEnum):
    """What sort of hardware a device is.

    ``software_gpu`` is an adapter that computes on the CPU (SwiftShader, lavapipe);
    ``emulator`` is a functional emulation of an accelerator. Neither is ever listed as the
    hardware it imitates. ``remote`` is whatever a service runs on; no machine lists it.
    """

    CPU = "cpu"
    CUDA = "cuda"
    ROCM = "rocm"
    MPS = "mps"
    XPU = "xpu"
    OPENVINO = "openvino"
    QNN = "qnn"
    MEDIATEK = "mediatek"
    EXYNOS = "exynos"
    TPU = "tpu"
    BROWSER = "browser"
    SOFTWARE_GPU = "software_gpu"
    EMULATOR = "emulator"
    REMOTE = "remote"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Support:
    """Whether something can be used here, and if not, why and what would change that.

    Attributes:
        usable: Whether it can be used now.
        reason: What was found; never empty.
        hint: How to make it usable; ``None`` when usable or when nothing can be done.
    """

    usable: bool
    reason: str
    hint: str | None = None

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a Support needs a reason")

    @classmethod
    def yes(cls, reason: str) -> Support:
        """Usable; ``reason`` says what was found."""
        return cls(usable=True, reason=reason)

    @classmethod
    def no(cls, reason: str, hint: str | None = None) -> Support:
        """Not usable; ``reason`` says why, ``hint`` what to do."""
        return cls(usable=False, reason=reason, hint=hint)


@dataclass(frozen=True, slots=True)
class Device:
    """One place where a model can, or could, run.

    Attributes:
        id: Name used in targets: ``cpu``, ``cuda:0``, ``npu``; unique on a machine.
        kind: What sort of hardware it is.
        name: The vendor's name, e.g. ``Intel(R) Xeon(R) Processor @ 2.50GHz``.
        support: Whether it can be used here, with the reason.
        memory_bytes: Memory a model can take; ``None`` when unknown.
        compute_units: Cores, multiprocessors or tiles usable by us; ``None`` when unknown.
        precisions: Formats the hardware multiplies natively (not through conversion).
        features: Instruction sets and capabilities, e.g. ``avx512_vnni``, ``amx_bf16``.
        driver: Version of driver or kernel interface; ``None`` when there is none.
        details: Further JSON-serialisable facts (caches, NUMA, limits, sensors).
    """

    id: str
    kind: DeviceKind
    name: str
    support: Support
    memory_bytes: int | None = None
    compute_units: int | None = None
    precisions: frozenset[Precision] = frozenset()
    features: frozenset[str] = frozenset()
    driver: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values, sets sorted."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "name": self.name,
            "usable": self.support.usable,
            "reason": self.support.reason,
            "hint": self.support.hint,
            "memory_bytes": self.memory_bytes,
            "compute_units": self.compute_units,
            "precisions": sorted(p.value for p in self.precisions),
            "features": sorted(self.features),
            "driver": self.driver,
            "details": dict(self.details),
        }
