"""Plotly figures of a profile: a treemap of layers, the roofline, memory over time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.profiling import OpKind
from ipfs_accelerate.hardware import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.bench.profiling import ModelProfile, OpProfile

__all__ = ["THEMES", "memory_figure", "roofline_figure", "treemap_figure"]

_UNATTRIBUTED = "unattributed"
_LEAF = 2


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one background."""

    ink: str
    soft: str
    paper: str
    tint: str
    load: str
    run: str


THEMES = {
    "light": Theme("#1b1f24", "#5b6470", "#ffffff", "#f4f7fa", "#D55E00", "#0072B2"),
    "dark": Theme("#e6edf3", "#9aa6b2", "#14181d", "#1d232a", "#E69F00", "#56B4E9"),
}
# One colour and one marker per group of kinds, told apart with colour-vision deficiencies too.
# Source: Okabe, Ito (2008), Color Universal Design.
_GROUPS: dict[str, tuple[str, str, tuple[OpKind, ...]]] = {
    "matmul": ("#56B4E9", "circle", (OpKind.MATMUL,)),
    "attention": ("#E69F00", "diamond", (OpKind.ATTENTION,)),
    "convolution": ("#F0E442", "square", (OpKind.CONVOLUTION,)),
    "normalization, reduction": (
        "#009E73", "triangle-up", (OpKind.NORMALIZATION, OpKind.REDUCTION),
    ),
    "activation, elementwise": ("#CC79A7", "cross", (OpKind.ACTIVATION, OpKind.ELEMENTWISE)),
    "copy, gather, quantize": (
        "#D55E00", "x", (OpKind.COPY, OpKind.EMBEDDING, OpKind.QUANTIZATION),
    ),
    "other": ("#999999", "star", (OpKind.CONTROL, OpKind.OTHER)),
}  # fmt: skip
_GROUP_OF = {kind: name for name, (_, _, kinds) in _GROUPS.items() for kind in kinds}
_ON_TILES = "#101418"  # dark ink reads on every colour above


def treemap_figure(profile: ModelProfile, *, theme: str = "light") -> go.Figure:
    """Layers within layers, as large as their time; colour is the kind with the most of it."""
    import plotly.graph_objects as go

    colours = THEMES[theme]
    tree = _tree(profile)
    names = list(tree)
    figure = go.Figure(
        go.Treemap(
            ids=names,
            labels=[_label(name) for name in names],
            parents=[_parent(name) for name in names],
            values=[sum(tree[name].values()) / 1e6 for name in names],
            branchvalues="total",
            marker={
                "colors": [
                    _tile_colour(tree[name]) if name.count("/") == _LEAF else colours.tint
                    for name in names
                ],
                "line": {"color": colours.paper, "width": 1.5},
            },
            textfont={
                "color": [_ON_TILES if name.count("/") == _LEAF else colours.ink for name in names],
                "size": 12,
            },
            texttemplate="%{label}<br><b>%{value:.2f} ms</b> · %{percentRoot:.1%}",
            hovertemplate="%{id}<br>%{value:.3f} ms, %{percentRoot:.1%}<extra></extra>",
            pathbar={"visible": False},
            tiling={"pad": 2},
            root={"color": "rgba(0,0,0,0)"},
        )
    )
    _finish(figure, "Time by layer", colours, height=560)
    figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"})
    _legend(figure, {_main_group(t) for name, t in tree.items() if name.count("/") == _LEAF})
    figure.update_xaxes(visible=False)
    return figure.update_yaxes(visible=False)


