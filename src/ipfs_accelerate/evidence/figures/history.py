"""Cases over time, with a slider that lets their history grow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures._rows import short_model
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import faded, finish, log_ticks, theme_named
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.regressions import CaseKey, CaseSeries
    from ipfs_accelerate.store import Ledger

__all__ = ["CHART", "History", "history_figure"]

#: Lines in one figure, those with most runs; the title counts the rest.
MAX_LINES = 6
_MAX_FRAMES = 60
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_Z = NormalDist().inv_cdf(0.975)
_CHANGES = """
SELECT model_name, host, device_id, device_name, target, test_case, first_run, ratio
FROM performance_anomalies WHERE origin = 'measured' AND kind = 'step' ORDER BY created_at"""


@dataclass(frozen=True, slots=True)
class History:
    """Cases with their runs.

    Attributes:
        series: Those with most runs first.
        changes: Of a case: first run after a change that `regressions` found, and its ratio.
    """

    series: tuple[CaseSeries, ...]
    changes: tuple[tuple[CaseKey, str, float], ...] = ()


def history_figure(history: History, *, theme: str = "light") -> go.Figure:
    """Medians on a logarithmic axis with 95 % bands; found changes are marked."""
    import plotly.graph_objects as go

    look, shown = theme_named(theme), history.series[:MAX_LINES]
    moments = _moments(shown)
    figure = go.Figure(_traces(history, shown, None, look))
    figure.frames = [
        go.Frame(data=_traces(history, shown, moment, look), name=moment.isoformat())
        for moment in moments
    ]
    title = "Median latency over time, 95 % bands"
    if len(history.series) > len(shown):
        title += f" · {len(history.series) - len(shown)} further cases left out"
    finish(figure, title, look, height=520 + 20 * len(shown))
    figure.update_yaxes(_scale(shown), title={"text": "ms per call (logarithmic)", "standoff": 10})
    figure.update_xaxes(title="run (UTC)", range=_span(shown))
    return figure.update_layout(
        legend={"orientation": "v", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        margin={"t": 62 + 21 * (len(shown) + 1), "b": 60},
        sliders=[_slider(moments, look)],
        updatemenus=[_buttons(look)],
        hovermode="closest",
    )


def _traces(
    history: History, shown: Sequence[CaseSeries], until: datetime | None, theme: Theme
) -> list[go.Scatter]:
    found = [
        trace
        for number, series in enumerate(shown)
        for trace in _line(series, number, until, theme)
    ]
    return [*found, _marks(history, shown, until, theme)]


def _line(
    series: CaseSeries, number: int, until: datetime | None, theme: Theme
) -> tuple[go.Scatter, go.Scatter]:
    import plotly.graph_objects as go

    points = [p for p in series.points if until is None or p.created_at <= until]
    colour = theme.categories[number]
    when = [p.created_at for p in points]
    middle = np.array([p.median_ns for p in points]) / 1e6
    half = np.array([_Z * (p.error or 0.0) for p in points])
    name = f"{short_model(series.key.model_name)} · {series.key.target} · {series.key.test_case}"
    band = go.Scatter(
        x=[*when, *reversed(when)],
        y=[*(middle * np.exp(half)), *reversed(middle * np.exp(-half))],
        fill="toself", fillcolor=faded(colour, 0.18), line={"width": 0}, mode="lines",
        hoverinfo="skip", showlegend=False, legendgroup=name,
    )  # fmt: skip
    line = go.Scatter(
        x=when, y=middle, mode="lines+markers", name=f"{name} (n {len(series.points)} runs)",
        legendgroup=name, line={"color": colour, "width": 1.8, "dash": _DASHES[number]},
        marker={"size": 7, "symbol": _SYMBOLS[number]},
        text=[(p.git_commit or "no commit")[:10] for p in points],
        hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:.3f} ms, %{text}<extra></extra>",
    )  # fmt: skip
    return band, line


def _marks(
    history: History, shown: Sequence[CaseSeries], until: datetime | None, theme: Theme
) -> go.Scatter:
    """Changes that were found, each at the first run after it."""
    import plotly.graph_objects as go

    runs = {(s.key, p.run_id): p for s in shown for p in s.points}
    marked = [
        (runs[key, run_id], ratio)
        for key, run_id, ratio in history.changes
        if (key, run_id) in runs and (until is None or runs[key, run_id].created_at <= until)
    ]
    return go.Scatter(
        x=[point.created_at for point, _ in marked],
        y=[point.median_ns / 1e6 for point, _ in marked],
        mode="markers+text", name="change found by accel evidence regressions",
        marker={"symbol": "circle-open", "size": 17, "color": theme.ink, "line": {"width": 2}},
        text=[f"{ratio - 1:+.1%}" for _, ratio in marked], textposition="top center",
        textfont={"color": theme.ink, "size": 12}, showlegend=bool(history.changes),
    )  # fmt: skip


def _moments(shown: Sequence[CaseSeries]) -> list[datetime]:
    """Where the slider stops: the runs, thinned to so many that a page stays small."""
    every = sorted({p.created_at for series in shown for p in series.points})
    if len(every) <= _MAX_FRAMES:
        return every
    chosen = np.linspace(0, len(every) - 1, _MAX_FRAMES).astype(np.int64)
    return [every[i] for i in chosen]


def _span(shown: Sequence[CaseSeries]) -> list[datetime]:
    moments = [p.created_at for series in shown for p in series.points]
    first, last = min(moments), max(moments)
    room = (last - first) / 30 if last > first else None
    room = room or timedelta(hours=1)
    return [first - room, last + room]


def _scale(shown: Sequence[CaseSeries]) -> dict[str, object]:
    values = np.concatenate([series.medians_ns for series in shown]) / 1e6
    low, high = float(values.min() / 1.25), float(values.max() * 1.3)
    return log_ticks(low, high) | {"range": [float(np.log10(low)), float(np.log10(high))]}


def _slider(moments: Sequence[datetime], theme: Theme) -> dict[str, object]:
    steps = [
        {
            "label": moment.strftime("%Y-%m-%d %H:%M"),
            "method": "animate",
            "args": [[moment.isoformat()],
                     {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}],
        }
        for moment in moments
    ]  # fmt: skip
    return {
        "steps": steps, "active": len(steps) - 1, "x": 0.1, "len": 0.9, "pad": {"t": 52},
        "currentvalue": {"prefix": "until ", "font": {"color": theme.ink}},
        "font": {"color": "rgba(0,0,0,0)", "size": 1}, "tickcolor": theme.soft,
        "bgcolor": theme.tint, "bordercolor": theme.soft,
    }  # fmt: skip


def _buttons(theme: Theme) -> dict[str, object]:
    play = {"frame": {"duration": 250, "redraw": True}, "fromcurrent": False}
    return {
        "type": "buttons", "showactive": False, "direction": "left", "x": 0, "y": 0,
        "xanchor": "left", "yanchor": "top", "pad": {"t": 78}, "bgcolor": theme.tint,
        "font": {"color": theme.ink},
        "buttons": [{"label": "play", "method": "animate", "args": [None, play]}],
    }  # fmt: skip


def _read(ledger: Ledger, selection: Selection) -> History:
    from ipfs_accelerate.evidence.regressions import CaseKey, read_history

    if selection.origin is not Origin.MEASURED:
        raise InputError(f"there is no history of {selection.origin.value} results")
    with ledger.snapshot():
        found = [s for s in read_history(ledger, since=selection.since) if _wanted(s, selection)]
        rows = ledger.query(_CHANGES).rows
    if not found:
        raise InputError(
            f"no measured case in {ledger.path.name} matches",
            hint="`accel evidence summary` lists results",
        )
    told = [series for series in found if len(series.points) > 1] or found
    told.sort(key=lambda series: (-len(series.points), series.key))
    changes = [(CaseKey(*map(str, row[:6])), str(row[6]), float(str(row[7]))) for row in rows]
    return History(tuple(told), tuple(changes))


def _wanted(series: CaseSeries, selection: Selection) -> bool:
    key = series.key
    asked = ((selection.model, key.model_name), (selection.target, key.target),
             (selection.test_case, key.test_case))  # fmt: skip
    is_in_run = selection.run_id is None or any(p.run_id == selection.run_id for p in series.points)
    return bool(series.points) and is_in_run and all(a is None or a == b for a, b in asked)


def _find(history: History) -> Finding:
    shown = history.series[:MAX_LINES]
    runs = {p.run_id: None for series in shown for p in series.points}
    keys = {series.key for series in shown}
    changes = [ratio for key, _, ratio in history.changes if key in keys]
    told = "no change is" if not changes else f"{len(changes)} changes are"
    sentence = f"{len(shown)} cases over {len(runs)} runs; "
    sentence += ("1 change is" if len(changes) == 1 else told) + " on record"
    if changes:
        sentence += f", the largest {max(changes, key=lambda r: abs(np.log(r))) - 1:+.1%}"
    return Finding(sentence + ".", tuple(runs))


CHART = Chart("history", "medians over time with a slider", _read, history_figure, _find)
