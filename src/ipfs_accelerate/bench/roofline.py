"""The physics gate: nothing can be faster than what this machine was measured to do at best."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.telemetry import MonotonicClock, observe_machine, observe_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ipfs_accelerate.hardware import Device

__all__ = ["GateVerdict", "MachinePeaks", "check", "measure_peaks"]

#: Distance between the best measured product and the best any library may reach.
TOLERANCE = 0.15
#: Beyond this share of CPU time used by others, peaks prove nothing against a fast result.
_FOREIGN_SHARE = 0.05
_PRODUCT_BUDGET_NS = 2_000_000_000
_STREAM_BUDGET_NS = 2_000_000_000
_LAYOUT = 1


@dataclass(frozen=True, slots=True)
class MachinePeaks:
    """The best rates measured on this machine.

    Attributes:
        cpu: Name of the processor.
        threads: Threads used.
        operations_per_s: Precision → multiplications and additions per second.
        bytes_per_s: Working set in bytes → bytes per second; a set that fits a cache is faster.
        spread: Largest relative distance of a best run to its median run.
        unmeasured: Precision → why its peak is not known.
        foreign_share: CPU time of other processes while measuring, of all the machine could give.
        versions: Of the libraries that computed.
    """

    cpu: str
    threads: int
    operations_per_s: Mapping[Precision, float]
    bytes_per_s: Mapping[int, float]
    spread: float = 0.0
    unmeasured: Mapping[Precision, str] = field(default_factory=dict)
    foreign_share: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_trustworthy(self) -> bool:
        """Whether the machine was quiet enough for its peak to be seen."""
        return self.foreign_share <= _FOREIGN_SHARE

    def stream_rate(self, moved_bytes: int) -> float:
        """Bytes per second for a set of this size: that of the largest measured set within it."""
        within = [size for size in self.bytes_per_s if size <= moved_bytes]
        return self.bytes_per_s[max(within, default=min(self.bytes_per_s))]

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {
            "cpu": self.cpu,
            "threads": self.threads,
            "operations_per_s": {p.value: v for p, v in self.operations_per_s.items()},
            "bytes_per_s": {str(size): v for size, v in self.bytes_per_s.items()},
            "spread": self.spread,
            "unmeasured": {p.value: v for p, v in self.unmeasured.items()},
            "foreign_share": self.foreign_share,
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Inverse of `to_dict`."""
        rest = dict(values)
        for name in ("operations_per_s", "unmeasured"):
            rest[name] = {Precision(p): v for p, v in rest[name].items()}  # type: ignore[attr-defined]
        rest["bytes_per_s"] = {int(k): v for k, v in rest["bytes_per_s"].items()}  # type: ignore[attr-defined]
        return cls(**rest)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether a latency is physically possible here.

    Attributes:
        verdict: ``ok``, ``above_roofline``, or ``unchecked`` when the peak is not known.
        fraction_of_peak: Shortest possible time over the latency; ``None`` when unchecked.
        bound: What limits the shortest possible time; ``None`` when unchecked.
        reason: With numbers.
    """

    verdict: Literal["ok", "above_roofline", "unchecked"]
    fraction_of_peak: float | None
    bound: Literal["compute", "memory"] | None
    reason: str

    @property
    def ok(self) -> bool:
        """Whether it was checked and is possible."""
        return self.verdict == "ok"


def check(
    work_flops: int,
    moved_bytes: int,
    *,
    latency_ns: float,
    precision: Precision,
    peaks: MachinePeaks,
    tolerance: float = TOLERANCE,
) -> GateVerdict:
    """Hold a latency against the roofline.

    Args:
        work_flops: Multiplications and additions of one run, each counted as one.
        moved_bytes: Bytes one run has to read at least (its weights).
        latency_ns: Median latency of a run.
        precision: What was executed.
        peaks: Of this machine, measured with at least as many threads as the run.
        tolerance: How much more than the measured peak is believed.

    Raises:
        InputError: A negative amount of work or a latency that is not positive.

    Source:
        Williams, Waterman & Patterson (2009), Roofline, Commun. ACM 52.
    """
    if latency_ns <= 0 or work_flops < 0 or moved_bytes < 0:
        raise InputError(
            f"{work_flops} operations and {moved_bytes} bytes in {latency_ns} ns cannot be checked"
        )
    peak = _peak_of(precision, peaks)
    if isinstance(peak, str):
        return GateVerdict("unchecked", None, None, peak)
    compute_ns = work_flops / peak * 1e9
    memory_ns = moved_bytes / peaks.stream_rate(moved_bytes) * 1e9
    bound: Literal["compute", "memory"] = "compute" if compute_ns >= memory_ns else "memory"
    fraction = max(compute_ns, memory_ns) / latency_ns
    limit = 1 + tolerance + peaks.spread
    reason = f"{fraction:.2f} of the measured {bound} peak, {limit:.2f} allowed"
    if fraction <= limit:
        return GateVerdict("ok", fraction, bound, reason)
    if not peaks.is_trustworthy:
        reason += f"; but others used {peaks.foreign_share:.0%} of the cores while it was measured"
        return GateVerdict("unchecked", None, None, reason)
    return GateVerdict("above_roofline", fraction, bound, reason)


def _peak_of(precision: Precision, peaks: MachinePeaks) -> float | str:
    """Operations per second, or why they are not known.

    Weights of fewer bits than eight are widened to int8 or fp32 before they are multiplied.
    """
    known = peaks.operations_per_s
    if precision in {Precision.INT4, Precision.INT3, Precision.INT2}:
        wider = [known[p] for p in (Precision.INT8, Precision.FP32) if p in known]
        return max(wider) if wider else "neither int8 nor fp32 was measured"
    if precision in known:
        return known[precision]
    return peaks.unmeasured.get(precision, f"no product of {precision} can be measured here")


def measure_peaks(*, threads: int | None = None, home: Path | None = None) -> MachinePeaks:
    """Measure the peaks of this machine, or read them back; under ten seconds.

    Args:
        threads: Threads to use; ``None`` for all cores usable by this process.
        home: Folder to keep the result in (``settings.home``); ``None`` keeps nothing. A result
            from a busy machine is not kept.
    """
    from ipfs_accelerate.hardware.cpu import find_cpu
    from ipfs_accelerate.hardware.system import System

    cpu = find_cpu(System.local())
    count = threads or cpu.compute_units or os.cpu_count() or 1
    versions = _versions()
    path = home / "peaks" / f"{_key(cpu.name, count, versions)}.json" if home else None
    kept = _read(path) if path else None
    if kept is not None:
        return kept
    peaks = _measure(cpu, count, versions)
    if path is not None and peaks.is_trustworthy:
        _write(path, peaks)
    return peaks


def _measure(cpu: Device, threads: int, versions: Mapping[str, str]) -> MachinePeaks:
    from ipfs_accelerate.bench import _peak_kernels as kernels

    clock = MonotonicClock()
    before = (clock.now_ns(), observe_machine().cpu_busy_ns, observe_process().cpu_ns)
    chosen, refused = kernels.precisions_to_measure(cpu)
    products = {
        precision: kernels.fastest_product(precision, threads=threads, budget_ns=_PRODUCT_BUDGET_NS)
        for precision in chosen
    }
    streams = kernels.fastest_streams(threads=threads, budget_ns=_STREAM_BUDGET_NS)
    after = (clock.now_ns(), observe_machine().cpu_busy_ns, observe_process().cpu_ns)
    elapsed_ns, busy_ns, own_ns = (b - a for a, b in zip(before, after, strict=True))
    return MachinePeaks(
        cpu=cpu.name,
        threads=threads,
        operations_per_s={p: rate for p, (rate, _) in products.items()},
        bytes_per_s=streams,
        spread=max(spread for _, spread in products.values()),
        unmeasured=refused,
        foreign_share=max(0.0, (busy_ns - own_ns) / (elapsed_ns * (os.cpu_count() or 1))),
        versions=versions,
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("onnxruntime", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _key(cpu: str, threads: int, versions: Mapping[str, str]) -> str:
    text = json.dumps([_LAYOUT, cpu, threads, dict(versions)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> MachinePeaks | None:
    """What was kept; ``None`` when nothing was, or when it is not readable (measured anew)."""
    try:
        return MachinePeaks.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(path: Path, peaks: MachinePeaks) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(peaks.to_dict(), indent=1), encoding="utf-8")
    part.replace(path)
