"""Plotly figures of a run, built once and rendered everywhere from the same JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow

__all__ = ["RUNTIME_COLOURS", "latency_figure", "memory_figure", "sample_figure", "startup_figure"]

# Okabe and Ito's palette, readable with colour-vision deficiencies; one colour per runtime.
# Source: Okabe, Ito (2008), Color Universal Design.
RUNTIME_COLOURS = {
    "onnxruntime": "#0072B2",
    "openvino": "#009E73",
    "torch": "#D55E00",
    "litert": "#CC79A7",
    "browser": "#E69F00",
}
_OTHER = "#7F7F7F"


def latency_figure(group: CaseGroup) -> go.Figure:
    """Median latency of each target with its confidence interval, fastest on top."""
    import plotly.graph_objects as go

    rows = group.rows
    labels = [_label(r) for r in rows]
    medians = [_ms(r.record.latency_p50_ns) for r in rows]
    lows = [_ms(_first(r.record.latency_low_ns, r.record.latency_p50_ns)) for r in rows]
    highs = [_ms(_first(r.record.latency_high_ns, r.record.latency_p50_ns)) for r in rows]
    bars = go.Bar(
        y=labels,
        x=medians,
        orientation="h",
        marker={"color": [_colour(r) for r in rows]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - median for high, median in zip(highs, medians, strict=True)],
            "arrayminus": [median - low for low, median in zip(lows, medians, strict=True)],
            "color": "#444",
            "thickness": 1.2,
        },
        hovertemplate="%{y}: %{x:.3f} ms<extra></extra>",
    )
    texts = go.Scatter(
        y=labels,
        x=highs,
        mode="text",
        text=["  " + _bar_text(r) for r in rows],
        textposition="middle right",
        hoverinfo="skip",
    )
    figure = go.Figure([bars, texts])
    figure.update_layout(showlegend=False)
    figure = _finish(figure, f"Median latency, {group.test_case}", "ms per call", rows=len(rows))
    return figure.update_xaxes(range=[0, max(highs, default=1.0) * 1.45])


def sample_figure(group: CaseGroup) -> go.Figure:
    """Every raw sample as a box with its points: spread, modes and outliers are visible."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for row in group.rows:
        figure.add_trace(
            go.Box(
                x=[_ms(v) for v in row.record.samples_ns],
                name=_label(row),
                marker={"color": _colour(row), "size": 3, "opacity": 0.5},
                boxpoints="all",
                jitter=0.6,
                pointpos=0,
                line={"width": 1},
                showlegend=False,
            )
        )
    title = f"Raw samples, {group.test_case} (logarithmic)"
    _finish(figure, title, "ms per call", rows=len(group.rows))
    figure.update_xaxes(type="log", dtick="D2")
    return figure


def memory_figure(group: CaseGroup) -> go.Figure:
    """Peak resident memory of each case's process tree."""
    import plotly.graph_objects as go

    rows = [r for r in group.rows if r.record.peak_memory_bytes is not None]
    figure = go.Figure(
        go.Bar(
            y=[_label(r) for r in rows],
            x=[(r.record.peak_memory_bytes or 0) / 2**20 for r in rows],
            orientation="h",
            marker={"color": [_colour(r) for r in rows]},
            texttemplate="%{x:,.0f} MiB",
            hovertemplate="%{y}: %{x:,.0f} MiB<extra></extra>",
        )
    )
    return _finish(figure, f"Peak memory, {group.test_case}", "MiB", rows=len(rows))


def startup_figure(group: CaseGroup) -> go.Figure:
    """What the first answer costs: loading, then the first inference."""
    import plotly.graph_objects as go

    labels = [_label(r) for r in group.rows]
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
                ("load", "#56B4E9", [r.record.load_ns for r in group.rows]),
                ("first inference", "#E69F00", [r.record.first_inference_ns for r in group.rows]),
            )
        ]
    )
    figure.update_layout(barmode="stack", legend={"orientation": "h", "y": 1.08, "x": 0.6})
    return _finish(figure, f"Start-up, {group.test_case}", "seconds", rows=len(labels))


def _finish(figure: go.Figure, title: str, unit: str, *, rows: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        template="plotly_white",
        height=110 + 34 * max(rows, 2),
        margin={"l": 10, "r": 20, "t": 50, "b": 45},
        font={"family": "system-ui, sans-serif", "size": 12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title=unit, rangemode="tozero")
    return figure


def _first(value_ns: int | None, otherwise_ns: int | None) -> int | None:
    return otherwise_ns if value_ns is None else value_ns


def _ms(value_ns: int | None) -> float:
    return float("nan") if value_ns is None else value_ns / 1e6


def _label(row: RankedRow) -> str:
    return row.record.target


def _bar_text(row: RankedRow) -> str:
    text = f"{_ms(row.record.latency_p50_ns):.2f} ms"
    if row.speedup is not None and row.speedup.verdict != "baseline":
        text += f" · {row.speedup.ratio:.2f}×"
    return text if row.is_eligible else text + " · not eligible"


def _colour(row: RankedRow) -> str:
    return RUNTIME_COLOURS.get(row.record.target.partition("/")[0], _OTHER)


def to_json(figure: go.Figure) -> dict[str, Any]:
    """The figure as the JSON every renderer takes."""
    import json

    parsed: dict[str, Any] = json.loads(str(figure.to_json()))
    return parsed
