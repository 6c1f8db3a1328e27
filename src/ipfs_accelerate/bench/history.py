"""Results against earlier results of the same model, device, target and workload.

The interval of a ratio covers what happens within two processes, not what differs from start to
start (memory layout, the state of the machine). So a run that became slower is one whose whole
interval lies beyond a threshold, not one whose interval merely leaves out 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.pairing import speed_ratio
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["THRESHOLD", "Comparison", "compare_runs", "compare_with_previous"]

#: Relative difference between runs below which nothing is said to have changed.
THRESHOLD = 0.03


@dataclass(frozen=True, slots=True)
class Comparison:
    """One case, then and now.

    Attributes:
        model: Name of the model.
        target: Target.
        test_case: Workload.
        previous_run: Run of the earlier result.
        ratio: How many times faster it is now; below 1 it became slower.
        low: Lower end of the interval of the ratio.
        high: Upper end.
        verdict: ``faster`` or ``slower`` when the whole interval lies beyond the threshold, ``no
            difference`` when it lies within, else ``inconclusive``.
    """

    model: str
    target: str
    test_case: str
    previous_run: str
    ratio: float
    low: float
    high: float
    verdict: str

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def compare_with_previous(
    ledger: Ledger, records: Iterable[MeasurementRecord], *, threshold: float = THRESHOLD
) -> tuple[Comparison, ...]:
    """Each measured row against the newest earlier one of equal model, device, target and case."""
    found: list[Comparison] = []
    for now in records:
        if not _is_comparable(now):
            continue
        earlier = ledger.performance(
            model_id=now.model.model_id,
            hardware_id=now.hardware.hardware_id,
            target=now.target,
            test_case=now.test_case,
            limit=2,
            with_samples=True,
        )
        before = next((r for r in earlier if r.run_id != now.run_id and _is_comparable(r)), None)
        if before is not None:
            found.append(_compare(before, now, threshold))
    return tuple(found)


def compare_runs(
    before: Sequence[MeasurementRecord],
    now: Sequence[MeasurementRecord],
    *,
    threshold: float = THRESHOLD,
) -> tuple[Comparison, ...]:
    """All measured cases that two runs share.

    Args:
        before: Rows of the earlier run, with samples.
        now: Rows of the later run, with samples.
        threshold: Relative difference that counts.

    Raises:
        InputError: They share none.
    """
    known = {_key(r): r for r in before if _is_comparable(r)}
    pairs = [(known[_key(r)], r) for r in now if _is_comparable(r) and _key(r) in known]
    if not pairs:
        raise InputError(
            "the two runs share no measured case",
            hint="compared are rows of equal model, device, target and workload",
        )
    return tuple(_compare(a, b, threshold) for a, b in pairs)


def _key(record: MeasurementRecord) -> tuple[str, str, str, str]:
    return (
        record.model.model_id,
        record.hardware.hardware_id,
        record.target,
        record.test_case,
    )


def _is_comparable(record: MeasurementRecord) -> bool:
    is_ok = record.status is CaseStatus.OK and record.origin is Origin.MEASURED
    return is_ok and len(record.samples_ns) > 1


def _verdict(low: float, high: float, threshold: float) -> str:
    if low > 1 + threshold:
        return "faster"
    if high < 1 / (1 + threshold):
        return "slower"
    if low >= 1 / (1 + threshold) and high <= 1 + threshold:
        return "no difference"
    return "inconclusive"


def _compare(before: MeasurementRecord, now: MeasurementRecord, threshold: float) -> Comparison:
    found = speed_ratio(before, now)
    return Comparison(
        model=now.model.model_name,
        target=now.target,
        test_case=now.test_case,
        previous_run=before.run_id,
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        verdict=_verdict(found.low, found.high, threshold),
    )
