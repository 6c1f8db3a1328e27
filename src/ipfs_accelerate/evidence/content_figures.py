"""Plotly figures of moved content: who sent how much to whom, and from where bytes came."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.content.insight import ContentSummary, Edge

__all__ = ["THEMES", "Theme", "bytes_text", "matrix_figure", "share_figure", "topology_figure"]

#: With more lines than this only the widest of every receiver are drawn: its origins and two peers.
MAX_EDGES = 48
_PEERS_OF_EACH = 2
_MAX_LINES = 400
_CURVE_POINTS = 13
_WIDTHS = 6
_THINNEST, _THICKEST = 0.6, 7.0
_ORIGIN, _TEAM, _LOCAL, _BANNED = "from origins", "from peers", "already here", "banned"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one background; pairs are told apart with colour-vision deficiencies too.

    Source: Okabe, Ito (2008), Color Universal Design.
    """

    ink: str
    soft: str
    paper: str
    colours: Mapping[str, str]
    scale: tuple[str, str, str]


THEMES = {
    "light": Theme(
        "#1b1f24", "#5b6470", "#ffffff",
        {_ORIGIN: "#D55E00", _TEAM: "#0072B2", _LOCAL: "#009E73", _BANNED: "#1b1f24"},
        ("#f4f7fa", "#56B4E9", "#00305c"),
    ),
    "dark": Theme(
        "#e6edf3", "#9aa6b2", "#14181d",
        {_ORIGIN: "#E69F00", _TEAM: "#56B4E9", _LOCAL: "#35c79a", _BANNED: "#ffffff"},
        ("#1d232a", "#2f7fb5", "#d6efff"),
    ),
}  # fmt: skip

_Point = tuple[float, float]


def topology_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Nodes on a circle, origins inside it; a line for every pair, as wide as its bytes."""
    import plotly.graph_objects as go

    colours = THEMES[theme]
    edges, left_out = _strongest(summary.edges)
    places = _places(edges, [node.node for node in summary.nodes])
    figure = go.Figure()
    for kind in (_TEAM, _ORIGIN, _BANNED):
        chosen = [edge for edge in edges if _kind(edge) == kind]
        if chosen:
            _draw_edges(figure, chosen, places, (kind, colours))
    _draw_nodes(figure, summary.edges, places, colours)
    title = "Who sent how much to whom"
    if left_out:
        title += f" · {left_out} further lines are in the matrix only"
    _finish(figure, title, colours, height=620)
    figure.update_layout(
        hovermode="closest",
        legend={"orientation": "h", "y": -0.02, "x": 0.5, "xanchor": "center"},
    )
    hidden = {"visible": False, "range": [-1.32, 1.32]}
    figure.update_xaxes(**hidden)
    return figure.update_yaxes(**hidden, scaleanchor="x")


def matrix_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Senders by receivers: nothing is hidden behind anything."""
    import plotly.graph_objects as go

    colours = THEMES[theme]
    senders = sorted({_name(edge.source) for edge in summary.edges}, key=_natural)
    receivers = sorted({_name(edge.node) for edge in summary.edges}, key=_natural)
    sent: dict[tuple[str, str], int] = defaultdict(int)
    for edge in summary.edges:
        sent[_name(edge.source), _name(edge.node)] += edge.received_bytes
    values = [[sent.get((s, r), 0) / 1e6 or None for r in receivers] for s in senders]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=receivers,
            y=senders,
            colorscale=[[n / 2, colour] for n, colour in enumerate(colours.scale)],
            zmin=0,
            zmax=max((v for row in values for v in row if v is not None), default=1),
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "MB", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="%{y} → %{x}: %{z:,.1f} MB<extra></extra>",
            hoverongaps=False,
        )
    )
    _finish(figure, "Sender (row) to receiver (column)", colours, height=150 + 24 * len(senders))
    figure.update_xaxes(tickangle=-45, showgrid=False, type="category")
    return figure.update_yaxes(autorange="reversed", showgrid=False, type="category")


