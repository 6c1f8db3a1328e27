"""The tables of a timing report, as text for every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.report.present import COLUMNS, cells, duration
from ipfs_accelerate.evidence.summary import by_reason
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.summary import RankedRow
    from ipfs_accelerate.evidence.timing import Limit, Ranking, TimingReport, Trend
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["Table", "class_tables", "closing_tables", "opening"]

_NONE = "–"
#: Those of `present.COLUMNS` that no other table of the report has, and the result.
_RANKED = (
    "rank", "target", "median", "95 % interval", "speed-up", "items/s", "peak memory", "samples",
    "result", "parity", "doubts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: Above it.
        columns: Heads.
        rows: Texts.
        best: Numbers of the rows to stress.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[int] = frozenset()


def opening(report: TimingReport) -> list[str]:
    """What the report covers, in sentences."""
    measured = [c for c in report.classes if c.rankings]
    word = report.origin.value
    text = f"{len(measured)} of {len(report.classes)} classes have {word} results"
    text += f", in {len(report.rankings)} workloads" if measured else ""
    since = f" since {report.since:%Y-%m-%d %H:%M} UTC" if report.since else ""
    found = [f"{text}{since}."]
    if report.origin is not Origin.MEASURED:
        found.append(f"These values are {word}, not measured: nothing is ranked or recommended.")
    if report.other_origins:
        listed = ", ".join(f"{n} {name}" for name, n in report.other_origins.items())
        found.append(f"Left out because of their origin: {listed} (--origin shows them).")
    if report.other_models:
        found.append(f"Left out because of their class: {report.other_models} cells.")
    return found


def class_tables(ranking: Ranking) -> list[Table]:
    """Of one ranking; those without rows are left out."""
    made = [
        _ranks(ranking),
        _starts(ranking),
        Table(
            "What limits it",
            ("target", "bottleneck (profile)", "compute", "memory", "other", "roof",
             "of the peak", "to find out"),
            tuple(_limit(limit) for limit in ranking.limits),
        ),
        Table(
            "Trend over runs",
            ("target", "runs", "comparable", "slope a run", "95 % interval", "p", "p (corrected)",
             "verdict"),
            tuple(_trend(trend) for trend in ranking.trends),
        ),
        Table(
            "Not ranked",
            ("target", "result", "reason"),
            tuple((c.attempt.target, c.attempt.result_id[:8], c.reason or "")
                  for c in ranking.unranked),
        ),
        Table(
            "Not measured, never ranked",
            ("target", "result", "origin", "value", "reason"),
            tuple((r.target, r.result_id[:8], r.origin.value, duration(r.latency_p50_ns),
                   r.origin_reason or "") for r in ranking.group.others),
        ),
    ]  # fmt: skip
    return [table for table in made if table.rows]


def closing_tables(report: TimingReport) -> list[Table]:
    """Gaps with the command that fills them, and what cannot be had here."""
    gaps = tuple((c.key.title, c.command or "") for c in report.missing)
    open_cells = tuple(
        (c.key.title, g.target, g.state, g.detail, g.command or "")
        for c in report.classes
        if c.rankings
        for g in c.grid
        if g.state in {"not measured", "untrusted", "failed"}
    )
    absent = tuple((why, ", ".join(t)) for why, t in by_reason(report.unavailable).items())
    made = [
        Table("Classes that were not measured", ("class", "command"), gaps),
        Table("Open cells of measured classes",
              ("class", "target", "state", "reason", "command"), open_cells),
        Table("Not available on this machine", ("reason", "targets"), absent),
    ]  # fmt: skip
    return [table for table in made if table.rows]


def _ranks(ranking: Ranking) -> Table:
    ranks = [row.rank for row in ranking.group.rows]
    rows = tuple(_rank(row, is_shared=ranks.count(row.rank) > 1) for row in ranking.group.rows)
    first = ranking.contenders.first
    alone = first[0].target if len(first) == 1 and len(ranking.contenders.rows) > 1 else None
    best = (n for n, row in enumerate(ranking.group.rows) if row.record.target == alone)
    return Table("Ranking", _RANKED, rows, frozenset(best))


def _rank(row: RankedRow, *, is_shared: bool) -> tuple[str, ...]:
    texts: dict[str, str] = dict(zip(COLUMNS, cells(row), strict=True))
    texts["rank"] += "=" if is_shared else ""
    texts["result"] = row.record.result_id[:8]
    if row.speedup is not None and row.speedup.verdict == "baseline":
        texts["speed-up"] = "baseline"
    return tuple(texts[name] for name in _RANKED)


def _starts(ranking: Ranking) -> Table:
    """What a start costs, and after how many calls it pays against the quickest one."""
    rows = [r.record for r in ranking.group.rows]
    known = [r for r in rows if r.load_ns is not None and r.first_inference_ns is not None]
    quickest = min(known, key=_start_ns, default=None)
    columns = ("target", "load", "first", "steady", "first / steady", "pays off after")
    if quickest is None:
        return Table("First against steady", columns, ())
    return Table("First against steady", columns, tuple(_start(r, quickest) for r in known))


def _start(row: MeasurementRecord, quickest: MeasurementRecord) -> tuple[str, ...]:
    steady, first = row.latency_p50_ns or 0, row.first_inference_ns or 0
    return (
        row.target,
        duration(row.load_ns),
        duration(first),
        duration(steady),
        f"{first / steady:.1f}" if steady else _NONE,
        _pays_off(row, quickest),
    )


def _pays_off(row: MeasurementRecord, quickest: MeasurementRecord) -> str:
    """Single observations of the start; no interval can be given."""
    if row is quickest:
        return "quickest start"
    gain = (quickest.latency_p50_ns or 0) - (row.latency_p50_ns or 0)
    if gain <= 0:
        return "never"
    return f"about {max(1, -(-(_start_ns(row) - _start_ns(quickest)) // gain)):,} calls"


def _start_ns(row: MeasurementRecord) -> int:
    return (row.load_ns or 0) + (row.first_inference_ns or 0)


def _limit(limit: Limit) -> tuple[str, ...]:
    shares = (_NONE, _NONE, _NONE)
    if limit.shares:
        rest = max(0.0, 1 - limit.compute_share - limit.memory_share)
        shares = (f"{limit.compute_share:.0%}", f"{limit.memory_share:.0%}", f"{rest:.0%}")
    fraction = limit.fraction_of_peak
    return (
        limit.target,
        limit.bottleneck + (f" [{limit.profile_run[:8]}]" if limit.profile_run else ""),
        *shares,
        limit.roof or f"unknown: {limit.why_no_roof}",
        _NONE if fraction is None else f"{100 * fraction:.2g} %",
        limit.command or _NONE,
    )


def _trend(trend: Trend) -> tuple[str, ...]:
    if trend.slope_per_run is None or trend.p_value is None or trend.adjusted_p_value is None:
        return (trend.target, str(trend.runs), str(trend.comparable), _NONE, _NONE, _NONE, _NONE,
                trend.reason or "")  # fmt: skip
    low, high = (100 * (value or 0.0) for value in (trend.low, trend.high))
    return (
        trend.target,
        str(trend.runs),
        str(trend.comparable),
        f"{100 * trend.slope_per_run:+.2f} %",
        f"{low:+.2f} to {high:+.2f} %",
        f"{trend.p_value:.2g}",
        f"{trend.adjusted_p_value:.2g}",
        trend.verdict,
    )
