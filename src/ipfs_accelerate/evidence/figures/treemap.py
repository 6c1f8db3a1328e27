"""Layers as large as their time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._operators import GROUP_OF, GROUPS
from ipfs_accelerate.evidence.figures._profile import find_slowest, read_profile
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures._profile import StoredOperator, StoredProfile

__all__ = ["CHART", "treemap_figure"]

_UNATTRIBUTED = "unattributed"
_LEAF = 2
_ON_TILES = "#101418"  # dark ink reads on every colour of the groups


def treemap_figure(profile: StoredProfile, *, theme: str = "light") -> go.Figure:
    """Layers within layers, as large as their time; colour is the kind with the most of it."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
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
    title = f"Time by layer, {profile.text}{origin_suffix(profile.origin)}"
    finish(figure, title, colours, height=560)
    figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"})
    _legend(figure, {_main_group(t) for name, t in tree.items() if name.count("/") == _LEAF})
    figure.update_xaxes(visible=False)
    return figure.update_yaxes(visible=False)


def _tree(profile: StoredProfile) -> dict[str, dict[str, float]]:
    """Path of a layer → group of kinds → time in ns of all below; the run itself is ``run``."""
    tree: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    parts = [
        (_path(op), GROUP_OF[op.kind], op.time_ns) for op in profile.operators if op.time_ns > 0
    ]
    if profile.unattributed_ns > 0:
        parts.append(
            (("run", _UNATTRIBUTED, "between operators"), "other", profile.unattributed_ns)
        )
    for path, group, time_ns in parts:
        for depth in range(1, len(path) + 1):
            tree["/".join(path[:depth])][group] += time_ns
    return {name: dict(times) for name, times in tree.items()}


def _path(found: StoredOperator) -> tuple[str, ...]:
    """The run, the block that the model repeats, and what lies in it with its kind."""
    kind = found.kind.value.replace("/", " or ")
    if found.layer is None:
        return ("run", "no layer told", kind)
    parts = found.layer.split(".")
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
    return GROUPS[_main_group(times)][0]


def _legend(figure: go.Figure, used: set[str]) -> None:
    """A treemap has no legend of its own: empty markers carry it."""
    import plotly.graph_objects as go

    for name, (colour, _, _) in GROUPS.items():
        if name in used:
            figure.add_trace(
                go.Scatter(
                    x=[None], y=[None], mode="markers", name=name,
                    marker={"color": colour, "size": 12, "symbol": "square"},
                )
            )  # fmt: skip
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.02})


CHART = Chart(
    "treemap", "layers as large as their time", read_profile, treemap_figure, find_slowest
)
