"""Who sent how much to whom, as a matrix."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._content import moved_chart, name_of, natural
from ipfs_accelerate.evidence.figures._heatmap import draw_missing
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.theme import blend, finish, ink_on, theme_named
from ipfs_accelerate.telemetry import Origin

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
            customdata=[[f"{s} → {r}" for r in receivers] for s in senders],
            colorscale=[[n / 2, colour] for n, colour in enumerate(colours.scale)],
            zmin=0,
            zmax=max((v for row in values for v in row if v is not None), default=1),
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "MB", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="%{customdata}: %{z:,.1f} MB<extra></extra>",
            hoverongaps=False,
        )
    )
    finish(
        figure,
        "Sender (row) to receiver (column)" + origin_suffix(summary.origin),
        colours,
        height=170 + 28 * max(4, len(senders)),
    )
    if summary.origin is not Origin.MEASURED:
        rows = enumerate(values)
        known = [(i, j) for i, row in rows for j, v in enumerate(row) if v is not None]
        deepest = max(values[i][j] or 0.0 for i, j in known)
        inks = [ink_on(blend(colours.scale, (values[i][j] or 0.0) / deepest)) for i, j in known]
        draw_missing(figure, dict.fromkeys(known, ""), colours, shape=".", inks=inks)
        figure.update_layout(bargap=0)
    figure.update_xaxes(
        tickvals=list(range(len(receivers))), ticktext=receivers, tickangle=-45, showgrid=False,
        range=[-0.5, len(receivers) - 0.5],
    )  # fmt: skip
    return figure.update_yaxes(
        tickvals=list(range(len(senders))), ticktext=[f"{name}  " for name in senders],
        range=[len(senders) - 0.5, -0.5], showgrid=False,
    )  # fmt: skip


CHART = moved_chart("senders", "senders by receivers", matrix_figure)
