"""What the gateway did, as one self-contained HTML page or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.report.present import duration, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ipfs_accelerate.bench.quantiles import QuantileInterval
    from ipfs_accelerate.evidence.gateway import GatewaySummary

    _Write = Callable[[QuantileInterval], str]

__all__ = ["Table", "sentences", "tables", "to_html", "to_markdown"]

_NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: Above it.
        columns: Their names.
        rows: Their cells.
        names: How many columns, from the first, are names and no numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    names: int = 1


def sentences(summary: GatewaySummary) -> list[str]:
    """The answer in words."""
    if not summary.calls:
        return ["No call of the gateway is in the ledger."]
    failed = sum(summary.failures.values())
    share = failed / summary.calls
    found = [
        f"{summary.calls:,} calls between {summary.since:%Y-%m-%d %H:%M} and"
        f" {summary.until:%Y-%m-%d %H:%M} UTC; {failed:,} did not end well ({share:.2%})."
    ]
    retried = sum(row.retried for row in summary.routes)
    if retried:
        found.append(f"{retried:,} took more than one try.")
    if summary.cost is not None:
        unpriced = sum(row.unpriced for row in summary.routes)
        rest = f"; {unpriced:,} have no price" if unpriced else ""
        found.append(f"They cost {summary.cost:,.4g}{rest}.")
    return found


def tables(summary: GatewaySummary, *, has_intervals: bool = True) -> list[Table]:
    """Those that have rows, with the interval of each time or without."""
    write = _interval if has_intervals else _time
    found = [
        _routes(summary),
        _waits(summary, write),
        _services(summary, write),
        _failures(summary),
        _keys(summary),
    ]
    return [table for table in found if table.rows]


def to_html(summary: GatewaySummary, *, made_at: datetime) -> str:
    """The whole page; it loads nothing."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gateway.html.j2").render(
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        origin=summary.origin.value,
        sentences=sentences(summary),
        tables=tables(summary),
    )


def to_markdown(summary: GatewaySummary) -> str:
    """The same for a page of text."""
    lines = ["# Calls of the gateway", ""]
    lines += [f"Rows of origin **{summary.origin.value}**.", "", *sentences(summary)]
    for table in tables(summary):
        dashes = ["---" if at < table.names else "---:" for at in range(len(table.columns))]
        rows = [table.columns, dashes, *(map(_escaped, row) for row in table.rows)]
        lines += ["", f"## {table.title}", "", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _routes(summary: GatewaySummary) -> Table:
    columns = ("route", "operation", "calls", "ok", "retried", "cached", "tokens in",
               "tokens out", "cost", "no price")  # fmt: skip
    rows = [
        (
            row.route,
            row.operation,
            f"{row.calls:,}",
            f"{row.ok / row.calls:.1%}",
            f"{row.retried:,}",
            f"{row.cached:,}",
            f"{row.prompt_tokens:,}",
            f"{row.completion_tokens:,}",
            _money(row.cost),
            f"{row.unpriced:,}",
        )
        for row in summary.routes
    ]
    return Table("By route", columns, rows, names=2)


def _waits(summary: GatewaySummary, write: _Write) -> Table:
    columns = ("route", "operation", "p50", "p95", "p99", "first p50", "first p95", "first p99")
    rows = [
        (row.route, row.operation, *_times(row.quantiles, write), *_times(row.first, write))
        for row in summary.routes
        if row.quantiles
    ]
    return Table("Times by route", columns, rows, names=2)


def _services(summary: GatewaySummary, write: _Write) -> Table:
    columns = ("endpoint", "provider", "model", "tries", "ok", "stopped", "hedges", "p50", "p95",
               "p99", "cost")  # fmt: skip
    rows = [
        (
            row.endpoint,
            row.provider,
            row.model,
            f"{row.tries:,}",
            f"{row.ok / row.tries:.1%}",
            f"{row.aborted:,}",
            f"{row.hedges:,}",
            *_times(row.quantiles, write),
            _money(row.cost),
        )
        for row in summary.services
    ]
    return Table("By endpoint and model", columns, rows, names=3)


def _failures(summary: GatewaySummary) -> Table:
    seen = [("callers", kind, f"{count:,}") for kind, count in summary.failures.items()]
    mended = [(where, kind, f"{count:,}") for (where, kind), count in summary.try_failures.items()]
    return Table("Failures", ("who", "kind", "count"),
                 [*seen, *mended], names=2)  # fmt: skip


def _keys(summary: GatewaySummary) -> Table:
    rows = [
        (
            row.endpoint,
            row.key,
            f"{row.tries:,}",
            f"{row.ok / row.tries:.1%}",
            f"{row.rate_limited:,}",
            f"{row.refused:,}",
        )
        for row in summary.keys
    ]
    columns = ("endpoint", "key", "tries", "ok", "over its limit", "refused")
    return Table("By key", columns, rows, names=2)


def _times(quantiles: Sequence[QuantileInterval], write: _Write) -> tuple[str, str, str]:
    """Of p50, p95 and p99."""
    if not quantiles:
        return _NONE, _NONE, _NONE
    p50, p95, p99 = map(write, quantiles)
    return p50, p95, p99


def _time(quantile: QuantileInterval) -> str:
    return duration(round(quantile.estimate))


def _interval(quantile: QuantileInterval) -> str:
    text = _time(quantile)
    if quantile.low is None or quantile.high is None:
        return f"{text} (needs {number(quantile.samples_needed, 0)})"
    return f"{text} ({duration(round(quantile.low))} to {duration(round(quantile.high))})"


def _money(cost: float | None) -> str:
    return _NONE if cost is None else f"{cost:,.4g}"
