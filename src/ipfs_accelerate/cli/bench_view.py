"""How runs are shown: tables for people, ``bench/1`` for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console, size
from ipfs_accelerate.store import CaseStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from ipfs_accelerate.bench.history import Comparison
    from ipfs_accelerate.bench.plan import Unavailable
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow, RunSummary
    from ipfs_accelerate.store import MeasurementRecord, RunRecord

__all__ = [
    "measured_records",
    "print_comparisons",
    "print_runs",
    "print_summary",
    "run_to_json",
    "summary_to_json",
]

_SHOWN_UNAVAILABLE = 8


def measured_records(summary: RunSummary) -> list[MeasurementRecord]:
    """The ranked rows of all groups."""
    return [row.record for group in summary.groups for row in group.rows]


# --- for people ---


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
    title = f"{group.model_name}  {group.test_case}"
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
    screen.print(f"Not possible here ({len(items)}):", style="dim")
    for target, reason in items[:_SHOWN_UNAVAILABLE]:
        screen.print(f"  {target}: {reason}", style="dim", markup=False)
    if len(items) > _SHOWN_UNAVAILABLE:
        screen.print(
            f"  … `accel bench show {summary.run.run_id[:8]} --json` lists all", style="dim"
        )


def _table(title: str, *columns: tuple[str, str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in columns:
        is_short = name not in {"reason", "command", "doubts"}
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=is_short)
    return table


# --- for programs ---


def run_to_json(run: RunRecord) -> dict[str, object]:
    """A run without its results."""
    return {
        "run_id": run.run_id,
        "test_name": run.test_name,
        "started_at": run.started_at.isoformat(),
        "completed_at": run.completed_at.isoformat() if run.completed_at else None,
        "success": run.success,
        "git_commit": run.git_commit,
        "git_branch": run.git_branch,
        "command_line": run.command_line,
        "metadata": {k: v for k, v in run.metadata.items() if k != "unavailable"},
    }


def summary_to_json(
    summary: RunSummary, *, unavailable: Sequence[Unavailable] | None = None
) -> dict[str, object]:
    """The fields of ``bench/1``; the comparisons are filled in by who has them."""
    ranked = [_result(row.record, row) for group in summary.groups for row in group.rows]
    others = [_result(record) for group in summary.groups for record in group.others]
    failed = [_result(record) for record in summary.failed]
    missing = (
        [{"target": t, "reason": r, "hint": None} for t, r in summary.unavailable.items()]
        if unavailable is None
        else [u.to_dict() for u in unavailable]
    )
    return {
        "run": run_to_json(summary.run),
        "results": ranked + others + failed,
        "comparisons": [],
        "unavailable": missing,
        "recommendation": [_recommendation(group) for group in summary.groups],
    }


def _result(record: MeasurementRecord, row: RankedRow | None = None) -> dict[str, object]:
    return {
        "result_id": record.result_id,
        "model": record.model.model_name,
        "model_version": record.model.version,
        "weights": record.model.metadata.get("weights"),
        "device": record.hardware.device_name,
        "target": record.target,
        "test_case": record.test_case,
        "task": record.task,
        "batch_size": record.batch_size,
        "shapes": dict(record.shapes),
        "origin": record.origin.value,
        "origin_reason": record.origin_reason,
        "status": record.status.value,
        "rank": row.rank if row else None,
        "speedup": _ratio(row),
        "latency_p50_ns": record.latency_p50_ns,
        "latency_interval_ns": _interval(record),
        "percentiles_ns": _percentiles(record.samples_ns),
        "samples": len(record.samples_ns),
        "warmup_samples": len(record.warmup_ns),
        "throughput_items_per_s": record.throughput_items_per_s,
        "tokens_per_s": record.tokens_per_s,
        "load_ns": record.load_ns,
        "first_inference_ns": record.first_inference_ns,
        "peak_memory_bytes": record.peak_memory_bytes,
        "cpu_time_ns": record.cpu_time_ns,
        "energy_j": record.energy_j,
        "precision": record.precision,
        "executed_precision": record.executed_precision,
        "parity": dict(record.parity) if record.parity else None,
        "placement": dict(record.placement) if record.placement else None,
        "flags": list(record.flags),
        "doubts": list(row.doubts) if row else list(record.flags),
        "metrics": dict(record.metrics),
        "environment": dict(record.environment),
        "error": dict(record.error) if record.error else None,
    }


def _interval(record: MeasurementRecord) -> dict[str, object] | None:
    if record.latency_low_ns is None or record.latency_high_ns is None:
        return None
    return {
        "low": record.latency_low_ns,
        "high": record.latency_high_ns,
        "confidence": record.confidence,
    }


def _percentiles(samples_ns: Sequence[int]) -> dict[str, int] | None:
    """By linear interpolation; left out are those beyond which fewer than ten samples lie."""
    if not samples_ns:
        return None
    import numpy as np

    wanted = {"p5": 5.0, "p25": 25.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    n = len(samples_ns)
    kept = {name: p for name, p in wanted.items() if n * min(p, 100 - p) / 100 >= 10}
    values = {name: round(float(np.percentile(samples_ns, p))) for name, p in kept.items()}
    return {"min": min(samples_ns), **values, "max": max(samples_ns)}


def _ratio(row: RankedRow | None) -> dict[str, object] | None:
    if row is None or row.speedup is None:
        return None
    found = row.speedup
    return {
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
    }


def _recommendation(group: CaseGroup) -> dict[str, object]:
    best = group.recommended
    return {
        "model": group.model_name,
        "test_case": group.test_case,
        "target": best.record.target if best else None,
        "baseline": group.baseline,
        "speedup": _ratio(best),
        "ties": [row.record.target for row in group.ties],
        "text": group.sentence,
    }
