"""One run, made comparable: groups of equal cases, ranks with ties, speed-ups, a recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ipfs_accelerate.store import MeasurementRecord, RunRecord

__all__ = ["BASELINE_TARGETS", "CaseGroup", "RankedRow", "RunSummary", "Speedup", "summarise"]

#: What a user would have taken unasked: PyTorch eager in fp32, on the GPU where there is one.
BASELINE_TARGETS = ("torch/cuda:0/fp32", "torch/rocm:0/fp32", "torch/mps/fp32", "torch/cpu/fp32")


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster than the baseline, with the interval of that ratio."""

    ratio: float
    low: float
    high: float
    verdict: str

    @property
    def text(self) -> str:
        """``2.41× (2.30–2.52)``."""
        return f"{self.ratio:.2f}× ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A measured row with its place among its peers.

    Attributes:
        record: The row.
        rank: 1 is fastest; rows that cannot be told apart share a rank.
        speedup: Against the baseline; ``None`` without a baseline or raw samples.
        is_eligible: Whether it may be recommended.
        doubts: Why not, or what to keep in mind; empty for a clean row.
    """

    record: MeasurementRecord
    rank: int
    speedup: Speedup | None
    is_eligible: bool
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """All targets of one model and one test case.

    Attributes:
        model_name: The model.
        weights: ``trained`` or ``random(seed=N)``.
        test_case: The workload.
        rows: Measured and successful, fastest first.
        others: Successful rows of other origins (simulated, emulated, …), never ranked.
        baseline: Target the speed-ups refer to; ``None`` when it was not measured.
    """

    model_name: str
    weights: str
    test_case: str
    rows: tuple[RankedRow, ...]
    others: tuple[MeasurementRecord, ...]
    baseline: str | None

    @property
    def recommended(self) -> RankedRow | None:
        """The fastest row whose numerics hold and that no physical doubt disqualifies."""
        return next((row for row in self.rows if row.is_eligible), None)

    @property
    def ties(self) -> tuple[RankedRow, ...]:
        """Eligible rows that cannot be told apart from the recommended one, without it."""
        best = self.recommended
        if best is None:
            return ()
        return tuple(
            r for r in self.rows if r.is_eligible and r.rank == best.rank and r is not best
        )

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        best = self.recommended
        if best is None:
            return f"{self.test_case}: no target can be recommended; see the doubts and failures."
        text = f"{self.test_case}: use {best.record.target}"
        speedup = best.speedup
        if self.baseline and self.baseline != best.record.target and speedup:
            verb = "faster than" if speedup.low > 1 else "times the speed of"
            text += f", {speedup.text} {verb} {self.baseline}"
        elif self.baseline == best.record.target:
            text += ", the target a user would have taken anyway"
        if self.ties:
            text += "; no difference could be shown to " + ", ".join(
                r.record.target for r in self.ties
            )
        return text + "."


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything a report or a screen shows of one run.

    Attributes:
        run: The run.
        groups: Ranked groups, in the order of the run.
        failed: Rows that ended otherwise than ``ok``.
        unavailable: Target → reason, of what was not possible here.
    """

    run: RunRecord
    groups: tuple[CaseGroup, ...]
    failed: tuple[MeasurementRecord, ...]
    unavailable: Mapping[str, str]


def summarise(
    run: RunRecord,
    records: Iterable[MeasurementRecord],
    *,
    unavailable: Mapping[str, str] | None = None,
) -> RunSummary:
    """Group, rank and compare the rows of one run; rows need their raw samples for intervals."""
    rows = list(records)
    keys = dict.fromkeys((r.model.model_id, r.test_case) for r in rows)
    groups = [
        _group([r for r in rows if (r.model.model_id, r.test_case) == key and _is_ok(r)])
        for key in keys
    ]
    return RunSummary(
        run=run,
        groups=tuple(g for g in groups if g is not None),
        failed=tuple(r for r in rows if not _is_ok(r)),
        unavailable=dict(unavailable or {}),
    )


def _is_ok(record: MeasurementRecord) -> bool:
    return record.status is CaseStatus.OK


def _group(rows: Sequence[MeasurementRecord]) -> CaseGroup | None:
    if not rows:
        return None
    measured = sorted(
        (r for r in rows if r.origin is Origin.MEASURED and r.latency_p50_ns is not None),
        key=lambda r: r.latency_p50_ns or 0,
    )
    by_target = {r.target: r for r in measured}
    baseline = next((by_target[t] for t in BASELINE_TARGETS if t in by_target), None)
    ranks = _ranks(measured)
    first = rows[0]
    return CaseGroup(
        model_name=first.model.model_name,
        weights=str(first.model.metadata.get("weights", "unknown")),
        test_case=first.test_case,
        rows=tuple(
            RankedRow(r, rank, _speedup(r, baseline), *_eligibility(r))
            for r, rank in zip(measured, ranks, strict=True)
        ),
        others=tuple(r for r in rows if r.origin is not Origin.MEASURED),
        baseline=baseline.target if baseline else None,
    )


def _ranks(rows: Sequence[MeasurementRecord]) -> list[int]:
    """Competition ranks; a row shares the rank of the first row its interval overlaps with."""
    ranks: list[int] = []
    leader = 0
    for index, row in enumerate(rows):
        if index and not _overlap(rows[leader], row):
            leader = index
        ranks.append(leader + 1)
    return ranks


def _overlap(fast: MeasurementRecord, slow: MeasurementRecord) -> bool:
    if fast.latency_high_ns is None or slow.latency_low_ns is None:
        return fast.latency_p50_ns == slow.latency_p50_ns
    return slow.latency_low_ns <= fast.latency_high_ns


def _speedup(record: MeasurementRecord, baseline: MeasurementRecord | None) -> Speedup | None:
    if baseline is None or not record.samples_ns or not baseline.samples_ns:
        return None
    if record is baseline:
        return Speedup(1.0, 1.0, 1.0, "baseline")
    import numpy as np

    from ipfs_accelerate.bench.compare import compare

    result = compare(
        np.asarray(baseline.samples_ns, dtype=np.int64),
        np.asarray(record.samples_ns, dtype=np.int64),
        interleaved=bool(record.environment.get("interleaved")),
    )
    return Speedup(result.ratio, result.low, result.high, result.verdict)


def _eligibility(record: MeasurementRecord) -> tuple[bool, tuple[str, ...]]:
    doubts = list(record.flags)
    parity = record.parity or {}
    eligible = "above_roofline" not in record.flags
    if not parity:
        doubts.append("parity_unchecked")
        eligible = False
    elif not parity.get("ok"):
        doubts.append("wrong_numerics")
        eligible = False
    return eligible, tuple(doubts)
