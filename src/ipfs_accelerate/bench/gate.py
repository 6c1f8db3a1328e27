"""The physics gate of a run: the machine's peak, measured apart, and each row held against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.isolation import Child
from ipfs_accelerate.bench.roofline import GateVerdict, MachinePeaks, check
from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.hardware import DeviceKind, Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ipfs_accelerate.bench.measure import RunOptions

__all__ = ["Gate"]

_BITS = {"fp64": 64, "fp32": 32, "tf32": 32, "fp16": 16, "bf16": 16, "fp8": 8, "int8": 8}


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of the machine's peak.

    Attributes:
        peaks: Of the processor; ``None`` when they were not measured.
        why_not: Why not.
    """

    peaks: MachinePeaks | None = None
    why_not: str = "the peak was not measured (--no-gate)"

    @classmethod
    def measured(cls, options: RunOptions, *, is_cancelled: Callable[[], bool]) -> Gate:
        """Measure in a process of its own; a failure leaves results unchecked, with the reason."""
        if not options.is_gated:
            return cls()
        threads = options.limits.threads or options.settings.threads
        try:
            with Child(options.limits, is_cancelled=is_cancelled) as child:
                found = child.request("peaks", threads=threads, home=str(options.settings.home))
        except AccelerateError as error:
            return cls(why_not=error.message)
        return cls(MachinePeaks.from_dict(found))

    def check(
        self,
        work: Mapping[str, int] | None,
        *,
        latency_ns: float,
        precision: str,
        device: DeviceKind,
    ) -> GateVerdict:
        """Hold one latency against the peak of its device.

        Args:
            work: See `measure.Reference.work`.
            latency_ns: Median.
            precision: What was executed.
            device: Kind of the device; only the processor's peak is known.
        """
        if work is None:
            return GateVerdict("unchecked", None, None, "the work of a call is not known")
        if device is not DeviceKind.CPU:
            return GateVerdict("unchecked", None, None, f"no measured peak of a {device.value}")
        if self.peaks is None:
            return GateVerdict("unchecked", None, None, self.why_not)
        return check(
            work["flops"],
            work["weight_bytes"] * _BITS.get(precision, 0) // 32,
            latency_ns=latency_ns,
            precision=Precision(precision),
            peaks=self.peaks,
        )
