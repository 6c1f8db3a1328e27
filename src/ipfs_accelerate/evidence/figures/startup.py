"""What the first answer costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import find_group, finish_bars
from ipfs_accelerate.evidence.figures._rows import read_group
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup

__all__ = ["CHART", "startup_figure"]


def startup_figure(group: CaseGroup, *, theme: str = "light") -> go.Figure:
    """What the first answer costs: loading, then the first inference."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    labels = [r.record.target for r in group.rows]
    figure = go.Figure(
        [
            go.Bar(
                y=labels,
                x=[None if v is None else v / 1e9 for v in values],
                name=name,
                orientation="h",
                marker={"color": colour},
            )
            for name, colour, values in (
                ("load", look.sky, [r.record.load_ns for r in group.rows]),
                ("first inference", look.orange, [r.record.first_inference_ns for r in group.rows]),
            )
        ]
    )
    figure.update_layout(barmode="stack",
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom",
                "traceorder": "normal"},
    )  # fmt: skip
    return finish_bars(
        figure, f"Start-up, {group.test_case}", look, unit="seconds", rows=len(labels)
    )


CHART = Chart(
    "startup", "loading and first inference, one case", read_group, startup_figure, find_group
)
