"""Distributions of raw samples with their quantiles and the intervals of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._cases import find_group
from ipfs_accelerate.evidence.figures._rows import read_group
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, log_ticks, runtime_colour, theme_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.bench.quantiles import QuantileInterval
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow

__all__ = ["CHART", "distribution_figure"]

_QUANTILES = {0.5: "line-ns-open", 0.95: "triangle-up", 0.99: "diamond"}
#: A density does not change visibly when it is drawn from so many evenly spaced order statistics.
_MOST = 2000
_FEWEST = 5


def distribution_figure(group: CaseGroup, *, theme: str = "light") -> go.Figure:
    """A density a target, and below it p50, p95 and p99, each with its interval if there is one."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    rows = [row for row in group.rows if len(row.record.samples_ns) >= _FEWEST]
    figure = go.Figure()
    missing: dict[str, None] = {}
    for place, row in enumerate(rows):
        figure.add_trace(_density(row, place, look))
        for quantile in _quantiles(row):
            figure.add_trace(_mark(quantile, place, runtime_colour(row.record.target, look)))
            if quantile.low is None:
                missing[f"p{quantile.quantile * 100:g}"] = None
    too_few = [
        f"{r.record.target} ({len(r.record.samples_ns)})" for r in group.rows if r not in rows
    ]
    for level, symbol in _QUANTILES.items():
        figure.add_trace(_key(level, symbol, look))
    finish(
        figure,
        f"Latency of every call, {group.title} · {group.test_case}",
        look,
        height=170 + 80 * max(len(rows), 2),
    )
    figure.update_xaxes(_ticks(rows), title=_axis_title(missing, too_few))
    return figure.update_layout(
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [
                f"{row.record.target}<br>n {len(row.record.samples_ns)}  " for row in rows
            ],
            "range": [len(rows) - 0.35, -0.8],
            "showgrid": False,
        },
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        margin={"t": 78, "b": 78},
    )


def _axis_title(missing: Iterable[str], too_few: Sequence[str]) -> str:
    text = "ms per call (logarithmic); bars: 95 % intervals"
    if missing:
        text += f"; without a bar ({', '.join(missing)}): too few samples for one"
    if too_few:
        text += f"<br>not drawn, fewer than {_FEWEST} calls: {', '.join(too_few)}"
    return text


def _ticks(rows: Sequence[RankedRow]) -> dict[str, object]:
    values = [v / 1e6 for row in rows for v in row.record.samples_ns if v > 0]
    return log_ticks(min(values), max(values)) if values else {}


def _density(row: RankedRow, place: int, theme: Theme) -> go.Violin:
    import numpy as np
    import plotly.graph_objects as go

    samples = np.sort(np.asarray(row.record.samples_ns, dtype=np.float64)) / 1e6
    if len(samples) > _MOST:
        samples = samples[np.linspace(0, len(samples) - 1, _MOST).astype(np.int64)]
    return go.Violin(
        x=samples, y0=place, orientation="h", side="negative", width=1.1, points=False,
        name=row.record.target, line={"color": runtime_colour(row.record.target, theme),
        "width": 1.5}, spanmode="hard", showlegend=False, hoverinfo="skip", scalemode="width",
    )  # fmt: skip


def _mark(quantile: QuantileInterval, place: int, colour: str) -> go.Scatter:
    import plotly.graph_objects as go

    estimate = quantile.estimate / 1e6
    low = estimate if quantile.low is None else quantile.low / 1e6
    high = estimate if quantile.high is None else quantile.high / 1e6
    lane = list(_QUANTILES).index(quantile.quantile)
    return go.Scatter(
        x=[estimate],
        y=[place + 0.1 + 0.1 * lane],
        mode="markers",
        marker={"symbol": _QUANTILES[quantile.quantile], "size": 9, "color": colour,
                "line": {"width": 2, "color": colour}},
        error_x={"type": "data", "symmetric": False, "array": [high - estimate],
                 "arrayminus": [estimate - low], "color": colour, "thickness": 1.6, "width": 3},
        showlegend=False,
        hovertemplate=f"p{quantile.quantile * 100:g}: %{{x:.3f}} ms, {quantile.reason or '95 %'}"
        "<extra></extra>",
    )  # fmt: skip


def _key(quantile: float, symbol: str, theme: Theme) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[None], y=[None], mode="markers", name=f"p{quantile * 100:g}",
        marker={"symbol": symbol, "size": 9, "color": theme.ink,
                "line": {"width": 2, "color": theme.ink}},
    )  # fmt: skip


def _quantiles(row: RankedRow) -> list[QuantileInterval]:
    from ipfs_accelerate.evidence.statistics import quantile_interval

    return [quantile_interval(row.record.samples_ns, level) for level in _QUANTILES]


def _find(group: CaseGroup) -> Finding:
    told = find_group(group)
    return Finding(f"{told.sentence} The densities are of all counted calls.", told.rows)


CHART = Chart(
    "distribution",
    "density of raw samples with p50, p95, p99 and their intervals",
    read_group,
    distribution_figure,
    _find,
)
