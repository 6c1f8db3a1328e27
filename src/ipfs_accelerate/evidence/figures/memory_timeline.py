"""Memory of a process over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.bench.profiling import ModelProfile

__all__ = ["memory_timeline_figure"]


def memory_timeline_figure(profile: ModelProfile, *, theme: str = "light") -> go.Figure:
    """Resident memory of the process while it loads and while it runs."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
    figure = go.Figure()
    for phase, colour in (("load", colours.vermillion), ("run", colours.blue)):
        samples = [s for s in profile.memory if s.phase == phase]
        figure.add_trace(
            go.Scatter(
                x=[s.at_ns / 1e9 for s in samples],
                y=[s.rss_bytes / 2**20 for s in samples],
                mode="lines",
                line={"color": colour, "width": 2, "dash": "solid" if phase == "run" else "dot"},
                name=phase,
                hovertemplate="%{x:.2f} s: %{y:,.0f} MiB<extra>" + phase + "</extra>",
            )
        )
    finish(figure, "Resident memory while loading and running", colours, height=440)
    figure.update_xaxes(title="seconds since the process began", rangemode="tozero")
    figure.update_yaxes(title="MiB", rangemode="tozero")
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.26})
