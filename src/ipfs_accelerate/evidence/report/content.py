"""Moved content as one self-contained HTML file: no request leaves the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence import figures
from ipfs_accelerate.evidence.report.present import duration, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.insight import ContentSummary, Recommendation, SimulatedRun

__all__ = ["Table", "render"]

_text = figures.bytes_text


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the page.

    Attributes:
        title: Above it.
        columns: Their names; all but the first are numbers.
        rows: Their cells.
        note: Below the title.
        marks_first: The first row is the answer.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    marks_first: bool = False


def render(
    summary: ContentSummary,
    *,
    simulated: Sequence[SimulatedRun] = (),
    recommendation: Recommendation | None = None,
) -> str:
    """The whole page.

    Args:
        summary: Of one origin.
        simulated: Strategies to show beside each other, in a table of their own.
        recommendation: For a network, in a table of its own.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    has_edges = bool(summary.edges)
    tables = [_kinds(summary), _days(summary), _simulated(simulated), _recommended(recommendation)]
    return environment.get_template("content.html.j2").render(
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        summary=summary,
        sentences=_sentences(summary),
        topology=figures.themed_html(figures.topology_figure, summary) if has_edges else None,
        pairs=[
            figures.themed_html(f, summary) for f in (figures.share_figure, figures.matrix_figure)
        ]
        if has_edges
        else [],
        tables=[table for table in tables if table.rows],
        plotlyjs=get_plotlyjs() if has_edges else "",
    )


def _sentences(summary: ContentSummary) -> list[str]:
    if summary.hit_rate is None:
        return ["Nothing has been fetched yet."]
    origin_bytes = summary.needed_bytes - summary.egress_saved_bytes
    first = (
        f"{summary.transfers} fetches needed {_text(summary.needed_bytes)}; origins sent"
        f" {_text(origin_bytes)}, so {summary.hit_rate:.1%} were spared."
    )
    found = [first]
    duplicates = sum(day.duplicate_bytes for day in summary.days)
    if duplicates:
        found.append(
            f"{_text(duplicates)} arrived twice ({duplicates / summary.needed_bytes:.1%})."
        )
    banned = {edge.source for edge in summary.edges if edge.is_banned}
    if banned:
        who = "1 sender was" if len(banned) == 1 else f"{len(banned)} senders were"
        found.append(f"{who} banned for wrong bytes; no wrong block was used.")
    return found


def _kinds(summary: ContentSummary) -> Table:
    columns = ("kind", "bytes", "blocks", "duplicates", "requests", "failures", "latency p50",
               "rate p50", "bans")  # fmt: skip
    rows = [
        (
            kind.kind,
            _text(kind.received_bytes),
            number(kind.received_blocks, 0),
            _text(kind.duplicate_bytes),
            number(kind.requests, 0),
            number(kind.failures, 0),
            duration(kind.latency_p50_ns),
            f"{_text(kind.rate_p50_bytes_per_s)}/s" if kind.rate_p50_bytes_per_s else "–",
            number(kind.bans, 0),
        )
        for kind in summary.kinds
    ]
    return Table("By kind of source", columns, rows)


def _days(summary: ContentSummary) -> Table:
    columns = ("day", "fetches", "files", "here before", "received", "twice", "spared", "hit rate")
    rows = [
        (
            day.day.isoformat(),
            number(day.transfers, 0),
            _text(day.total_bytes),
            _text(day.local_bytes),
            _text(day.received_bytes),
            _text(day.duplicate_bytes),
            _text(day.egress_saved_bytes),
            "–" if day.hit_rate is None else f"{day.hit_rate:.1%}",
        )
        for day in summary.days
    ]
    return Table("By day", columns, rows)


def _simulated(runs: Sequence[SimulatedRun]) -> Table:
    columns = ("strategy", "nodes", "makespan", "origin sends", "in models", "wrong blocks",
               "unfinished")  # fmt: skip
    rows = [
        (
            run.strategy.value,
            number(run.network.nodes, 0),
            duration(run.result.makespan_ns),
            _text(run.result.origin_bytes),
            f"{run.origin_share:.2f}",
            number(run.result.wrong_blocks, 0),
            number(len(run.result.unfinished), 0),
        )
        for run in runs
    ]
    return Table("Simulated: strategies on the same network", columns, rows, _SIMULATED_NOTE)


def _recommended(recommendation: Recommendation | None) -> Table:
    columns = ("profile", "chunk", "requests", "sources", "makespan", "origin sends")
    rows = [
        (
            option.profile,
            f"{option.chunk_bytes // 1024} KiB",
            number(option.parallelism, 0),
            option.sources,
            duration(option.makespan_ns),
            _text(option.origin_bytes),
        )
        for option in (recommendation.options if recommendation else ())
    ]
    note = recommendation.reason if recommendation else ""
    return Table("Predicted: what suits this network", columns, rows, note, marks_first=True)


_SIMULATED_NOTE = (
    "owned: every block has one owner, who asks the origin, as real nodes do. greedy: whoever"
    " misses a block asks a peer that has it, or else the origin at once. alone: everybody asks the"
    " origin for everything."
)
