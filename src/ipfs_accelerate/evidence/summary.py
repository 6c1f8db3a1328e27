"""One run, made comparable: groups of equal cases, ranks with ties, speed-ups, a recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ipfs_accelerate.bench.intervals import Interval
    from ipfs_accelerate.store import MeasurementRecord, RunRecord

__all__ = [
    "BASELINE_TARGETS",
    "CaseGroup",
    "RankedRow",
    "RunSummary",
    "Speedup",
    "by_reason",
    "eligibility",
    "failure_message",
    "summarise",
]

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
    def title(self) -> str:
        """The model as people call it: a path by its last two parts."""
        is_path = self.model_name.startswith(("/", "\\")) or self.model_name[1:3] == ":\\"
        return "/".join(PurePath(self.model_name).parts[-2:]) if is_path else self.model_name

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


def failure_message(record: MeasurementRecord) -> str:
    """Why a case failed, in one line."""
    error = record.error or {}
    inner = error.get("error")
    message = inner.get("message") if isinstance(inner, dict) else error.get("message")
    return str(message or "no reason was recorded")


def by_reason(unavailable: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason → targets it applies to, in the order given: what is not possible, said once."""
    grouped: dict[str, list[str]] = {}
    for target, reason in unavailable.items():
        grouped.setdefault(reason, []).append(target)
    return grouped


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
            RankedRow(r, rank, _speedup(r, baseline), *eligibility(r))
            for r, rank in zip(measured, ranks, strict=True)
        ),
        others=tuple(r for r in rows if r.origin is not Origin.MEASURED),
        baseline=baseline.target if baseline else None,
    )


def _ranks(rows: Sequence[MeasurementRecord]) -> list[int]:
    """Competition ranks in the order of ``rows``; rows that cannot be told apart share one."""
    from ipfs_accelerate.bench.compare import rank

    by_target = {row.target: _interval(row) for row in rows}
    ranks: dict[str, int] = {}
    for names in rank(by_target):
        place = len(ranks) + 1
        ranks.update(dict.fromkeys(names, place))
    return [ranks[row.target] for row in rows]


def _interval(record: MeasurementRecord) -> Interval:
    """The stored interval; without one the median alone, which then ties with nothing else."""
    from ipfs_accelerate.bench.intervals import Interval

    median = record.latency_p50_ns or 0
    count = len(record.samples_ns)
    return Interval(
        low=median if record.latency_low_ns is None else record.latency_low_ns,
        median=median,
        high=median if record.latency_high_ns is None else record.latency_high_ns,
        confidence=0.95,
        n=count,
        effective_n=count,
    )


def _speedup(record: MeasurementRecord, baseline: MeasurementRecord | None) -> Speedup | None:
    if baseline is None or not record.samples_ns or not baseline.samples_ns:
        return None
    if record is baseline:
        return Speedup(1.0, 1.0, 1.0, "baseline")
    from ipfs_accelerate.bench.pairing import speed_ratio

    found = speed_ratio(baseline, record)
    return Speedup(found.ratio, found.low, found.high, found.verdict)


def eligibility(record: MeasurementRecord) -> tuple[bool, tuple[str, ...]]:
    """Whether a row may be recommended, and the doubts about it."""
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
