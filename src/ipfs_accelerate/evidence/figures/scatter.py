"""Results as points in space: which targets behave alike in everything that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError, UnavailableError, UnknownNameError
from ipfs_accelerate.evidence.figures._pca import principal_components
from ipfs_accelerate.evidence.figures._rows import newest_rows, origin_suffix, short_model
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, runtime_colour, theme_named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger, MeasurementRecord
    from ipfs_accelerate.telemetry import Origin

__all__ = ["CHART", "PROJECTIONS", "Cloud", "project", "scatter_figure"]

PROJECTIONS = ("pca", "umap")
_FEWEST = 5
_SYMBOLS = ("circle", "square", "diamond", "cross", "circle-open", "square-open", "diamond-open")


def _width(row: MeasurementRecord) -> float | None:
    """Of the interval, relative to the median."""
    low, high, median = row.latency_low_ns, row.latency_high_ns, row.latency_p50_ns
    if low is None or high is None or not median or high <= low:
        return None
    return (high - low) / median


#: Measure → its value on a logarithmic scale, as ratios are what differs between targets.
_MEASURES: dict[str, Callable[[MeasurementRecord], float | None]] = {
    "latency": lambda r: r.latency_p50_ns,
    "first call": lambda r: r.first_inference_ns,
    "load": lambda r: r.load_ns,
    "memory": lambda r: r.peak_memory_bytes,
    "CPU time": lambda r: r.cpu_time_ns / r.iterations if r.cpu_time_ns and r.iterations else None,
    "interval width": _width,
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """Projected results.

    Attributes:
        rows: What the points are.
        positions: Rows by 3.
        axes: Titles of the axes, with what each explains.
        measures: What went in.
        left_out: Results without all of these measures.
        origin: Of all rows.
    """

    rows: tuple[MeasurementRecord, ...]
    positions: NDArray[np.float64]
    axes: tuple[str, str, str]
    measures: tuple[str, ...]
    left_out: int
    origin: Origin


def project(rows: Sequence[MeasurementRecord], projection: str = "pca") -> Cloud:
    """Place results by the logarithms of their measures.

    A measure that fewer than half of the results have is not used; a result that misses one of the
    others is left out and counted.

    Raises:
        InputError: Too few results have enough measures.
        UnavailableError: ``umap`` without the package umap-learn.
        UnknownNameError: There is no such projection.
    """
    if projection not in PROJECTIONS:
        raise UnknownNameError(projection, PROJECTIONS)
    table = {name: [measure(row) for row in rows] for name, measure in _MEASURES.items()}
    used = [n for n, column in table.items() if 2 * sum(map(bool, column)) > len(rows)]
    whole = [i for i in range(len(rows)) if all(table[name][i] for name in used)]
    if len(whole) < _FEWEST or len(used) < 3:
        raise InputError(
            f"{len(whole)} results share {len(used)} measures",
            hint=f"{_FEWEST} results with three measures are the fewest that fill a space",
        )
    values = np.log([[float(table[name][i] or 1) for name in used] for i in whole])
    positions, axes = _pca(values, used) if projection == "pca" else _umap(values)
    kept = tuple(rows[i] for i in whole)
    return Cloud(kept, positions, axes, tuple(used), len(rows) - len(kept), kept[0].origin)


def scatter_figure(cloud: Cloud, *, theme: str = "light") -> go.Figure:
    """A point a result: colour is the runtime, shape the precision."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    figure = go.Figure()
    looks = sorted({_look(row) for row in cloud.rows})
    precisions = sorted({precision for _, precision in looks})
    for runtime, precision in looks:
        members = [i for i, row in enumerate(cloud.rows) if _look(row) == (runtime, precision)]
        spots = cloud.positions[members]
        symbol = _SYMBOLS[precisions.index(precision) % len(_SYMBOLS)]
        figure.add_trace(
            go.Scatter3d(
                x=spots[:, 0], y=spots[:, 1], z=spots[:, 2], mode="markers",
                name=f"{runtime} {precision}",
                marker={"color": runtime_colour(runtime, look), "size": 6, "symbol": symbol,
                        "line": {"color": look.ink, "width": 1}},
                text=[_text(cloud.rows[i]) for i in members],
                hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
    title = f"{len(cloud.rows)} results by {', '.join(cloud.measures)}"
    finish(figure, title + origin_suffix(cloud.origin), look, height=600)
    axes = zip(("xaxis", "yaxis", "zaxis"), cloud.axes, strict=True)
    camera = {"eye": {"x": 1.7, "y": 1.65, "z": 0.7}, "center": {"z": -0.14}}
    return figure.update_layout(
        scene={name: _axis(text, look) for name, text in axes}
        | {"camera": camera, "aspectmode": "cube"},
        legend={"x": 0.0, "y": 0.98, "bgcolor": look.paper},
        showlegend=True,
    )


def _pca(
    values: NDArray[np.float64], used: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[str, str, str]]:
    found = principal_components(values, 3)
    titles = []
    for number, (share, loading) in enumerate(zip(found.explained, found.loadings, strict=True), 1):
        most = sorted(range(len(used)), key=lambda i: -abs(loading[i]))[:2]
        parts = " ".join(f"{'+' if loading[i] > 0 else '−'}{used[i]}" for i in most)
        titles.append(f"PC{number} {share:.0%}: {parts}")
    return found.scores, (titles[0], titles[1], titles[2])


def _umap(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, str, str]]:
    if find_spec("umap") is None:
        raise UnavailableError(
            "the projection umap needs the package umap-learn, which is not installed",
            hint="pip install umap-learn, or take --projection pca",
        )
    unit = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    near = min(15, len(values) - 1)
    found = (
        import_module("umap")
        .UMAP(n_components=3, n_neighbors=near, random_state=0)
        .fit_transform(unit)
    )
    return np.asarray(found, dtype=np.float64), ("UMAP 1", "UMAP 2", "UMAP 3")


def _axis(text: str, theme: Theme) -> dict[str, object]:
    return {
        "title": {"text": text, "font": {"size": 12}},
        "backgroundcolor": theme.tint,
        "gridcolor": theme.faint,
        "zerolinecolor": theme.faint,
        "showbackground": True,
        "color": theme.ink,
        "tickfont": {"size": 10, "color": theme.soft},
    }


def _look(row: MeasurementRecord) -> tuple[str, str]:
    return row.target.partition("/")[0], row.executed_precision or row.precision


def _text(row: MeasurementRecord) -> str:
    return f"{short_model(row.model.model_name)}<br>{row.target} · {row.test_case}"


def _read(ledger: Ledger, selection: Selection) -> Cloud:
    rows = newest_rows(ledger, selection)
    return project(rows, selection.projection)


def _find(cloud: Cloud) -> Finding:
    sentence = f"{len(cloud.rows)} results in the space of {', '.join(cloud.measures)}"
    sentence += f"; axes: {'; '.join(cloud.axes)}."
    if cloud.left_out:
        sentence += f" {cloud.left_out} results miss a measure and are left out."
    return Finding(sentence, tuple(row.result_id for row in cloud.rows))


CHART = Chart("scatter", "results in three dimensions (PCA, UMAP)", _read, scatter_figure, _find)
