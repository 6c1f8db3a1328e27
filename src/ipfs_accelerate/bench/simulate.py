"""What a datasheet says an absent device could do at best; never a measurement.

The estimate is the roofline: no launch overhead, every weight read once, peak rates held. It is a
lower bound of the latency, and a row made from it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import TargetUnsupportedError, UnknownNameError
from ipfs_accelerate.hardware import DeviceKind, Precision
from ipfs_accelerate.store import HardwareRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.runtimes import Target

__all__ = ["DATASHEETS", "Datasheet", "Estimate", "choose_datasheet", "estimate"]

_T = 10**12
_G = 10**9


@dataclass(frozen=True, slots=True)
class Datasheet:
    """Peak rates as the vendor states them, dense (without structured sparsity).

    Attributes:
        kind: What sort of device it is.
        name: The vendor's name.
        ops_per_s: Precision → operations per second; a multiply-add counts as two.
        bandwidth_bytes_per_s: Of the memory that holds the weights.
        memory_bytes: Size of that memory; ``None`` where it is sold in several sizes.
        source: The document.
    """

    kind: DeviceKind
    name: str
    ops_per_s: Mapping[Precision, int]
    bandwidth_bytes_per_s: int
    memory_bytes: int | None
    source: str

    @property
    def hardware(self) -> HardwareRecord:
        """Its row of ``hardware_platforms``, which no machine has."""
        return HardwareRecord(
            hardware_type=self.kind.value,
            device_id="simulated",
            device_name=f"{self.name} (datasheet)",
            platform="simulated",
            platform_version="roofline/1",
            host="datasheet",
            memory_gb=None if self.memory_bytes is None else self.memory_bytes / 2**30,
            metadata={"source": self.source, "is_simulated": True},
        )


#: Short name → datasheet; the first of a kind is its default.
DATASHEETS = {
    "nvidia-a100": Datasheet(
        DeviceKind.CUDA,
        "NVIDIA A100 80GB SXM",
        {
            Precision.FP32: 19_500 * _G,
            Precision.TF32: 156 * _T,
            Precision.FP16: 312 * _T,
            Precision.BF16: 312 * _T,
            Precision.INT8: 624 * _T,
        },
        2_039 * _G,
        80 * _G,
        "NVIDIA A100 Tensor Core GPU datasheet, 2021",
    ),
    "nvidia-h100": Datasheet(
        DeviceKind.CUDA,
        "NVIDIA H100 80GB SXM5",
        {
            Precision.FP32: 67 * _T,
            Precision.TF32: 494_500 * _G,
            Precision.FP16: 989_500 * _G,
            Precision.BF16: 989_500 * _G,
            Precision.FP8: 1_979 * _T,
            Precision.INT8: 1_979 * _T,
        },
        3_350 * _G,
        80 * _G,
        "NVIDIA H100 Tensor Core GPU datasheet, 2023; its rates with sparsity halved",
    ),
    "nvidia-rtx-4090": Datasheet(
        DeviceKind.CUDA,
        "NVIDIA GeForce RTX 4090",
        {
            Precision.FP32: 82_600 * _G,
            Precision.TF32: 82_600 * _G,
            Precision.FP16: 165_200 * _G,
            Precision.BF16: 165_200 * _G,
            Precision.FP8: 330_300 * _G,
            Precision.INT8: 660_600 * _G,
        },
        1_008 * _G,
        24 * _G,
        "NVIDIA Ada GPU architecture whitepaper v2, appendix A; FP32 accumulation",
    ),
    "amd-mi300x": Datasheet(
        DeviceKind.ROCM,
        "AMD Instinct MI300X",
        {
            Precision.FP32: 163_400 * _G,
            Precision.TF32: 653_700 * _G,
            Precision.FP16: 1_307_400 * _G,
            Precision.BF16: 1_307_400 * _G,
            Precision.FP8: 2_614_900 * _G,
            Precision.INT8: 2_614_900 * _G,
        },
        5_300 * _G,
        192 * _G,
        "AMD Instinct MI300X data sheet, 2023",
    ),
    "apple-m2": Datasheet(
        DeviceKind.MPS,
        "Apple M2, 10-core GPU",
        {Precision.FP32: 3_600 * _G},
        100 * _G,
        None,
        "Apple press release 'Apple unveils M2', June 2022",
    ),
    "snapdragon-x-elite": Datasheet(
        DeviceKind.QNN,
        "Qualcomm Snapdragon X Elite, Hexagon NPU",
        {Precision.INT8: 45 * _T},
        135 * _G,
        None,
        "Qualcomm Snapdragon X Elite product brief, 2023",
    ),
    "google-tpu-v5e": Datasheet(
        DeviceKind.TPU,
        "Google Cloud TPU v5e, one chip",
        {Precision.BF16: 197 * _T, Precision.INT8: 394 * _T},
        819 * _G,
        16 * _G,
        "Google Cloud documentation, TPU v5e system architecture",
    ),
}


_BYTES_OF = {
    Precision.FP32: 4.0,
    Precision.TF32: 4.0,
    Precision.FP16: 2.0,
    Precision.BF16: 2.0,
    Precision.FP8: 1.0,
    Precision.INT8: 1.0,
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A simulated latency.

    Attributes:
        latency_ns: The lower bound.
        bound: ``compute`` or ``memory``, whichever sets it.
        reason: Formula, numbers and datasheet, for the row's ``origin_reason``.
        hardware: The device of the row.
    """

    latency_ns: int
    bound: str
    reason: str
    hardware: HardwareRecord


