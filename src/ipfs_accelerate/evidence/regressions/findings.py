"""What changed in the history of all cases, how badly, and what changed at the same moment."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.regressions.detect import ALPHA, FEWEST_RUNS, find_changes
from ipfs_accelerate.evidence.statistics.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.evidence.regressions.detect import Change
    from ipfs_accelerate.evidence.regressions.history import (
        CaseKey,
        CaseSeries,
        Operator,
        Point,
    )

__all__ = ["ALPHA", "THRESHOLD", "Cause", "Finding", "Report", "find_regressions", "severity_of"]

#: Relative difference below which a change is not worth anybody's time.
THRESHOLD = 0.01
_LOAD_STEP = 0.10
#: Share of false ones among the findings of a report.
_ALLOWED_SHARE = 0.05

Severity = Literal["critical", "major", "minor", "notice"]
_SEVERITIES: tuple[tuple[Severity, float], ...] = (
    ("critical", 0.20),
    ("major", 0.05),
    ("minor", 0.0),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that changed between the two runs.

    Attributes:
        kind: ``environment``, ``load`` or ``commit``.
        name: What.
        before: Its value at the last run before the change.
        after: Its value at the first run after it.
    """

    kind: str
    name: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Finding:
    """One change in the history of one case.

    Attributes:
        finding_id: Stays the same while the change stays between the same two runs.
        key: The case.
        change: Where, what kind, how large.
        severity: By the end of the interval nearest to no change; ``notice`` for no slowdown.
        adjusted_p_value: Corrected for all series looked at.
        last_good: Last run before it.
        first: First run after it.
        causes: What changed with it, environment first: a machine that changed explains more than
            a commit does.
        operator: Whose history it is; ``None`` for that of the whole case.
    """

    finding_id: str
    key: CaseKey
    change: Change
    severity: Severity
    adjusted_p_value: float
    last_good: Point
    first: Point
    causes: tuple[Cause, ...]
    operator: Operator | None = None

    @property
    def is_regression(self) -> bool:
        """Whether the case became slower."""
        return self.change.kind != "variance" and self.change.ratio > 1

    def to_dict(self) -> dict[str, object]:
        """JSON-serialisable facts."""
        return {
            "finding_id": self.finding_id,
            **asdict(self.key),
            "operator": self.operator and self.operator.text,
            "kind": self.change.kind,
            "severity": self.severity,
            "is_regression": self.is_regression,
            "ratio": self.change.ratio,
            "ratio_low": self.change.low,
            "ratio_high": self.change.high,
            "p_value": self.change.p_value,
            "adjusted_p_value": self.adjusted_p_value,
            "last_good_run": self.last_good.run_id,
            "first_run": self.first.run_id,
            "first_at": self.first.created_at.isoformat(),
            "causes": [asdict(cause) for cause in self.causes],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found.

    Attributes:
        findings: Worst first.
        examined: Series that were long enough.
        too_short: Series with fewer than `detect.FEWEST_RUNS` runs, about which nothing is said.
        left_out: Runs without a usable median, over all series.
    """

    findings: tuple[Finding, ...]
    examined: int
    too_short: int
    left_out: int


def find_regressions(
    series: Iterable[CaseSeries], *, alpha: float = ALPHA, threshold: float = THRESHOLD
) -> Report:
    """Changes in all series, with control over the share of false ones among them.

    Args:
        series: See `history.read_history`.
        alpha: Per series; the share of false ones among all findings stays below 5 %.
        threshold: Relative change from which on a step counts.

    Raises:
        InputError: ``alpha`` or ``threshold`` is outside its range.
    """
    if not 0 < alpha < 1 or threshold <= 0:
        raise InputError(f"alpha {alpha!r} or threshold {threshold!r} is out of range")
    cases = list(series)
    long = [case for case in cases if len(case.points) >= FEWEST_RUNS]
    found = [
        (case, change)
        for case in long
        for change in find_changes(case.medians_ns, case.errors, alpha=alpha)
        if change.kind == "variance" or abs(np.log(change.ratio)) >= np.log1p(threshold)
    ]
    findings = _controlled(found, len(long))
    return Report(
        findings=tuple(sorted(findings, key=_urgency)),
        examined=len(long),
        too_short=len(cases) - len(long),
        left_out=sum(sum(case.left_out.values()) for case in cases),
    )


def _controlled(found: Sequence[tuple[CaseSeries, Change]], series: int) -> list[Finding]:
    """Findings that stand after Benjamini-Hochberg over all series; those without count as 1."""
    quiet = series - len({(case.key, case.operator) for case, _ in found})
    p = adjust([c.p_value for _, c in found] + [1.0] * quiet, "benjamini-hochberg")
    return [
        _finding(case, change, float(adjusted))
        for (case, change), adjusted in zip(found, p, strict=False)
        if adjusted < _ALLOWED_SHARE
    ]


def _finding(case: CaseSeries, change: Change, adjusted: float) -> Finding:
    last, first = case.points[change.index - 1], case.points[change.index]
    parts = (*asdict(case.key).values(), last.run_id, first.run_id, change.kind)
    if case.operator is not None:
        parts = (*parts, case.operator.text)
    return Finding(
        finding_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12],
        key=case.key,
        change=change,
        severity=severity_of(change),
        adjusted_p_value=adjusted,
        last_good=last,
        first=first,
        causes=_causes(case.points, change.index),
        operator=case.operator,
    )


def severity_of(change: Change, share: float = 1.0) -> Severity:
    """How bad a change is for the whole, of which what changed took this share before."""
    if change.kind == "variance" or change.ratio <= 1:
        return "notice"
    least = share * max(change.low - 1, 0.0)
    return next(name for name, floor in _SEVERITIES if least >= floor)


def _urgency(finding: Finding) -> tuple[int, float]:
    order = ("critical", "major", "minor", "notice")
    return order.index(finding.severity), -abs(float(np.log(finding.change.ratio)))


def _causes(points: Sequence[Point], index: int) -> tuple[Cause, ...]:
    last, first = points[index - 1], points[index]
    before, after = last.facts, first.facts
    names = sorted({*before, *after})
    environment = [
        Cause("environment", name, before[name], after[name])
        for name in names
        if name in before and name in after and before[name] != after[name]
    ]
    commit = []
    if last.git_commit != first.git_commit and last.git_commit and first.git_commit:
        commit = [Cause("commit", "git_commit", last.git_commit, first.git_commit)]
    return (*environment, *_load(points, index), *commit)


def _load(points: Sequence[Point], index: int) -> list[Cause]:
    """A step in what others took from the machine, beyond how much that differs from run to run."""
    before = [p.load for p in points[:index] if p.load is not None]
    after = [p.load for p in points[index:] if p.load is not None]
    if not before or not after:
        return []
    levels = float(np.median(before)), float(np.median(after))
    doubt = 3 * float(np.hypot(_median_error(before), _median_error(after)))
    if abs(levels[1] - levels[0]) < max(_LOAD_STEP, doubt):
        return []
    return [Cause("load", "foreign_cpu_share", *levels)]


def _median_error(values: Sequence[float]) -> float:
    """Of the median of independent values, from their median absolute deviation."""
    away = np.abs(np.asarray(values) - np.median(values))
    return float(1.2533 * 1.4826 * np.median(away) / np.sqrt(len(values)))
