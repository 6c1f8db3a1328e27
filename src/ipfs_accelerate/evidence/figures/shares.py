"""Where each node's bytes came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._content import (
    LOCAL,
    ORIGIN,
    TEAM,
    moved_chart,
    name_of,
    natural,
    roles,
)
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.theme import finish, theme_named
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.content.insight import ContentSummary

__all__ = ["CHART", "share_figure"]


def share_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Where the bytes of every node came from."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
    nodes = sorted(summary.nodes, key=lambda node: natural(name_of(node.node)))
    shape = "" if summary.origin is Origin.MEASURED else "/"
    figure = go.Figure(
        [
            go.Bar(
                y=[name_of(node.node) for node in nodes],
                x=[value / 1e6 for value in values],
                name=name,
                orientation="h",
                marker={
                    "color": roles(colours)[name],
                    "line": {"width": 0},
                    "pattern": {
                        "shape": shape,
                        "fgcolor": colours.paper,
                        "bgcolor": roles(colours)[name],
                    },
                },
                hovertemplate="%{y}: %{x:,.1f} MB " + name + "<extra></extra>",
            )
            for name, values in (
                (LOCAL, [node.local_bytes for node in nodes]),
                (TEAM, [node.team_bytes for node in nodes]),
                (ORIGIN, [node.origin_bytes for node in nodes]),
            )
            if any(values)
        ]
    )
    finish(
        figure,
        "Where each node's bytes came from" + origin_suffix(summary.origin),
        colours,
        height=150 + 24 * len(nodes),
    )
    figure.update_layout(
        barmode="stack",
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    figure.update_xaxes(title="MB", gridcolor=colours.faint)
    return figure.update_yaxes(autorange="reversed", type="category", ticksuffix="  ")


CHART = moved_chart("shares", "where each node's bytes came from", share_figure)
