"""Runs as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console, size
from ipfs_accelerate.evidence.summary import by_reason
from ipfs_accelerate.store import CaseStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from ipfs_accelerate.bench.history import Comparison
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow, RunSummary
    from ipfs_accelerate.store import MeasurementRecord, RunRecord

__all__ = [
    "measured_records",
    "print_comparisons",
    "print_runs",
    "print_summary",
]

_SHOWN_UNAVAILABLE = 2


def measured_records(summary: RunSummary) -> list[MeasurementRecord]:
    """The ranked rows of all groups."""
    return [row.record for group in summary.groups for row in group.rows]


def print_summary(summary: RunSummary) -> None:
    """Print groups, failures, what was not possible, and the recommendation."""
    screen = console()
    for group in summary.groups:
        if group.rows:
            screen.print(_group_table(group))
            _print_doubts(screen, group)
        if group.others:
            screen.print(_others_table(group))
    _print_failures(screen, summary.failed)
    _print_unavailable(screen, summary)
    for group in summary.groups:
        screen.print(group.sentence, style="bold", markup=False)
    screen.print(f"run {summary.run.run_id}", style="dim", markup=False)


def print_comparisons(comparisons: Iterable[Comparison], *, title: str) -> None:
    """Print ratios with intervals and verdicts."""
    table = _table(title, ("target", "left"), ("case", "left"), ("speed", "right"), ("", "left"))
    for c in comparisons:
        speed = f"{c.ratio:.3f}× ({c.low:.3f}–{c.high:.3f})"
        table.add_row(c.target, c.test_case, speed, c.verdict)
    console().print(table)


def print_runs(runs: Sequence[RunRecord]) -> None:
    """Print one line per run."""
    table = _table(
        "Runs", ("run", "left"), ("started (UTC)", "left"), ("ended", "left"), ("command", "left")
    )
    for run in runs:
        ended = "unfinished" if run.completed_at is None else "ok" if run.success else "failures"
        started = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(run.run_id[:12], started, ended, run.command_line or run.test_name)
    console().print(table)


def _group_table(group: CaseGroup) -> Table:
    title = f"{group.title}  {group.test_case}"
    if group.weights != "trained":
        title += f"  (weights: {group.weights})"
    table = _table(
        title,
        ("#", "right"),
        ("target", "left"),
        ("median ms (95 % interval)", "right"),
        ("items/s", "right"),
        ("memory", "right"),
        ("ran in", "left"),
        ("parity", "left"),
        ("speed-up", "right"),
        ("doubts", "left"),
    )
    for row in group.rows:
        table.add_row(*_cells(row))
    if group.baseline:
        table.caption = f"speed-up: against {group.baseline}"
        table.caption_justify = "left"
    return table


def _cells(row: RankedRow) -> tuple[str, ...]:
    record = row.record
    rate = record.throughput_items_per_s
    return (
        str(row.rank),
        record.target,
        _milliseconds(record),
        "–" if rate is None else f"{rate:.1f}",
        size(record.peak_memory_bytes),
        record.executed_precision or "–",
        _parity(record),
        row.speedup.text if row.speedup else "–",
        str(len(row.doubts) or ""),
    )


def _print_doubts(screen: Console, group: CaseGroup) -> None:
    """Each doubt once, with the rows it concerns."""
    by_doubt: dict[str, list[str]] = {}
    for row in group.rows:
        for doubt in row.doubts:
            by_doubt.setdefault(doubt, []).append(row.record.target)
    for doubt, found in by_doubt.items():
        rows = "all" if len(found) == len(group.rows) > 1 else ", ".join(found)
        screen.print(f"  {doubt}: {rows}", style="yellow", markup=False)


def _milliseconds(record: MeasurementRecord) -> str:
    if record.latency_p50_ns is None:
        return "–"
    text = f"{record.latency_p50_ns / 1e6:.3f}"
    if record.latency_low_ns is None or record.latency_high_ns is None:
        return text
    return f"{text} ({record.latency_low_ns / 1e6:.3f}–{record.latency_high_ns / 1e6:.3f})"


def _parity(record: MeasurementRecord) -> str:
    if not record.parity:
        return "–"
    cosine = record.parity.get("cosine")
    word = "ok" if record.parity.get("ok") else "WRONG"
    return f"{word} {cosine:.5f}" if isinstance(cosine, float) else word


def _others_table(group: CaseGroup) -> Table:
    table = _table(
        f"Not measured, not ranked: {group.test_case}",
        ("target", "left"),
        ("origin", "left"),
        ("ms", "right"),
        ("reason", "left"),
    )
    for record in group.others:
        table.add_row(
            record.target, record.origin.value, _milliseconds(record), record.origin_reason or ""
        )
    return table


def _print_failures(screen: Console, failed: Sequence[MeasurementRecord]) -> None:
    for record in failed:
        error = (record.error or {}).get("error")
        message = error.get("message") if isinstance(error, dict) else None
        line = f"{record.status.value}: {record.target}  {record.test_case}: {message or 'unknown'}"
        style = "dim" if record.status is CaseStatus.UNAVAILABLE else "red"
        screen.print(line, style=style, markup=False)


def _print_unavailable(screen: Console, summary: RunSummary) -> None:
    items = list(summary.unavailable.items())
    if not items:
        return
    screen.print(f"Not possible here ({len(items)} targets):", style="dim")
    for reason, targets in by_reason(summary.unavailable).items():
        shown = ", ".join(targets[:_SHOWN_UNAVAILABLE])
        more = len(targets) - _SHOWN_UNAVAILABLE
        shown += f" and {more} more" if more > 0 else ""
        screen.print(f"  {shown}: {reason}", style="dim", markup=False)


def _table(title: str, *columns: tuple[str, str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in columns:
        is_short = name not in {"reason", "command", "doubts"}
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=is_short)
    return table
