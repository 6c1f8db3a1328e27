"""Plotly figures that only a timing report needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.evidence.figures.theme import finish, runtime_colour, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.timing.report import Ranking, TimingReport

__all__ = ["bound_figure", "first_figure", "short_model", "sizes_of", "speed_figure"]

_FEWEST_ROWS = 2
#: Speed-ups beyond this look alike; the number in the cell tells them apart.
_REACH = 8.0
#: Share of a colour in a cell, so that ink reads on it.
_STRENGTH = 0.5
_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "x", "pentagon")
_MARKS = {
    "untrusted": "untrusted",
    "failed": "failed",
    "unavailable": "not here",
    "not measured": "·",
}


def speed_figure(report: TimingReport, *, theme: str = "light") -> go.Figure | None:
    """Every workload of every class on every target: times as fast as its baseline.

    ``=`` marks targets that share the first rank, ``?`` those whose numerics were not confirmed.
    ``None`` for a report without targets.
    """
    import plotly.graph_objects as go

    look = theme_named(theme)
    targets = report.shown_targets
    if not targets:
        return None
    rows = [(r.key.title, r) for r in report.rankings if not r.group.others]
    gaps: list[tuple[str, Ranking | None]] = [(c.key.title, None) for c in report.missing]
    lines = [*rows, *gaps]
    values = [[_speed(ranking, target) for target in targets] for _, ranking in lines]
    texts = [[_cell_text(report, t, r, title) for t in targets] for title, r in lines]
    labels = _labels(lines)
    slow, middle, fast = (_mixed(look, look.vermillion), look.tint, _mixed(look, look.blue))
    figure = go.Figure(
        go.Heatmap(
            z=[[None if v is None else float(np.log2(v)) for v in row] for row in values],
            x=[_wrapped(target) for target in targets],
            y=labels,
            text=texts,
            texttemplate="%{text}",
            textfont={"color": look.ink, "size": 12},
            hovertemplate="%{y}<br>%{x}<br>%{text}<extra></extra>",
            colorscale=[[0, slow], [0.5, middle], [1, fast]],
            zmid=0,
            zmin=-np.log2(_REACH),
            zmax=np.log2(_REACH),
            xgap=3,
            ygap=3,
            colorbar={
                "title": {"text": "times as fast", "side": "right"},
                "tickvals": [-3, -2, -1, 0, 1, 2, 3],
                "ticktext": ["1/8", "1/4", "1/2", "1", "2", "4", "8+"],
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    figure = finish(figure, "Speed against the baseline", look, height=130 + 30 * len(lines))
    figure.update_layout(margin={"t": 56, "b": 60})
    figure.update_xaxes(showgrid=False, tickangle=0, side="bottom")
    return figure.update_yaxes(showgrid=False, autorange="reversed")


def first_figure(ranking: Ranking, *, theme: str = "light") -> go.Figure | None:
    """First inference against the steady state, and loading, on one logarithmic axis.

    ``None`` where no row knows its first inference.
    """
    import plotly.graph_objects as go

    look = theme_named(theme)
    rows = [r.record for r in ranking.group.rows if r.record.first_inference_ns]
    if not rows:
        return None
    labels = [row.target for row in rows]
    firsts = [(row.first_inference_ns or 0) / 1e6 for row in rows]
    steady = [(row.latency_p50_ns or 0) / 1e6 for row in rows]
    figure = go.Figure()
    for label, first, last in zip(labels, firsts, steady, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[last, first],
                y=[label, label],
                mode="lines",
                line={"color": look.soft, "width": 2},
                showlegend=False,
                hoverinfo="skip",
            )
        )
    loads = [row.load_ns / 1e6 if row.load_ns else None for row in rows]
    for name, values, colour, symbol in (
        ("steady (median)", steady, look.blue, "circle"),
        ("first inference", firsts, look.orange, "diamond"),
        ("load", loads, look.purple, "line-ns-open"),
    ):
        figure.add_trace(
            go.Scatter(
                x=values,
                y=labels,
                name=name,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2}},
                hovertemplate="%{y}: %{x:.3g} ms<extra>" + name + "</extra>",
            )
        )
    figure = finish(figure, "First against steady", look, height=150 + 34 * max(len(rows), 2))
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    figure.update_layout(margin={"t": 84})
    figure.update_xaxes(type="log", title="ms (logarithmic)", dtick=1)
    return figure.update_yaxes(
        autorange="reversed", type="category", categoryorder="array", categoryarray=labels
    )


def bound_figure(report: TimingReport, *, theme: str = "light") -> go.Figure | None:
    """Profiled cells by what they wait for: arithmetic upwards, memory to the right.

    What lies below the line is neither: starting operators, and time outside of them. ``None``
    without a profile.
    """
    import plotly.graph_objects as go

    look = theme_named(theme)
    placed = [(r, limit) for r in report.rankings for limit in r.limits if limit.shares]
    if not placed:
        return None
    figure = go.Figure(
        [_line([0, 1], [1, 0], look, "solid"), _line([0, 0.5], [0, 0.5], look, "dot")]
    )
    symbols = {name: _SYMBOLS[n % len(_SYMBOLS)] for n, name in enumerate(
        dict.fromkeys(r.key.title for r, _ in placed))}  # fmt: skip
    for ranking, limit in placed:
        name = f"{ranking.key.title} · {limit.target}"
        figure.add_trace(
            go.Scatter(
                x=[limit.memory_share],
                y=[limit.compute_share],
                name=name,
                mode="markers",
                marker={
                    "size": 13,
                    "symbol": symbols[ranking.key.title],
                    "color": runtime_colour(limit.target, look),
                    "line": {"color": look.ink, "width": 1},
                },
                hovertemplate=f"{name}<br>{ranking.subject}<br>"
                "memory %{x:.0%}, compute %{y:.0%}<extra></extra>",
            )
        )
    for x, y, text in ((0.03, 1.0, "compute-bound"), (1.0, 0.06, "memory-bound"),
                       (0.03, 0.04, "neither: overhead, dispatch")):  # fmt: skip
        figure.add_annotation(
            x=x,
            y=y,
            text=text,
            showarrow=False,
            xanchor="left" if x < 0.5 else "right",
            font={"color": look.soft, "size": 12},
        )
    figure = finish(figure, "What profiled runs wait for", look, height=440)
    figure.update_layout(legend={"font": {"size": 11}})
    figure.update_xaxes(
        range=[-0.02, 1.03], tickformat=".0%", title="share bound by memory, and copies"
    )
    return figure.update_yaxes(
        range=[-0.04, 1.06], tickformat=".0%", title="share bound by arithmetic"
    )


def _mixed(look: Theme, colour: str) -> str:
    """A colour over the paper of its theme."""
    pairs = zip(_channels(colour), _channels(look.paper), strict=True)
    mixed = (round(_STRENGTH * a + (1 - _STRENGTH) * b) for a, b in pairs)
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _line(x: Sequence[float], y: Sequence[float], look: Theme, dash: str) -> go.Scatter:
    import plotly.graph_objects as go

    line = {"color": look.soft, "width": 1, "dash": dash}
    return go.Scatter(x=x, y=y, mode="lines", line=line, showlegend=False, hoverinfo="skip")


def _speed(ranking: Ranking | None, target: str) -> float | None:
    if ranking is None:
        return None
    row = next((r for r in ranking.group.rows if r.record.target == target), None)
    return row.speedup.ratio if row is not None and row.speedup is not None else None


def _cell_text(report: TimingReport, target: str, ranking: Ranking | None, title: str) -> str:
    if ranking is None:
        of_class = next(c for c in report.classes if c.key.title == title)
        state = next(g.state for g in of_class.grid if g.target == target)
        return _MARKS.get(state, "")
    rows = ranking.group.rows
    row = next((r for r in rows if r.record.target == target), None)
    if row is None:
        left = next((c for c in ranking.unranked if c.attempt.target == target), None)
        if left is None:
            return "not here" if target in report.unavailable else "·"
        return "failed" if left.has_failed else "untrusted"
    text = f"{(row.record.latency_p50_ns or 0) / 1e6:.3g} ms"
    if row.speedup is not None:
        text = "1" if row.speedup.verdict == "baseline" else f"{row.speedup.ratio:.3g}×"
    if row.rank == 1:
        shared = sum(r.rank == 1 for r in rows) >= _FEWEST_ROWS
        text = f"{text} =" if shared else f"<b>{text}</b>"
    return text if row.is_eligible else f"{text} ?"


def _labels(lines: Sequence[tuple[str, Ranking | None]]) -> list[str]:
    """Class, and what tells rows of one class apart; no two are equal."""
    found: list[str] = []
    for title, ranking in lines:
        label = title
        if ranking is not None:
            label = f"{title} · {short_model(ranking)} · {sizes_of(ranking)}"
        while label in found:
            label += " "
        found.append(label)
    return found


def short_model(ranking: Ranking) -> str:
    """The model in at most 28 characters: the end of a path, the name of random weights."""
    name = ranking.group.title.partition("://")[2] or ranking.group.title
    name = name.partition("?")[0] + (" (random)" if "random(" in ranking.group.weights else "")
    return name if len(name) <= 28 else f"…{name[-27:]}"


def sizes_of(ranking: Ranking) -> str:
    """``b1/s128`` of ``feature-extraction/b1/s128``."""
    return ranking.group.test_case.partition("/")[2] or ranking.group.test_case


def _wrapped(target: str) -> str:
    runtime, _, rest = target.partition("/")
    return f"{runtime}<br>{rest.replace('+', '<br>+')}"
