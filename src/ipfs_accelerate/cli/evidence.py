"""``accel evidence``: what the measurements in the ledger mean."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from ipfs_accelerate.cli.evidence_events import events
from ipfs_accelerate.cli.evidence_figure import figure, slides
from ipfs_accelerate.cli.evidence_matrix import matrix
from ipfs_accelerate.cli.evidence_scan import scan
from ipfs_accelerate.cli.evidence_timing import timing
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import moment, names, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ipfs_accelerate.evidence.regressions import CaseKey, CaseSeries, OperatorReport, Report
    from ipfs_accelerate.evidence.statistics.correlation import Kind
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["command"]

F = TypeVar("F", bound="Callable[..., object]")
_ORIGINS = ("measured", "emulated", "simulated", "predicted", "imported")


def _ledger_option(function: F) -> F:
    return click.option(
        "--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path."
    )(function)


@click.group()
def command() -> None:
    """Say what the measurements mean: summaries, comparisons, regressions over time."""


command.add_command(timing)
command.add_command(figure)
command.add_command(slides)
command.add_command(scan)
command.add_command(matrix)
command.add_command(events)


@command.command(epilog="Example: accel evidence summary --case feature-extraction/b1/s128")
@click.option("--run", "run_id", help="Only results of this run (its whole id).")
@click.option("--target", help="Only this target.")
@click.option("--case", "test_case", help="Only this workload.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="Results, newest first.")
@_ledger_option
@json_option
def summary(
    *,
    run_id: str | None,
    target: str | None,
    test_case: str | None,
    limit: int,
    db: Path | None,
    as_json: bool,
) -> None:
    """Summarise results from their raw samples: p50, p95, p99 with intervals, outliers."""
    from ipfs_accelerate.cli.evidence_view import print_summaries
    from ipfs_accelerate.evidence.statistics.rows import summarise_row

    rows = _open(db).performance(
        run_id=run_id, target=target, test_case=test_case, limit=limit, with_samples=True
    )
    found = [(row, summarise_row(row)) for row in rows if len(row.samples_ns) > 1]
    if len(found) < len(rows):
        note(f"{len(rows) - len(found)} results have fewer than two samples and are left out")
    if as_json:
        facts = [_identity(row) | asdict(result) for row, result in found]
        emit_json("evidence-summary/1", {"origin": "measured", "results": facts})
    else:
        print_summaries(found)


@command.command(epilog="Example: accel evidence compare 3f2a 9c01")
@click.argument("before", metavar="RESULT_A")
@click.argument("now", metavar="RESULT_B")
@_ledger_option
@json_option
def compare(*, before: str, now: str, db: Path | None, as_json: bool) -> None:
    """Compare RESULT_B with RESULT_A: ratio, shift, dominance, what would have been found.

    Results are named by a unique beginning of their id; `accel evidence summary` lists them.
    """
    from ipfs_accelerate.cli.evidence_view import print_comparison
    from ipfs_accelerate.evidence.statistics.rows import compare_rows

    ledger = _open(db)
    with ledger.snapshot():
        rows = [_result(ledger, name) for name in (before, now)]
    found = compare_rows(*rows)
    if as_json:
        emit_json("evidence-compare/1", found)
    else:
        print_comparison(rows, found)


@command.command(epilog="Example: accel evidence aggregate --by hardware")
@click.option("--by", "level", default="model", help="test_run, model, hardware, …")
@click.option("--origin", type=click.Choice(_ORIGINS), default="measured", help="Only these rows.")
@click.option("--since", type=moment, help="Only results since then.")
@_ledger_option
@json_option
def aggregate(
    *, level: str, origin: str, since: datetime | None, db: Path | None, as_json: bool
) -> None:
    """Sum results up by test_run, model, hardware, model_hardware, task_type or worker."""
    from ipfs_accelerate.cli.evidence_view import print_aggregates
    from ipfs_accelerate.evidence.statistics.aggregate import aggregate as grouped
    from ipfs_accelerate.telemetry import Origin

    found = grouped(_open(db), level, origin=Origin(origin), since=since)
    if as_json:
        groups = [group.to_dict() for group in found]
        emit_json("evidence-aggregate/1", {"level": level, "origin": origin, "groups": groups})
    else:
        print_aggregates(level, found)


@command.command(epilog="Example: accel evidence correlate latency foreign_cpu_share")
@click.argument("measures", nargs=-1, required=True, metavar="MEASURE...")
@click.option("--kind", type=click.Choice(("pearson", "spearman", "kendall")), default="spearman")
@_ledger_option
@json_option
def correlate(*, measures: tuple[str, ...], kind: str, db: Path | None, as_json: bool) -> None:
    """Correlate measures of the results, such as latency and foreign_cpu_share."""
    from ipfs_accelerate.cli.evidence_view import print_correlations
    from ipfs_accelerate.evidence.statistics.rows import correlate_measures

    found = correlate_measures(_open(db), measures, kind=cast("Kind", kind))
    if as_json:
        emit_json("evidence-correlate/1", {"kind": kind, "pairs": found})
    else:
        print_correlations(kind, found)


@command.command(epilog="Example: accel evidence regressions --since 2026-01-01")
@click.option("--since", type=moment, help="Only results since then.")
@click.option("--threshold", type=share, default="1%", help="Smaller changes do not count.")
@click.option("--model", "models", type=names, help="Only these models, by comma.")
@_ledger_option
@json_option
def regressions(
    *,
    since: datetime | None,
    threshold: float,
    models: tuple[str, ...] | None,
    db: Path | None,
    as_json: bool,
) -> int:
    """Find changes in the history of every case; exit 1 when one became slower unacknowledged.

    Operators are looked at too where a case was profiled often enough. New findings are stored
    with an event for connectors; nothing is sent.
    """
    from ipfs_accelerate.cli.evidence_view import print_operators, print_regressions
    from ipfs_accelerate.evidence.regressions import (
        accepted,
        find_operator_changes,
        find_regressions,
        read_history,
        read_profiles,
        store_findings,
    )

    ledger = _open(db)
    history, profiles = read_history(ledger, since=since), read_profiles(ledger, since=since)
    series = [s for s in history if not models or s.key.model_name in models]
    report = find_regressions(series, threshold=threshold)
    profiled = [case for case in profiles if not models or case.key.model_name in models]
    operators = find_operator_changes(profiled, threshold=threshold)
    findings = [*report.findings, *(one.finding for one in operators.findings)]
    if findings:
        store_findings(_open(db, read_only=False), findings)
    reasons = accepted(ledger)
    if as_json:
        facts = _regressions_json(series, report, reasons) | _operators_json(operators, reasons)
        emit_json("evidence-regressions/1", facts)
    else:
        print_regressions(report, reasons)
        print_operators(operators, reasons)
    return int(any(f.is_regression and f.finding_id not in reasons for f in findings))


@command.command(epilog="Example: accel evidence acknowledge 3f2a9c01 --reason 'safer kernel'")
@click.argument("finding", metavar="FINDING")
@click.option("--reason", required=True, help="Why it is accepted.")
@_ledger_option
@json_option
def acknowledge(*, finding: str, reason: str, db: Path | None, as_json: bool) -> None:
    """Accept a finding: the level after it becomes the baseline of its case."""
    from ipfs_accelerate.evidence.regressions import accept

    whole = accept(_open(db, read_only=False), finding, reason)
    if as_json:
        emit_json("evidence-acknowledge/1", {"finding_id": whole, "reason": reason})
    else:
        print(f"acknowledged {whole}: {reason}")


def _regressions_json(
    series: Sequence[CaseSeries], report: Report, reasons: Mapping[str, str]
) -> dict[str, object]:
    from ipfs_accelerate.evidence.regressions import forecast_next

    last: dict[CaseKey, int] = {}
    for finding in report.findings:
        if finding.change.kind == "step":
            last[finding.key] = max(last.get(finding.key, 0), finding.change.index)
    return {
        "examined": report.examined,
        "too_short": report.too_short,
        "left_out": report.left_out,
        "findings": [
            f.to_dict() | {"acknowledged": reasons.get(f.finding_id)} for f in report.findings
        ],
        "forecasts": [
            asdict(s.key) | forecast_next(s.medians_ns[last.get(s.key, 0) :]).to_dict()
            for s in series
        ],
    }


def _operators_json(report: OperatorReport, reasons: Mapping[str, str]) -> dict[str, object]:
    return {
        "operators_examined": report.series,
        "operator_findings": [
            one.to_dict() | {"acknowledged": reasons.get(one.finding.finding_id)}
            for one in report.findings
        ],
    }


def _open(db: Path | None, *, read_only: bool = True) -> Ledger:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    return Ledger(settings.ledger_path, read_only=read_only, lock_timeout_s=settings.lock_timeout_s)


def _result(ledger: Ledger, name: str) -> MeasurementRecord:
    """The result whose id begins so."""
    from ipfs_accelerate.errors import InputError
    from ipfs_accelerate.store import CaseStatus
    from ipfs_accelerate.telemetry import Origin

    sql = """SELECT result_id, origin FROM results
        WHERE starts_with(replace(result_id::VARCHAR, '-', ''), ?) LIMIT 6"""
    found = [str(row[0]) for row in ledger.query(sql, [name.lower().replace("-", "")]).rows]
    if len(found) != 1 or not name:
        many = f"is ambiguous: {', '.join(found)}" if name and found else "is not in the ledger"
        raise InputError(f"result {name!r} {many}", hint="`accel evidence summary` lists results")
    rows = ledger.performance(
        result_id=found[0], statuses=tuple(CaseStatus), origins=tuple(Origin), with_samples=True
    )
    return rows[0]


def _identity(record: MeasurementRecord) -> dict[str, object]:
    return {
        "run_id": record.run_id,
        "model": record.model.model_name,
        "target": record.target,
        "test_case": record.test_case,
    }
