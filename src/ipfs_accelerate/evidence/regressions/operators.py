"""Which operator changed, where the noise of the whole hides it: histories of stored profiles."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.evidence.regressions.detect import ALPHA, FEWEST_RUNS, find_changes
from ipfs_accelerate.evidence.regressions.findings import (
    THRESHOLD,
    find_regressions,
    severity_of,
)
from ipfs_accelerate.evidence.regressions.history import CaseKey, CaseSeries, Operator, Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ipfs_accelerate.evidence.regressions.findings import Finding
    from ipfs_accelerate.store import Ledger

__all__ = [
    "OperatorFinding",
    "OperatorReport",
    "ProfiledCase",
    "find_operator_changes",
    "read_profiles",
]

#: Operators below this share of the whole are looked at within their type only.
LEAST_SHARE = 0.005
#: A change that moves the whole by less is not worth anybody's time.
LEAST_EFFECT = 0.002
#: Runs by which the places of one change may differ between series.
_NEAR = 2
_SQL = """
SELECT m.model_name, h.host, h.device_id, h.device_name, p.target, p.test_case, p.run_id,
    p.created_at, t.git_commit, m.version AS model_version, h.driver_version, h.platform_version,
    t.metadata AS environment, p.op_type, p.name, sum(p.p50_ns) AS p50_ns,
    any_value(e.value) AS whole_ns
FROM performance_profiling p
JOIN models m USING (model_id) JOIN hardware_platforms h USING (hardware_id)
JOIN test_runs t ON t.run_id = p.run_id
LEFT JOIN performance_extended_metrics e
    ON e.run_id = p.run_id AND e.name = 'plain_p50_ns' AND e.unit = 'ns' AND e.origin = 'measured'
