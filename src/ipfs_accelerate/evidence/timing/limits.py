"""What limits a result: the machine's roofline, and where a stored profile saw the time go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.timing.commands import profile_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipfs_accelerate.store import MeasurementRecord
    from ipfs_accelerate.store.timing import StoredProfile

__all__ = ["UNKNOWN", "Limit", "limit_of", "limits_of"]

UNKNOWN = "unknown"
_UNPLACED = "unplaced"
_MEMORY = ("memory-bound", "copy-bound")
_COMPUTE = "compute-bound"


@dataclass(frozen=True, slots=True)
class Limit:
    """What is known about why a result is not faster.

    Attributes:
        target: Of the result.
        result_id: The result.
        bottleneck: Class of the profile with the largest share; ``unknown`` without a profile, or
            where less than half of the time can be put into any.
        shares: Class → share of the profiled run; empty without a profile.
        profile_run: Run of the profile; ``None`` without one.
        intensity_flop_per_byte: Of the operators whose work is known; ``None`` without.
        roof: Whether ``compute`` or ``memory`` sets the shortest possible time; ``None`` when
            the result was not held against the peak.
        fraction_of_peak: Shortest possible time over the median; ``None`` likewise.
        why_no_roof: Why not.
        command: What would find the bottleneck; ``None`` when it is known.
    """

    target: str
    result_id: str
    bottleneck: str
    shares: Mapping[str, float]
    profile_run: str | None
    intensity_flop_per_byte: float | None
    roof: str | None
    fraction_of_peak: float | None
    why_no_roof: str | None
    command: str | None

    @property
    def memory_share(self) -> float:
        """Of the profiled time, what waited for memory: bound by it, or copies."""
        return sum(self.shares.get(name, 0.0) for name in _MEMORY)

    @property
    def compute_share(self) -> float:
        """Of the profiled time, what was bound by arithmetic."""
        return self.shares.get(_COMPUTE, 0.0)

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def limits_of(
    rows: Iterable[MeasurementRecord], profiles: Iterable[StoredProfile]
) -> tuple[Limit, ...]:
    """One for each row, with the newest profile of the same model version, host and workload."""
    known = {(p.model_id, p.host, p.target, p.test_case): p for p in profiles}
    return tuple(
        limit_of(r, known.get((r.model.model_id, r.hardware.host, r.target, r.test_case)))
        for r in rows
    )


def limit_of(record: MeasurementRecord, profile: StoredProfile | None) -> Limit:
    """What limits one row."""
    roof, fraction = record.metrics.get("peak_bound"), record.metrics.get("fraction_of_peak")
    has_roof = isinstance(roof, str) and isinstance(fraction, int | float)
    reason = record.metrics.get("peak_reason") or "it was not held against the peak"
    return Limit(
        target=record.target,
        result_id=record.result_id,
        bottleneck=_bottleneck(profile.shares) if profile else UNKNOWN,
        shares=dict(profile.shares) if profile else {},
        profile_run=profile.run_id if profile else None,
        intensity_flop_per_byte=_intensity(profile),
        roof=str(roof) if has_roof else None,
        fraction_of_peak=float(str(fraction)) if has_roof else None,
        why_no_roof=None if has_roof else str(reason),
        command=None if profile else profile_command(record),
    )


def _bottleneck(shares: Mapping[str, float]) -> str:
    """The verdict that `bench.profiling.find_bottleneck` gives for these shares."""
    placed = {name: share for name, share in shares.items() if name != _UNPLACED}
    if not placed or shares.get(_UNPLACED, 0.0) >= 0.5:
        return UNKNOWN
    return max(placed, key=lambda name: placed[name])


def _intensity(profile: StoredProfile | None) -> float | None:
    if profile is None or not profile.flops or not profile.moved_bytes:
        return None
    return profile.flops / profile.moved_bytes