def share_figure(summary: ContentSummary, *, theme: str = "light") -> go.Figure:
    """Where the bytes of every node came from."""
    import plotly.graph_objects as go

    colours = THEMES[theme]
    nodes = sorted(summary.nodes, key=lambda node: _natural(_name(node.node)))
    figure = go.Figure(
        [
            go.Bar(
                y=[_name(node.node) for node in nodes],
                x=[value / 1e6 for value in values],
                name=name,
                orientation="h",
                marker={"color": colours.colours[name], "line": {"width": 0}},
                hovertemplate="%{y}: %{x:,.1f} MB " + name + "<extra></extra>",
            )
            for name, values in (
                (_LOCAL, [node.local_bytes for node in nodes]),
                (_TEAM, [node.team_bytes for node in nodes]),
                (_ORIGIN, [node.origin_bytes for node in nodes]),
            )
            if any(values)
        ]
    )
    _finish(figure, "Where each node's bytes came from", colours, height=150 + 24 * len(nodes))
    figure.update_layout(
        barmode="stack",
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    figure.update_xaxes(title="MB", gridcolor=_faint(colours))
    return figure.update_yaxes(autorange="reversed", type="category", ticksuffix="  ")


def bytes_text(value_bytes: float) -> str:
    """Bytes in the decimal unit that leaves three significant digits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= size:
            return f"{value_bytes / size:.3g} {unit}"
    return f"{value_bytes:.0f} B"


def _strongest(edges: Sequence[Edge]) -> tuple[list[Edge], int]:
    """Those to draw, and how many are left out."""
    shown = [edge for edge in edges if edge.received_bytes > 0 or edge.is_banned]
    shown.sort(key=lambda edge: -edge.received_bytes)
    if len(shown) <= MAX_EDGES:
        return shown, 0
    taken: dict[str, int] = defaultdict(int)
    kept: list[Edge] = []
    for edge in shown:
        taken[edge.node] += _kind(edge) == _TEAM
        if _kind(edge) != _TEAM or taken[edge.node] <= _PEERS_OF_EACH:
            kept.append(edge)
    return kept[:_MAX_LINES], len(shown) - len(kept[:_MAX_LINES])


def _kind(edge: Edge) -> str:
    if edge.is_banned:
        return _BANNED
    return _ORIGIN if edge.is_origin else _TEAM


def _places(edges: Sequence[Edge], receivers: Sequence[str]) -> dict[str, _Point]:
    """Members of the team on the unit circle from the top, origins near the centre."""
    origins = sorted({_name(edge.source) for edge in edges if edge.is_origin}, key=_natural)
    team = {_name(edge.source) for edge in edges if not edge.is_origin}
    team |= {_name(edge.node) for edge in edges} | {_name(node) for node in receivers}
    around = sorted(team - set(origins), key=_natural)
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
        groups[step].append(_curve(places[_name(edge.source)], places[_name(edge.node)]))
    label = {_TEAM: _TEAM, _ORIGIN: _ORIGIN, _BANNED: "banned for wrong bytes"}
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
                    "color": theme.colours[kind],
                    "width": 0.9 if kind == _BANNED else width,
                    "dash": "dot" if kind == _BANNED else "solid",
                },
                opacity=0.45 if kind == _BANNED else 0.35 + 0.5 * step / _WIDTHS,
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
    curves = [_curve(places[_name(edge.source)], places[_name(edge.node)]) for edge in edges]
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
                "size": 5 if kind == _BANNED else 11,
                "color": theme.colours[kind],
                "opacity": 0.5 if kind == _BANNED else 1.0,
                "line": {"color": theme.paper, "width": 0 if kind == _BANNED else 1},
            },
            text=[
                f"{_name(e.source)} → {_name(e.node)}: {bytes_text(e.received_bytes)},"
                f" {e.received_blocks} blocks, {e.failures} failures"
                for e in edges
            ],
            hovertemplate="%{text}<extra></extra>",
            legendgroup=kind,
            showlegend=False,
        )
    )


def _draw_nodes(
    figure: go.Figure, edges: Sequence[Edge], places: Mapping[str, _Point], theme: Theme
) -> None:
    import plotly.graph_objects as go

    sent: dict[str, int] = defaultdict(int)
    for edge in edges:
        sent[_name(edge.source)] += edge.received_bytes
    origins = {_name(edge.source) for edge in edges if edge.is_origin}
    banned = {_name(edge.source) for edge in edges if edge.is_banned}
    names = list(places)
    most = max(sent.values(), default=0) or 1
    kinds = [_BANNED if n in banned else _ORIGIN if n in origins else _TEAM for n in names]
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
                "color": [theme.colours[kind] for kind in kinds],
                "line": {"color": theme.paper, "width": 2},
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


def _name(text: str) -> str:
    """A node's name without how it is reached."""
    for kind in ("peer:", "gateway:", "kubo:", "bitswap:", "http://", "https://"):
        text = text.removeprefix(kind)
    text = text.rstrip("/")
    return text if len(text) <= 28 else f"{text[:12]}…{text[-14:]}"


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts numbers inside names as numbers."""
    import re

    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name))


def _faint(theme: Theme) -> str:
    return f"{theme.soft}40"


def _finish(figure: go.Figure, title: str, theme: Theme, *, height: int) -> None:
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "pad": {"l": 10}, "font": {"size": 15}},
        template="none",
        height=height,
        margin={"l": 10, "r": 20, "t": 56, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 12, "color": theme.ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"bgcolor": theme.paper, "font": {"color": theme.ink}},
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