WHERE p.origin = 'measured' AND (? IS NULL OR p.created_at >= ?)
GROUP BY ALL HAVING any_value(e.value) > 0 ORDER BY p.created_at, p.run_id"""


@dataclass(frozen=True, slots=True)
class ProfiledCase:
    """The profiles of a case over time.

    Attributes:
        key: The case.
        whole: Its runs without the profiler.
        operators: Times of single operators and of all of a type, where they were seen.
    """

    key: CaseKey
    whole: CaseSeries
    operators: tuple[CaseSeries, ...]


@dataclass(frozen=True, slots=True)
class OperatorFinding:
    """A change of one operator, or of several of one type at the same moment.

    Attributes:
        finding: Of the operator that changed most, or of the sum of its type where that tells more.
            Its severity is that of the effect on the whole.
        share: Of the whole before the change, of all that changed.
        effect: What they make of the whole together: relative, of its level before.
        whole_ratio: Level of the whole after it over that before, as measured.
        is_seen_in_whole: Whether the history of the whole shows a change there too.
        operators: How many single operators of the type changed with it; 0 where only their sum
            tells.
    """

    finding: Finding
    share: float
    effect: float
    whole_ratio: float
    is_seen_in_whole: bool
    operators: int

    def to_dict(self) -> dict[str, object]:
        """JSON-serialisable facts."""
        own = {name: value for name, value in asdict(self).items() if name != "finding"}
        return self.finding.to_dict() | own


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """What was looked at and what was found.

    Attributes:
        findings: Largest effect on the whole first.
        cases: Profiled often enough.
        series: Operators and types looked at, over all cases.
        too_short: Cases with fewer than `detect.FEWEST_RUNS` profiles.
    """

    findings: tuple[OperatorFinding, ...]
    cases: int
    series: int
    too_short: int


def read_profiles(ledger: Ledger, *, since: datetime | None = None) -> list[ProfiledCase]:
    """Every profiled case, in one consistent read; a run without its whole time is left out."""
    from ipfs_accelerate.store.rows import naive_utc

    moment = None if since is None else naive_utc(since)
    cases: dict[CaseKey, list[Mapping[str, object]]] = {}
    for row in ledger.query(_SQL, [moment, moment]).to_dicts():
        key = CaseKey(*(str(row[name]) for name in CaseKey.__dataclass_fields__))
        cases.setdefault(key, []).append(row)
    return [_case(key, cases[key]) for key in sorted(cases)]


def find_operator_changes(
    cases: Iterable[ProfiledCase], *, alpha: float = ALPHA, threshold: float = THRESHOLD
) -> OperatorReport:
    """Changes of operators; ``alpha`` bounds the false alarms of all series of a case together.

    Args:
        cases: See `read_profiles`.
        alpha: Probability of any finding in a case without change (Bonferroni).
        threshold: Relative change of an operator from which on it counts.

    Raises:
        InputError: ``alpha`` or ``threshold`` is outside its range.
    """
    known = list(cases)
    long = [case for case in known if len(case.whole.points) >= FEWEST_RUNS]
    found: list[OperatorFinding] = []
    series = 0
    for case in long:
        telling = [s for s in case.operators if _is_telling(s, case.whole)]
        series += len(telling)
        report = find_regressions(telling, alpha=alpha / max(len(telling), 1), threshold=threshold)
        found += _folded(case.whole, report.findings, alpha)
    found.sort(key=lambda one: -abs(one.effect))
    return OperatorReport(tuple(found), len(long), series, len(known) - len(long))


def _case(key: CaseKey, rows: Sequence[Mapping[str, object]]) -> ProfiledCase:
    runs = {str(row["run_id"]): row for row in rows}
    times: dict[Operator, dict[str, float]] = {}
    for row in rows:
        kind, run, time_ns = str(row["op_type"]), str(row["run_id"]), float(str(row["p50_ns"]))
        for operator in (Operator(kind, str(row["name"])), Operator(kind)):
            at = times.setdefault(operator, {})
            at[run] = at.get(run, 0.0) + time_ns
    kinds = [operator.op_type for operator in times if operator.name]
    alone = {Operator(kind) for kind in kinds if kinds.count(kind) == 1}
    whole = {run: float(str(row["whole_ns"])) for run, row in runs.items()}
    return ProfiledCase(
        key,
        _series(key, runs, whole),
        tuple(
            replace(_series(key, runs, times[operator]), operator=operator)
            for operator in sorted(times.keys() - alone)
        ),
    )


def _series(
    key: CaseKey, runs: Mapping[str, Mapping[str, object]], times: Mapping[str, float]
) -> CaseSeries:
    points = tuple(
        Point(
            run_id=run,
            created_at=row["created_at"],  # type: ignore[arg-type]
            git_commit=None if row["git_commit"] is None else str(row["git_commit"]),
            median_ns=times[run],
            error=None,
            load=None,
            recorded=row,
        )
        for run, row in runs.items()
        if times.get(run, 0.0) > 0
    )
    missing = len(times) - len(points)
    return CaseSeries(key, points, {"no positive time": missing} if missing else {})


def _is_telling(series: CaseSeries, whole: CaseSeries) -> bool:
    if len(series.points) < FEWEST_RUNS:
        return False
    return bool(series.medians_ns.max() >= LEAST_SHARE * np.median(whole.medians_ns))


def _folded(whole: CaseSeries, findings: Sequence[Finding], alpha: float) -> list[OperatorFinding]:
    """One finding a type and moment: the operator where one changed, else the whole type."""
    changes = find_changes(whole.medians_ns, whole.errors, alpha=alpha)
    places = {point.run_id: index for index, point in enumerate(whole.points)}
    seen = [(change.index, change.ratio) for change in changes if change.kind != "variance"]
    groups: dict[tuple[str, bool], list[list[Finding]]] = {}
    shifts = [f for f in findings if f.change.kind != "variance"]
    for finding in sorted(shifts, key=lambda f: places[f.first.run_id]):
        kind = finding.operator.op_type if finding.operator else ""
        lists = groups.setdefault((kind, finding.is_regression), [])
        near = lists[-1] if lists else []
        if near and places[finding.first.run_id] - places[near[0].first.run_id] <= _NEAR:
            near.append(finding)
        else:
            lists.append([finding])
    found = [_told(whole, group, seen) for lists in groups.values() for group in lists]
    return [one for one in found if abs(one.effect) >= LEAST_EFFECT]


def _told(
    whole: CaseSeries, group: Sequence[Finding], seen: Sequence[tuple[int, float]]
) -> OperatorFinding:
    single = [f for f in group if f.operator and f.operator.name]
    sums = [f for f in group if f.operator and not f.operator.name]
    chosen, parts = max(single or sums, key=_gain), single or sums
    if sums and _gain(sums[0]) > 2 * _gain(chosen):
        chosen, parts = sums[0], sums
    change = chosen.change
    at = next(n for n, p in enumerate(whole.points) if p.run_id == chosen.first.run_id)
    levels = whole.medians_ns
    before, after = float(np.median(levels[:at])), float(np.median(levels[at:]))
    share = sum(f.change.before for f in parts) / before
    return OperatorFinding(
        replace(chosen, severity=severity_of(change, share)),
        share=share,
        effect=sum(f.change.after - f.change.before for f in parts) / before,
        whole_ratio=after / before,
        is_seen_in_whole=any(
            abs(index - at) <= _NEAR and (ratio > 1) == (change.ratio > 1) for index, ratio in seen
        ),
        operators=len(single),
    )


def _gain(finding: Finding) -> float:
    return abs(finding.change.after - finding.change.before)
