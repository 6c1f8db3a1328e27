"""Who sent how much to whom, as a matrix."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._content import find_moved, name_of, natural, read_moved
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.content.insight import ContentSummary

__all__ = ["CHART", "matrix_figure"]


def matrix_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Senders by receivers: nothing is hidden behind anything."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
    senders = sorted({name_of(edge.source) for edge in summary.edges}, key=natural)
    receivers = sorted({name_of(edge.node) for edge in summary.edges}, key=natural)
    sent: dict[tuple[str, str], int] = defaultdict(int)
    for edge in summary.edges:
        sent[name_of(edge.source), name_of(edge.node)] += edge.received_bytes
    values = [[sent.get((s, r), 0) / 1e6 or None for r in receivers] for s in senders]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=receivers,
            y=senders,
            colorscale=[[n / 2, colour] for n, colour in enumerate(colours.scale)],
            zmin=0,
            zmax=max((v for row in values for v in row if v is not None), default=1),
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "MB", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="%{y} → %{x}: %{z:,.1f} MB<extra></extra>",
            hoverongaps=False,
        )
    )
    finish(
        figure,
        "Sender (row) to receiver (column)" + origin_suffix(summary.origin),
        colours,
        height=150 + 24 * len(senders),
    )
    figure.update_xaxes(tickangle=-45, showgrid=False, type="category")
    return figure.update_yaxes(autorange="reversed", showgrid=False, type="category")


CHART = Chart("senders", "senders by receivers", read_moved, matrix_figure, find_moved)
