"""Operators under the measured roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._operators import GROUP_OF, GROUPS
from ipfs_accelerate.evidence.figures._profile import read_profile
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures._profile import StoredOperator, StoredProfile
    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger

__all__ = ["CHART", "roofline_figure"]


def roofline_figure(profile: StoredProfile, *, theme: str = "light") -> go.Figure | None:
    """Every operator by its intensity and attained rate; ``None`` without measured peaks.

    Source: Williams, Waterman & Patterson (2009), Roofline, Commun. ACM 52.
    """
    import plotly.graph_objects as go

    placed = _placed(profile)
    if not placed or not profile.streams:
        return None
    look, figure = theme_named(theme), go.Figure()
    intensities = [op.intensity or 1.0 for op in placed]
    _draw_roofs(figure, profile, (min(intensities) / 2, max(intensities) * 4), look)
    for name, (colour, symbol, _) in GROUPS.items():
        members = [op for op in placed if GROUP_OF[op.kind] == name]
        if members:
            figure.add_trace(_points(members, name, (colour, symbol), look))
    title = "Operators under the measured roofline" + origin_suffix(profile.origin)
    finish(figure, title, look, height=480)
    figure.update_xaxes(title="operations per byte", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(
        title={"text": "GFLOP/s", "standoff": 10}, type="log", exponentformat="power", dtick=1
    )
    return figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": -0.17, "yanchor": "top"},
        margin={"b": 110},
    )  # fmt: skip


def _placed(profile: StoredProfile) -> list[StoredOperator]:
    return [op for op in profile.operators if op.bound and op.intensity and op.time_ns > 0]


def _points(
    members: Sequence[StoredOperator], name: str, look: tuple[str, str], theme: Theme
) -> go.Scatter:
    import plotly.graph_objects as go

    colour, symbol = look
    most = max(op.share for op in members) or 1.0
    return go.Scatter(
        x=[op.intensity for op in members],
        y=[(op.flops or 0) / op.time_ns for op in members],
        mode="markers",
        name=name,
        marker={
            "color": colour,
            "symbol": symbol,
            "size": [8 + 8 * (op.share / most) ** 0.5 for op in members],
            "line": {"color": theme.ink, "width": 0.8},
            "opacity": 0.9,
        },
        text=[f"{op.name}, {op.share:.1%}" for op in members],
        hovertemplate="%{text}<br>%{x:.2f} per byte, %{y:.1f} GFLOP/s<extra></extra>",
    )


def _draw_roofs(
    figure: go.Figure, profile: StoredProfile, ends: tuple[float, float], theme: Theme
) -> None:
    """The roof of memory and, for each precision that ran, the roof of arithmetic."""
    import plotly.graph_objects as go

    low, high = ends
    roofs = sorted(profile.rates.items()) or [("no compute-bound operator", float("inf"))]
    for precision, rate in roofs:
        for stream, dash in zip(profile.streams, ("solid", "dot"), strict=False):
            xs = sorted({low, min(max(rate / stream, low), high), high})
            figure.add_trace(
                go.Scatter(
                    x=xs,
                    y=[min(rate, x * stream) / 1e9 for x in xs],
                    mode="lines",
                    line={"color": theme.soft, "width": 1.6, "dash": dash},
                    name=f"{precision}, {stream / 1e9:.0f} GB/s",
                    hoverinfo="skip",
                )
            )


def _read(ledger: Ledger, selection: Selection) -> StoredProfile:
    from ipfs_accelerate.errors import InputError

    profile = read_profile(ledger, selection)
    if not _placed(profile) or not profile.streams:
        raise InputError(
            f"the profile {profile.text} was not held against measured peaks",
            hint="`accel bench profile` measures them unless --no-gate is given",
        )
    return profile


def _find(profile: StoredProfile) -> Finding:
    placed = _placed(profile)
    whole = sum(op.time_ns for op in placed)
    memory = sum(op.time_ns for op in placed if op.bound == "memory") / whole
    reached = sum((op.fraction or 0) * op.time_ns for op in placed) / whole
    sentence = (
        f"{profile.text}: {memory:.0%} of the time of {len(placed)} operators is bound by memory,"
        f" {1 - memory:.0%} by arithmetic; weighted by time they reach {reached:.0%} of the roof."
    )
    return Finding(sentence, (profile.run_id,))


def _draw(profile: StoredProfile, *, theme: str) -> go.Figure:
    figure = roofline_figure(profile, theme=theme)
    assert figure is not None  # `_read` refuses what has no roof
    return figure


CHART = Chart("roofline", "operators under the measured peaks", _read, _draw, _find)
