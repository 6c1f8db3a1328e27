"""From the ledger to a timing report; one consistent read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.regressions import read_history
from ipfs_accelerate.evidence.summary import (
    BASELINE_TARGETS,
    CaseGroup,
    RankedRow,
    Speedup,
    eligibility,
)
from ipfs_accelerate.evidence.timing.advice import advise
from ipfs_accelerate.evidence.timing.classes import class_of, find_classes
from ipfs_accelerate.evidence.timing.commands import measure_command
from ipfs_accelerate.evidence.timing.grid import fill_grid
from ipfs_accelerate.evidence.timing.limits import limits_of
from ipfs_accelerate.evidence.timing.ranking import Places, rank_rows
from ipfs_accelerate.evidence.timing.report import ClassReport, Ranking, TimingReport
from ipfs_accelerate.evidence.timing.selection import select
from ipfs_accelerate.evidence.timing.trends import FEWEST_RUNS, NEWEST_RUNS, find_trends
from ipfs_accelerate.store.timing import (
    count_origins,
    read_attempts,
    read_profiles,
    read_results,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ipfs_accelerate.evidence.timing.selection import Cell, CellGroup
    from ipfs_accelerate.evidence.timing.trends import Trend
    from ipfs_accelerate.store import Ledger, MeasurementRecord
    from ipfs_accelerate.store.timing import StoredProfile

__all__ = ["timing_report"]

_NOTHING = Places((), (), ())


def timing_report(
    ledger: Ledger,
    *,
    classes: Sequence[str] = (),
    origin: Origin = Origin.MEASURED,
    since: datetime | None = None,
    known: Mapping[str, str | None] | None = None,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> TimingReport:
    """Rank the key classes on every target.

    Args:
        ledger: What was measured.
        classes: Names of key classes; all for none.
        origin: Only rows of this origin; none but measured ones are ranked.
        since: Only rows since then.
        known: Target → why it is not available on this machine; ``None`` for one that is.
        advance: Told after each ranking how many are done, of how many.

    Raises:
        UnknownNameError: There is no such class.
    """
    keys = find_classes(classes)
    with ledger.snapshot():
        attempts = read_attempts(ledger, origin=origin, since=since, recent=NEWEST_RUNS)
        groups = select(attempts, keys)
        cells = [cell for group in groups for cell in group.cells]
        ids = [c.attempt.result_id for c in cells if not c.has_failed]
        rows = {row.result_id: row for row in read_results(ledger, ids)}
        profiles = read_profiles(ledger, origin=origin)
        trends = _trends(ledger, cells) if origin is Origin.MEASURED else ()
        others = count_origins(ledger, since=since)
    rankings: dict[str, list[Ranking]] = {key.name: [] for key in keys}
    for done, group in enumerate(groups, start=1):
        found = _ranking(group, rows, profiles, trends)
        if found.group.rows or found.group.others or found.unranked:
            rankings[group.key.name].append(found)
        advance(done, len(groups))
    known = dict(known or {})
    targets = tuple(dict.fromkeys([*known, *(c.attempt.target for c in cells)]))
    absent = {target: reason for target, reason in known.items() if reason is not None}
    return TimingReport(
        origin=origin,
        since=since,
        classes=tuple(
            ClassReport(
                key,
                tuple(rankings[key.name]),
                fill_grid(key, rankings[key.name], targets, absent),
                None if rankings[key.name] else key.command,
            )
            for key in keys
        ),
        targets=targets,
        unavailable=absent,
        other_origins={name: n for name, n in others.items() if name != origin.value},
        other_models=len(
            {
                (a.model_name, a.host, a.target, a.test_case)
                for a in attempts
                if class_of(a.model_type, a.architecture) is None
            }
        ),
    )


def _trends(ledger: Ledger, cells: Iterable[Cell]) -> tuple[Trend, ...]:
    """Of the cells with enough runs; no more of the history is read than enters."""
    long = [cell.attempt for cell in cells if cell.attempt.runs >= FEWEST_RUNS]
    if not long:
        return ()
    wanted = {(a.model_name, a.host, a.target, a.test_case) for a in long}
    history = read_history(ledger, since=min(a.recent_since for a in long))
    return find_trends(
        case
        for case in history
        if (case.key.model_name, case.key.host, case.key.target, case.key.test_case) in wanted
    )


def _ranking(
    found: CellGroup,
    rows: Mapping[str, MeasurementRecord],
    profiles: Sequence[StoredProfile],
    trends: Sequence[Trend],
) -> Ranking:
    trusted = [c for c in found.cells if c.reason is None]
    others = [rows[c.attempt.result_id] for c in found.cells
              if not c.has_failed and c.attempt.origin is not Origin.MEASURED]  # fmt: skip
    if others:
        return _unranked(found, others)
    places = rank_rows([rows[c.attempt.result_id] for c in trusted])
    failures = {c.attempt.target: c.newer_failure for c in trusted if c.newer_failure}
    ranked = _rows(places, failures)
    able = [row.record for row in ranked if row.is_eligible]
    sample = next((rows[c.attempt.result_id] for c in found.cells if not c.has_failed), None)
    cell = (found.model_name, found.host, found.test_case)
    ranking = Ranking(
        key=found.key,
        host=found.host,
        group=CaseGroup(
            model_name=found.model_name,
            weights=str(sample.model.metadata.get("weights", "unknown")) if sample else "unknown",
            test_case=found.test_case,
            rows=ranked,
            others=(),
            baseline=_baseline(places),
        ),
        places=places,
        contenders=places if len(able) == len(ranked) else rank_rows(able),
        unranked=tuple(c for c in found.cells if c.reason is not None),
        limits=limits_of(places.rows, profiles),
        trends=tuple(t for t in trends if (t.model_name, t.host, t.test_case) == cell),
        command=measure_command(sample, ["all"]) if sample else found.key.command,
    )
    from dataclasses import replace

    return replace(ranking, advice=advise(ranking))


def _unranked(found: CellGroup, others: Sequence[MeasurementRecord]) -> Ranking:
    """Values of another origin than measured: shown side by side, concluded from never."""
    ordered = sorted(others, key=lambda row: (row.latency_p50_ns or 0, row.target))
    weights = str(ordered[0].model.metadata.get("weights", "unknown"))
    group = CaseGroup(found.model_name, weights, found.test_case, (), tuple(ordered), None)
    failed = tuple(c for c in found.cells if c.has_failed)
    return Ranking(found.key, found.host, group, _NOTHING, _NOTHING, failed)


def _baseline(places: Places) -> str | None:
    measured = {row.target for row in places.rows}
    return next((target for target in BASELINE_TARGETS if target in measured), None)


def _rows(places: Places, failures: Mapping[str, str]) -> tuple[RankedRow, ...]:
    baseline = _baseline(places)
    found = []
    for row, rank in zip(places.rows, places.ranks, strict=True):
        is_eligible, doubts = eligibility(row)
        speedup = _speedup(places, row.target, baseline)
        if baseline and speedup is None:
            reason = places.pair(row.target, baseline).reason
            doubts = (*doubts, f"no speed-up over the baseline: {reason}")
        if row.target in failures:
            doubts = (*doubts, f"newer attempt: {failures[row.target]}")
        found.append(RankedRow(row, rank, speedup, is_eligible, doubts))
    return tuple(found)


def _speedup(places: Places, target: str, baseline: str | None) -> Speedup | None:
    """Over the baseline; ``None`` without one, or where the two cannot be compared."""
    if baseline is None:
        return None
    if target == baseline:
        return Speedup(1.0, 1.0, 1.0, "baseline")
    pair = places.pair(target, baseline)
    if pair.reason is not None:
        return None
    if pair.faster == target:
        verdict = "faster" if pair.low > 1 else "inconclusive"
        return Speedup(pair.ratio, pair.low, pair.high, verdict)
    verdict = "slower" if pair.low > 1 else "inconclusive"
    return Speedup(1 / pair.ratio, 1 / pair.high, 1 / pair.low, verdict)
