"""Who sent how much to whom, as a picture of the network."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._content import (
    BANNED,
    ORIGIN,
    TEAM,
    bytes_text,
    kind_of,
    moved_chart,
    name_of,
    natural,
    roles,
)
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.theme import finish, theme_named
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.content.insight import ContentSummary, Edge
    from ipfs_accelerate.evidence.figures.theme import Theme

__all__ = ["CHART", "topology_figure"]

#: With more lines than this only the widest of every receiver are drawn: its origins and two peers.
MAX_EDGES = 48
_PEERS_OF_EACH = 2
_MAX_LINES = 400
_CURVE_POINTS = 13
_WIDTHS = 6
_THINNEST, _THICKEST = 0.6, 7.0

_Point = tuple[float, float]


def topology_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Nodes on a circle, origins inside it; a line for every pair, as wide as its bytes."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
    edges, left_out = _strongest(summary.edges)
    places = _places(edges, [node.node for node in summary.nodes])
    figure = go.Figure()
    for kind in (TEAM, ORIGIN, BANNED):
        chosen = [edge for edge in edges if kind_of(edge) == kind]
        if chosen:
            _draw_edges(figure, chosen, places, (kind, colours))
    is_measured = summary.origin is Origin.MEASURED
    _draw_nodes(figure, summary.edges, places, (is_measured, colours))
    title = "Who sent how much to whom" + origin_suffix(summary.origin)
    if left_out:
        title += f" · {left_out} further lines are in the matrix only"
    if not is_measured:
        title += " (hollow nodes)"
    finish(figure, title, colours, height=620)
    figure.update_layout(
        hovermode="closest",
        legend={"orientation": "h", "y": -0.02, "x": 0.5, "xanchor": "center"},
    )
    hidden = {"visible": False, "range": [-1.32, 1.32]}
    figure.update_xaxes(**hidden)
    return figure.update_yaxes(**hidden, scaleanchor="x")


def _strongest(edges: Sequence[Edge]) -> tuple[list[Edge], int]:
    """Those to draw, and how many are left out."""
    shown = [edge for edge in edges if edge.received_bytes > 0 or edge.is_banned]
    shown.sort(key=lambda edge: -edge.received_bytes)
    if len(shown) <= MAX_EDGES:
        return shown, 0
    taken: dict[str, int] = defaultdict(int)
    kept: list[Edge] = []
    for edge in shown:
        taken[edge.node] += kind_of(edge) == TEAM
        if kind_of(edge) != TEAM or taken[edge.node] <= _PEERS_OF_EACH:
            kept.append(edge)
    return kept[:_MAX_LINES], len(shown) - len(kept[:_MAX_LINES])


def _places(edges: Sequence[Edge], receivers: Sequence[str]) -> dict[str, _Point]:
    """Members of the team on the unit circle from the top, origins near the centre."""
    origins = sorted({name_of(edge.source) for edge in edges if edge.is_origin}, key=natural)
    team = {name_of(edge.source) for edge in edges if not edge.is_origin}
    team |= {name_of(edge.node) for edge in edges} | {name_of(node) for node in receivers}
    around = sorted(team - set(origins), key=natural)
    radius = 0.0 if len(origins) == 1 else 0.3
    return _circle(around, 1.0) | _circle(origins, radius)


def _circle(names: Sequence[str], radius: float) -> dict[str, _Point]:
    turn = 2 * math.pi / max(1, len(names))
    return {
        name: (radius * math.sin(n * turn), radius * math.cos(n * turn))
        for n, name in enumerate(names)
    }


def _draw_edges(
    figure: go.Figure,
    edges: Sequence[Edge],
    places: Mapping[str, _Point],
    look: tuple[str, Theme],
) -> None:
    import plotly.graph_objects as go

    kind, theme = look
    most = max((edge.received_bytes for edge in edges), default=0) or 1
    groups: dict[int, list[list[_Point]]] = defaultdict(list)
    for edge in edges:
        step = math.ceil(edge.received_bytes / most * _WIDTHS) or 1
        groups[step].append(_curve(places[name_of(edge.source)], places[name_of(edge.node)]))
    label = {TEAM: TEAM, ORIGIN: ORIGIN, BANNED: "banned for wrong bytes"}
    for step, curves in sorted(groups.items()):
        points = [point for curve in curves for point in [*curve, (None, None)]]
        thickest = _THICKEST * min(1.0, math.sqrt(20 / len(edges)))
        width = _THINNEST + (thickest - _THINNEST) * (step - 1) / (_WIDTHS - 1)
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                mode="lines",
                line={
                    "color": roles(theme)[kind],
                    "width": 0.9 if kind == BANNED else width,
                    "dash": "dot" if kind == BANNED else "solid",
                },
                opacity=0.45 if kind == BANNED else 0.35 + 0.5 * step / _WIDTHS,
                name=label[kind],
                legendgroup=kind,
                showlegend=step == max(groups),
                legendrank=list(label).index(kind),
                hoverinfo="skip",
            )
        )
    _draw_arrows(figure, edges, places, look)


def _draw_arrows(
    figure: go.Figure,
    edges: Sequence[Edge],
    places: Mapping[str, _Point],
    look: tuple[str, Theme],
) -> None:
    """A head on every line, which also says what went along it."""
    import plotly.graph_objects as go

    kind, theme = look
    curves = [_curve(places[name_of(edge.source)], places[name_of(edge.node)]) for edge in edges]
    at = int(_CURVE_POINTS * 0.68)
    angles = [
        math.degrees(math.atan2(c[at + 1][0] - c[at - 1][0], c[at + 1][1] - c[at - 1][1]))
        for c in curves
    ]
    figure.add_trace(
        go.Scatter(
            x=[curve[at][0] for curve in curves],
            y=[curve[at][1] for curve in curves],
            mode="markers",
            marker={
                "symbol": "arrow",
                "angle": angles,
                "size": 5 if kind == BANNED else 11,
                "color": roles(theme)[kind],
                "opacity": 0.5 if kind == BANNED else 1.0,
                "line": {"color": theme.paper, "width": 0 if kind == BANNED else 1},
            },
            text=[
                f"{name_of(e.source)} → {name_of(e.node)}: {bytes_text(e.received_bytes)},"
                f" {e.received_blocks} blocks, {e.failures} failures"
                for e in edges
            ],
            hovertemplate="%{text}<extra></extra>",
            legendgroup=kind,
            showlegend=False,
        )
    )


def _draw_nodes(
    figure: go.Figure,
    edges: Sequence[Edge],
    places: Mapping[str, _Point],
    look: tuple[bool, Theme],
) -> None:
    """Full where what they sent was measured, else hollow."""
    import plotly.graph_objects as go

    is_measured, theme = look
    sent: dict[str, int] = defaultdict(int)
    for edge in edges:
        sent[name_of(edge.source)] += edge.received_bytes
    origins = {name_of(edge.source) for edge in edges if edge.is_origin}
    banned = {name_of(edge.source) for edge in edges if edge.is_banned}
    names = list(places)
    most = max(sent.values(), default=0) or 1
    kinds = [BANNED if n in banned else ORIGIN if n in origins else TEAM for n in names]
    colours = [roles(theme)[kind] for kind in kinds]
    figure.add_trace(
        go.Scatter(
            x=[places[n][0] for n in names],
            y=[places[n][1] for n in names],
            mode="markers",
            marker={
                "size": [14 + 20 * math.sqrt(sent[n] / most) for n in names],
                "symbol": [
                    "x" if n in banned else "square" if n in origins else "circle" for n in names
                ],
                "opacity": 1.0,
                "color": colours if is_measured else theme.paper,
                "line": {"color": theme.paper if is_measured else colours, "width": 2.5},
            },
            text=[f"{n} sent {bytes_text(sent[n])}" for n in names],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    for name in names:
        fate = "banned" if name in banned else f"{bytes_text(sent[name])} sent"
        _label(figure, f"<b>{name}</b><br>{fate}", places[name], theme)


def _label(figure: go.Figure, text: str, place: _Point, theme: Theme) -> None:
    """Beside its node, away from the centre, on a patch that lines do not cross."""
    x, y = place
    radius = math.hypot(x, y)
    away = 1.0 + 0.17 / radius if radius > 0.5 else 1.0
    figure.add_annotation(
        x=x * away,
        y=y * away - (0.19 if radius <= 0.5 else 0.0),
        text=text,
        showarrow=False,
        xanchor="center" if abs(x) < 0.35 else "left" if x > 0 else "right",
        yanchor="middle",
        align="left" if x > 0.35 else "right" if x < -0.35 else "center",
        font={"size": 11, "color": theme.ink},
        bgcolor=theme.paper,
        opacity=0.92,
        borderpad=1,
    )


def _curve(start: _Point, end: _Point) -> list[_Point]:
    """A bow to the left of its direction, so that the way back is another line."""
    (x0, y0), (x1, y1) = start, end
    bend = 0.16
    xm, ym = (x0 + x1) / 2 - (y1 - y0) * bend, (y0 + y1) / 2 + (x1 - x0) * bend
    steps = [n / (_CURVE_POINTS - 1) for n in range(_CURVE_POINTS)]
    return [
        (
            (1 - t) ** 2 * x0 + 2 * t * (1 - t) * xm + t**2 * x1,
            (1 - t) ** 2 * y0 + 2 * t * (1 - t) * ym + t**2 * y1,
        )
        for t in steps
    ]


CHART = moved_chart("topology", "who sent how much to whom", topology_figure)
