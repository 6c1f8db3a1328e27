"""Peak memory of every target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import find_group, finish_bars
from ipfs_accelerate.evidence.figures._rows import read_group
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import runtime_colour, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup

__all__ = ["CHART", "memory_figure"]


def memory_figure(group: CaseGroup, *, theme: str = "light") -> go.Figure:
    """Peak resident memory of each case's process tree."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    rows = [r for r in group.rows if r.record.peak_memory_bytes is not None]
    figure = go.Figure(
        go.Bar(
            y=[r.record.target for r in rows],
            x=[(r.record.peak_memory_bytes or 0) / 2**20 for r in rows],
            orientation="h",
            marker={"color": [runtime_colour(r.record.target, look) for r in rows]},
            texttemplate="  %{x:,.0f} MiB",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,.0f} MiB<extra></extra>",
        )
    )
    finish_bars(figure, f"Peak memory, {group.test_case}", look, unit="MiB", rows=len(rows))
    most = max(((r.record.peak_memory_bytes or 0) / 2**20 for r in rows), default=1.0)
    return figure.update_xaxes(range=[0, 1.15 * most])


CHART = Chart(
    "peak-memory", "peak memory of every target, one case", read_group, memory_figure, find_group
)
