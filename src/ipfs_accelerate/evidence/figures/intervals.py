"""Medians with their intervals, case by case: what can be told apart, and what cannot."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import ms
from ipfs_accelerate.evidence.figures._rows import read_groups
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, runtime_colour, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow

__all__ = ["CHART", "interval_figure"]

#: Cases in one figure; the title counts the rest.
MAX_CASES = 3
_ROW, _HEAD = 27, 62


def interval_figure(groups: Sequence[CaseGroup], *, theme: str = "light") -> go.Figure:
    """A panel a case; rows that cannot be told apart lie on one band."""
    from plotly.subplots import make_subplots

    look, shown = theme_named(theme), [group for group in groups if group.rows][:MAX_CASES]
    heights = [max(1, len(group.rows)) * _ROW + _HEAD for group in shown]
    total = sum(heights)
    figure = make_subplots(
        rows=len(shown),
        cols=1,
        row_heights=heights,
        vertical_spacing=_HEAD / total if len(shown) > 1 else 0,
        subplot_titles=[f"{group.title} · {group.test_case}" for group in shown],
    )
    title = "Median latency, 95 % interval, n; equal ranks lie on one band"
    if len(groups) > len(shown):
        title += f" · {len(groups) - len(shown)} further cases left out"
    finish(figure, title, look, height=total + 60)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13, "color": look.ink})
    for number, group in enumerate(shown, start=1):
        _panel(figure, group, number, look)
    figure.update_xaxes(title_standoff=4)
    return figure.update_layout(showlegend=False, margin={"t": 74})


def _panel(figure: go.Figure, group: CaseGroup, number: int, theme: Theme) -> None:
    import plotly.graph_objects as go

    for place, row in enumerate(group.rows):
        low, median, high = _interval(row)
        figure.add_trace(
            go.Scatter(
                x=[median],
                y=[place],
                mode="markers",
                marker={
                    "color": runtime_colour(row.record.target, theme),
                    "size": 10,
                    "symbol": "circle" if row.is_eligible else "circle-open",
                    "line": {"width": 2, "color": runtime_colour(row.record.target, theme)},
                },
                error_x={
                    "type": "data", "symmetric": False, "array": [high - median],
                    "arrayminus": [median - low], "thickness": 2.4, "width": 5,
                    "color": runtime_colour(row.record.target, theme),
                },
                hovertemplate=f"{row.record.target}: %{{x:.3f}} ms<extra></extra>",
            ),
            row=number,
            col=1,
        )  # fmt: skip
        figure.add_annotation(
            x=1, y=place, xref="x domain", xanchor="left", showarrow=False, align="left",
            text=_text(row, group), font={"size": 11, "color": theme.ink}, row=number, col=1,
        )  # fmt: skip
    _bands(figure, group.rows, number, theme)
    figure.update_xaxes(title="ms per call", rangemode="tozero", row=number, col=1)
    figure.update_yaxes(
        tickvals=list(range(len(group.rows))),
        ticktext=[row.record.target + "  " for row in group.rows],
        range=[len(group.rows) - 0.4, -0.6],
        showgrid=False,
        row=number,
        col=1,
    )
    figure.update_layout(margin={"r": 210})


def _bands(figure: go.Figure, rows: Sequence[RankedRow], number: int, theme: Theme) -> None:
    for _, found in groupby(enumerate(rows), key=lambda pair: pair[1].rank):
        places = [place for place, _ in found]
        if len(places) > 1:
            figure.add_hrect(
                y0=places[0] - 0.42, y1=places[-1] + 0.42, fillcolor=theme.soft, opacity=0.14,
                line_width=0, layer="below", row=number, col=1,  # pyright: ignore[reportArgumentType]
            )  # fmt: skip


def _text(row: RankedRow, group: CaseGroup) -> str:
    tied = sum(other.rank == row.rank for other in group.rows) > 1
    median = ms(row.record.latency_p50_ns)
    text = f"  {median:,.0f} ms" if median >= 100 else f"  {median:.3g} ms"
    text += f" · n {len(row.record.samples_ns)}"
    text += f" · rank {row.rank}{' (tie)' if tied else ''}"
    return text if row.is_eligible else text + " · not eligible"


def _interval(row: RankedRow) -> tuple[float, float, float]:
    record, median = row.record, ms(row.record.latency_p50_ns)
    low = median if record.latency_low_ns is None else ms(record.latency_low_ns)
    high = median if record.latency_high_ns is None else ms(record.latency_high_ns)
    return low, median, high


def _find(groups: Sequence[CaseGroup]) -> Finding:
    shown = [group for group in groups if group.rows][:MAX_CASES]
    rows = tuple(row.record.result_id for group in shown for row in group.rows)
    return Finding(" ".join(f"{group.title}, {group.sentence}" for group in shown), rows)


CHART = Chart(
    "intervals",
    "medians with their intervals and ties, case by case",
    lambda ledger, selection: read_groups(ledger, selection, MAX_CASES),
    interval_figure,
    _find,
)
