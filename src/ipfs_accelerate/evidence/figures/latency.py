"""Median latencies with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import bar_text, find_group, finish_bars, first_of, ms
from ipfs_accelerate.evidence.figures._rows import read_group
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import runtime_colour, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup

__all__ = ["CHART", "latency_figure"]


def latency_figure(group: CaseGroup, *, theme: str = "light") -> go.Figure:
    """Median latency of each target with its confidence interval, fastest on top."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    rows = group.rows
    labels = [r.record.target for r in rows]
    medians = [ms(r.record.latency_p50_ns) for r in rows]
    lows = [ms(first_of(r.record.latency_low_ns, r.record.latency_p50_ns)) for r in rows]
    highs = [ms(first_of(r.record.latency_high_ns, r.record.latency_p50_ns)) for r in rows]
    bars = go.Bar(
        y=labels,
        x=medians,
        orientation="h",
        marker={"color": [runtime_colour(r.record.target, look) for r in rows]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - median for high, median in zip(highs, medians, strict=True)],
            "arrayminus": [median - low for low, median in zip(lows, medians, strict=True)],
            "color": look.ink,
            "thickness": 1.2,
        },
        hovertemplate="%{y}: %{x:.3f} ms<extra></extra>",
    )
    texts = go.Scatter(
        y=labels,
        x=highs,
        mode="text",
        text=["  " + bar_text(r) for r in rows],
        textposition="middle right",
        hoverinfo="skip",
    )
    figure = go.Figure([bars, texts])
    figure.update_layout(showlegend=False)
    figure = finish_bars(
        figure, f"Median latency, {group.test_case}", look, unit="ms per call", rows=len(rows)
    )
    return figure.update_xaxes(range=[0, max(highs, default=1.0) * 1.45])


CHART = Chart(
    "latency",
    "bars of median latency with intervals, one case",
    read_group,
    latency_figure,
    find_group,
)
