"""Statistics and regressions as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from ipfs_accelerate.evidence.regressions import (
        Change,
        Finding,
        OperatorFinding,
        OperatorReport,
        Report,
    )
    from ipfs_accelerate.evidence.statistics.aggregate import Aggregate
    from ipfs_accelerate.evidence.statistics.rows import RowSummary
    from ipfs_accelerate.store import MeasurementRecord

__all__ = [
    "print_aggregates",
    "print_comparison",
    "print_correlations",
    "print_operators",
    "print_regressions",
    "print_summaries",
]


def print_summaries(found: Sequence[tuple[MeasurementRecord, RowSummary]]) -> None:
    """One line a result, with what could not be said below."""
    if not found:
        console().print("no measured result with samples matches")
        return
    table = _table(
        "Results in ms", "result", "model", "target", "case", "n", "p50", "p95", "p99", "outliers"
    )
    reasons: dict[str, None] = {}
    for record, summary in found:
        cells = [_quantile(q) for q in summary.quantiles]
        table.add_row(
            summary.result_id[:8], record.model.model_name, record.target, record.test_case,
            str(summary.samples),
            *cells, str(summary.outliers or ""),
        )  # fmt: skip
        for q in summary.quantiles:
            if q["reason"]:
                level = float(str(q["quantile"])) * 100
                reasons[f"{summary.result_id[:8]} p{level:g}: {q['reason']}; "
                        f"about {q['samples_needed']} would do"] = None  # fmt: skip
    console().print(table)
    for reason in reasons:
        console().print(f"  {reason}", style="dim", markup=False)


def print_comparison(rows: Sequence[MeasurementRecord], found: Mapping[str, object]) -> None:
    """Both results and what is known about their difference."""
    screen = console()
    for name, row in zip("AB", rows, strict=True):
        screen.print(f"{name}  {row.result_id[:8]}  {row.target}  {row.test_case}", markup=False)
    ratio, low, high = (float(str(found[key])) for key in ("ratio", "low", "high"))
    screen.print(f"B is {ratio:.3f}× as fast ({low:.3f}–{high:.3f}): {found['verdict']}")
    shift, delta = float(str(found["shift_ns"])) / 1e6, float(str(found["cliffs_delta"]))
    ends = (
        "" if found["shift_low_ns"] is None else f" ({_ms(found, 'low')} to {_ms(found, 'high')})"
    )
    screen.print(f"shift {shift:+.4f} ms{ends} (Hodges-Lehmann), Cliff's delta {delta:+.3f}")
    screen.print(f"{found['method']}", style="dim")
    if found["caution"]:
        screen.print(f"caution: {found['caution']}", style="yellow", markup=False)


def print_aggregates(level: str, found: Sequence[Aggregate]) -> None:
    """One line a group, best first."""
    table = _table(
        f"Results by {level}", level, "cases", "results", "failures", "relative latency", "fastest"
    )
    for group in found:
        relative = "–" if group.relative_latency is None else f"{group.relative_latency:.3f}"
        table.add_row(
            group.group, str(group.cases), str(group.results), str(group.failures), relative,
            str(group.fastest),
        )  # fmt: skip
    table.caption = "relative latency: geometric mean against the fastest target of each case"
    console().print(table if found else "no result matches")


def print_correlations(kind: str, found: Sequence[Mapping[str, object]]) -> None:
    """One line a pair."""
    table = _table(f"Correlation ({kind})", "x", "y", "r", "p (corrected)", "n", "effective n")
    for row in found:
        if row["coefficient"] is None:
            table.add_row(str(row["x"]), str(row["y"]), "–", str(row["reason"]), str(row["n"]), "")
            continue
        r, p = float(str(row["coefficient"])), float(str(row["adjusted_p_value"]))
        effective = f"{float(str(row['effective_n'])):.0f}"
        table.add_row(
            str(row["x"]), str(row["y"]), f"{r:+.3f}", f"{p:.2g}", str(row["n"]), effective
        )
    console().print(table)


def print_regressions(report: Report, reasons: Mapping[str, str]) -> None:
    """Findings, worst first, each with what changed at the same moment."""
    screen = console()
    if report.findings:
        table = _table(
            "Changes",
            "finding",
            "severity",
            "kind",
            "latency",
            "model",
            "target",
            "case",
            "since",
            "",
        )
        for finding in report.findings:
            table.add_row(*_finding_cells(finding, reasons))
        screen.print(table)
        for finding in report.findings:
            _print_causes(finding, reasons)
    text = f"{report.examined} cases examined, {len(report.findings)} changes"
    if report.too_short:
        text += f"; {report.too_short} cases have too few runs to say anything"
    if report.left_out:
        text += f"; {report.left_out} runs without a usable median left out"
    screen.print(text)


def print_operators(report: OperatorReport, reasons: Mapping[str, str]) -> None:
    """Operators that changed, the largest effect first; silent where nothing was profiled."""
    if not report.cases and not report.too_short:
        return
    screen = console()
    for one in report.findings:
        for line in _operator_lines(one, reasons):
            screen.print(line, markup=False, soft_wrap=True)
        _print_causes(one.finding, reasons)
    text = f"{report.series} operators of {report.cases} profiled cases examined"
    text += f", {len(report.findings)} changes"
    if report.too_short:
        text += f"; {report.too_short} profiled cases have too few profiles to say anything"
    screen.print(text)


def _operator_lines(one: OperatorFinding, reasons: Mapping[str, str]) -> tuple[str, str]:
    finding = one.finding
    name = finding.operator.text if finding.operator else ""
    if one.operators > 1:
        name += f" and {one.operators - 1} more"
    state = ", acknowledged" if finding.finding_id in reasons else ""
    since = f"since {finding.first.created_at:%Y-%m-%d %H:%M}"
    noise = "" if one.is_seen_in_whole else ", within the noise of the whole"
    return (
        f"  {finding.finding_id}  {finding.severity}{state}: {name} {_size(finding.change)}, "
        f"end to end {_signed(one.effect)}{noise}",
        f"  {finding.finding_id}  {finding.key.text}, {since}",
    )


def _size(change: Change) -> str:
    low, high = 100 * (change.low - 1), 100 * (change.high - 1)
    return f"{_signed(change.ratio - 1)} ({low:+.1f} to {high:+.1f})"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _finding_cells(finding: Finding, reasons: Mapping[str, str]) -> tuple[str, ...]:
    c = finding.change
    what = _size(c) if c.kind != "variance" else f"scatter × {c.ratio:.1f}"
    state = "acknowledged" if finding.finding_id in reasons else ""
    since = f"{finding.first.created_at:%Y-%m-%d %H:%M}"
    return (
        finding.finding_id, finding.severity, c.kind, what, finding.key.model_name,
        finding.key.target, finding.key.test_case, since, state,
    )  # fmt: skip


def _print_causes(finding: Finding, reasons: Mapping[str, str]) -> None:
    screen = console()
    for cause in finding.causes:
        before, after = (_short(value) for value in (cause.before, cause.after))
        line = f"  {finding.finding_id}  {cause.kind}: {cause.name} {before} → {after}"
        screen.print(line, markup=False)
    if not finding.causes:
        screen.print(f"  {finding.finding_id}  nothing recorded changed with it", style="dim")
    if finding.finding_id in reasons:
        text = f"  {finding.finding_id}  accepted: {reasons[finding.finding_id]}"
        screen.print(text, style="dim", markup=False)


def _short(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _ms(found: Mapping[str, object], end: str) -> str:
    return f"{float(str(found[f'shift_{end}_ns'])) / 1e6:+.4f}"


def _quantile(q: Mapping[str, object]) -> str:
    value = f"{float(str(q['estimate'])) / 1e6:.3f}"
    if q["low"] is None or q["high"] is None:
        return f"{value} (–)"
    return f"{value} ({float(str(q['low'])) / 1e6:.3f}–{float(str(q['high'])) / 1e6:.3f})"


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name in {"finding", "result", "severity", "kind", "n"})
    return table
