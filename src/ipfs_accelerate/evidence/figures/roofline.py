"""Operators under the measured roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._operators import GROUP_OF, GROUPS
from ipfs_accelerate.evidence.figures.theme import finish, theme_named
from ipfs_accelerate.hardware import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.bench.profiling import ModelProfile, OpProfile
    from ipfs_accelerate.evidence.figures.theme import Theme

__all__ = ["roofline_figure"]


def roofline_figure(profile: ModelProfile, *, theme: str = "light") -> go.Figure | None:
    """Every operator by its intensity and attained rate; ``None`` without measured peaks.

    Source: Williams, Waterman & Patterson (2009), Roofline, Commun. ACM 52.
    """
    import plotly.graph_objects as go

    placed = [op for op in profile.operators if op.roof and op.work.intensity and op.work.flops]
    if profile.peaks is None or not placed:
        return None
    colours = theme_named(theme)
    figure = go.Figure()
    low = min(op.work.intensity or 1.0 for op in placed) / 2
    high = max(op.work.intensity or 1.0 for op in placed) * 4
    _draw_roofs(figure, profile, (low, high), colours)
    for name, (colour, symbol, _) in GROUPS.items():
        members = [op for op in placed if GROUP_OF[op.kind] == name]
        if members:
            figure.add_trace(_points(members, name, (colour, symbol), colours))
    finish(figure, "Operators under the measured roofline", colours, height=440)
    figure.update_xaxes(title="operations per byte", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="GFLOP/s", type="log", exponentformat="power", dtick=1)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.26})


def _points(
    members: Sequence[OpProfile], name: str, look: tuple[str, str], theme: Theme
) -> go.Scatter:
    import plotly.graph_objects as go

    colour, symbol = look
    most = max(op.share for op in members) or 1.0
    return go.Scatter(
        x=[op.work.intensity for op in members],
        y=[(op.flops_per_s or 0) / 1e9 for op in members],
        mode="markers",
        name=name,
        marker={
            "color": colour,
            "symbol": symbol,
            "size": [8 + 8 * (op.share / most) ** 0.5 for op in members],
            "line": {"color": theme.ink, "width": 0.8},
            "opacity": 0.9,
        },
        text=[f"{op.operator.name}, {op.share:.1%}" for op in members],
        hovertemplate="%{text}<br>%{x:.2f} per byte, %{y:.1f} GFLOP/s<extra></extra>",
    )


def _draw_roofs(
    figure: go.Figure, profile: ModelProfile, ends: tuple[float, float], theme: Theme
) -> None:
    """The roof of memory and, for each precision that ran, the roof of arithmetic."""
    import plotly.graph_objects as go

    peaks = profile.peaks
    if peaks is None:
        return
    used = {op.operator.precision or str(profile.facts["executed_precision"])
            for op in profile.operators if op.roof}  # fmt: skip
    slowest, fastest = min(peaks.bytes_per_s.values()), max(peaks.bytes_per_s.values())
    low, high = ends
    for precision in sorted(used):
        rate = (
            peaks.operations_per_s.get(Precision(precision))
            if precision in set(Precision)
            else None
        )
        if rate is None:
            continue
        for stream, dash, what in ((slowest, "solid", "memory"), (fastest, "dot", "cache")):
            ridge = rate / stream
            xs = sorted({low, min(max(ridge, low), high), high})
            figure.add_trace(
                go.Scatter(
                    x=xs,
                    y=[min(rate, x * stream) / 1e9 for x in xs],
                    mode="lines",
                    line={"color": theme.soft, "width": 1.6, "dash": dash},
                    name=f"{precision}, {what} {stream / 1e9:.0f} GB/s",
                    hoverinfo="skip",
                )
            )