def choose_datasheet(
    target: Target, kind: DeviceKind | None, names: Sequence[str] = ()
) -> Datasheet:
    """The datasheet that stands in for a target's absent device.

    Args:
        target: The target.
        kind: Kind of its device; ``None`` when unknown.
        names: Datasheets the user chose, by short name.

    Raises:
        UnknownNameError: No datasheet of that name.
        TargetUnsupportedError: None describes this kind of device or this precision.
    """
    for name in names:
        if name not in DATASHEETS:
            raise UnknownNameError(name, DATASHEETS)
    chosen = [DATASHEETS[name] for name in names] or list(DATASHEETS.values())
    fitting = [d for d in chosen if d.kind is kind]
    if not fitting:
        raise TargetUnsupportedError(
            f"{target} cannot be simulated: no datasheet for a device of kind {kind}",
            hint="known: " + ", ".join(f"{n} ({d.kind.value})" for n, d in DATASHEETS.items()),
        )
    found = next((d for d in fitting if target.precision in d.ops_per_s), None)
    if found is None:
        rates = ", ".join(p.value for p in fitting[0].ops_per_s)
        raise TargetUnsupportedError(
            f"{target} cannot be simulated: the datasheet of {fitting[0].name} states no rate "
            f"for {target.precision.value}",
            hint=f"it states {rates}",
        )
    return found


def estimate(
    datasheet: Datasheet, precision: Precision, *, operations: int, weight_bytes: int
) -> Estimate:
    """Roofline latency of one call.

    Args:
        datasheet: The device.
        precision: Of the arithmetic; must be one the datasheet states.
        operations: Operations of one call, a multiply-add as two.
        weight_bytes: Bytes of the weights in fp32; scaled to the precision.

    Source:
        Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009: ``t ≥ max(W/π, Q/β)``.
    """
    peak = datasheet.ops_per_s[precision]
    moved_bytes = round(weight_bytes * _BYTES_OF[precision] / _BYTES_OF[Precision.FP32])
    compute_ns = operations * 10**9 // peak
    memory_ns = moved_bytes * 10**9 // datasheet.bandwidth_bytes_per_s
    bound = "compute" if compute_ns >= memory_ns else "memory"
    reason = (
        f"roofline lower bound max({operations:.3g} op / {peak:.3g} op/s, {moved_bytes:.3g} B / "
        f"{datasheet.bandwidth_bytes_per_s:.3g} B/s) of {datasheet.name}; {datasheet.source}"
    )
    return Estimate(max(compute_ns, memory_ns, 1), bound, reason, datasheet.hardware)