def roofline_figure(profile: ModelProfile, *, theme: str = "light") -> go.Figure | None:
    """Every operator by its intensity and attained rate; ``None`` without measured peaks.

    Source: Williams, Waterman & Patterson (2009), Roofline, Commun. ACM 52.
    """
    import plotly.graph_objects as go

    placed = [op for op in profile.operators if op.roof and op.work.intensity and op.work.flops]
    if profile.peaks is None or not placed:
        return None
    colours = THEMES[theme]
    figure = go.Figure()
    low = min(op.work.intensity or 1.0 for op in placed) / 2
    high = max(op.work.intensity or 1.0 for op in placed) * 4
    _draw_roofs(figure, profile, (low, high), colours)
    for name, (colour, symbol, _) in _GROUPS.items():
        members = [op for op in placed if _GROUP_OF[op.kind] == name]
        if members:
            figure.add_trace(_points(members, name, (colour, symbol), colours))
    _finish(figure, "Operators under the measured roofline", colours, height=440)
    figure.update_xaxes(title="operations per byte", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title="GFLOP/s", type="log", exponentformat="power", dtick=1)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.26})


def memory_figure(profile: ModelProfile, *, theme: str = "light") -> go.Figure:
    """Resident memory of the process while it loads and while it runs."""
    import plotly.graph_objects as go

    colours = THEMES[theme]
    figure = go.Figure()
    for phase, colour in (("load", colours.load), ("run", colours.run)):
        samples = [s for s in profile.memory if s.phase == phase]
        figure.add_trace(
            go.Scatter(
                x=[s.at_ns / 1e9 for s in samples],
                y=[s.rss_bytes / 2**20 for s in samples],
                mode="lines",
                line={"color": colour, "width": 2, "dash": "solid" if phase == "run" else "dot"},
                name=phase,
                hovertemplate="%{x:.2f} s: %{y:,.0f} MiB<extra>" + phase + "</extra>",
            )
        )
    _finish(figure, "Resident memory while loading and running", colours, height=440)
    figure.update_xaxes(title="seconds since the process began", rangemode="tozero")
    figure.update_yaxes(title="MiB", rangemode="tozero")
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.26})


def _tree(profile: ModelProfile) -> dict[str, dict[str, float]]:
    """Path of a layer → group of kinds → time in ns of all below; the run itself is ``run``."""
    tree: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    parts = [
        (_path(op), _GROUP_OF[op.kind], op.timing.time_ns)
        for op in profile.operators
        if op.timing.time_ns > 0
    ]
    if profile.unattributed.time_ns > 0:
        parts.append(
            (("run", _UNATTRIBUTED, "between operators"), "other", profile.unattributed.time_ns)
        )
    for path, group, time_ns in parts:
        for depth in range(1, len(path) + 1):
            tree["/".join(path[:depth])][group] += time_ns
    return {name: dict(times) for name, times in tree.items()}


def _path(found: OpProfile) -> tuple[str, ...]:
    """The run, the block that the model repeats, and what lies in it with its kind."""
    kind = found.kind.value.replace("/", " or ")
    if found.operator.layer is None:
        return ("run", "no layer told", kind)
    parts = found.operator.layer.split(".")
    numbered = [n for n, part in enumerate(parts) if part.isdigit()]
    cut = numbered[-1] + 1 if numbered else min(2, len(parts))
    inner = ".".join(parts[cut:])
    return ("run", ".".join(parts[:cut]), f"{inner}<br>{kind}" if inner else kind)


def _label(name: str) -> str:
    return name.rpartition("/")[2]


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _main_group(times: Mapping[str, float]) -> str:
    return max(times, key=lambda group: times[group])


def _tile_colour(times: Mapping[str, float]) -> str:
    return _GROUPS[_main_group(times)][0]


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


def _legend(figure: go.Figure, used: set[str]) -> None:
    """A treemap has no legend of its own: empty markers carry it."""
    import plotly.graph_objects as go

    for name, (colour, _, _) in _GROUPS.items():
        if name in used:
            figure.add_trace(
                go.Scatter(
                    x=[None], y=[None], mode="markers", name=name,
                    marker={"color": colour, "size": 12, "symbol": "square"},
                )
            )  # fmt: skip
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.02})


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
    faint = f"{theme.soft}40"
    figure.update_xaxes(automargin=True, zeroline=False, gridcolor=faint)
    figure.update_yaxes(automargin=True, zeroline=False, gridcolor=faint)
