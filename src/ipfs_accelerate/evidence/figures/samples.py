"""Raw samples of every target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import find_group, finish_bars, ms
from ipfs_accelerate.evidence.figures._rows import read_group
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import log_ticks, runtime_colour, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup

__all__ = ["CHART", "sample_figure"]


def sample_figure(group: CaseGroup, *, theme: str = "light") -> go.Figure:
    """Every raw sample as a box with its points: spread, modes and outliers are visible."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    figure = go.Figure()
    for row in group.rows:
        figure.add_trace(
            go.Box(
                x=[ms(v) for v in row.record.samples_ns],
                name=row.record.target,
                marker={
                    "color": runtime_colour(row.record.target, look),
                    "size": 3,
                    "opacity": 0.5,
                },
                boxpoints="all",
                jitter=0.6,
                pointpos=0,
                line={"width": 1},
                showlegend=False,
            )
        )
    title = f"Raw samples, {group.test_case} (logarithmic)"
    finish_bars(figure, title, look, unit="ms per call", rows=len(group.rows))
    values = [ms(v) for row in group.rows for v in row.record.samples_ns if v > 0]
    figure.update_xaxes(log_ticks(min(values), max(values)) if values else {})
    return figure


CHART = Chart(
    "samples",
    "every raw sample as boxes and points, one case",
    read_group,
    sample_figure,
    find_group,
)
