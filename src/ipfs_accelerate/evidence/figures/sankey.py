"""Where the time of a run goes: from the run through the layers to the kinds of operators."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._operators import GROUP_OF, GROUPS, block_of
from ipfs_accelerate.evidence.figures._profile import find_slowest, read_profile
from ipfs_accelerate.evidence.figures._rows import origin_suffix
from ipfs_accelerate.evidence.figures.chart import Chart
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures._profile import StoredProfile
    from ipfs_accelerate.evidence.figures.theme import Theme

__all__ = ["CHART", "sankey_figure"]

#: Layers with nodes of their own; the others are one.
MAX_LAYERS = 14
_LEAST_SHARE = 0.02
_BETWEEN = "between operators"


def sankey_figure(profile: StoredProfile, *, theme: str = "light") -> go.Figure:
    """Widths are milliseconds; the ledger has no energy of single operators to draw instead."""
    import plotly.graph_objects as go

    look, flows = theme_named(theme), _flows(profile)
    layers = _totals(flows, 0)
    kinds = _totals(flows, 1)
    names = ["run", *layers, *kinds]
    at = {name: number for number, name in enumerate(names)}
    links = [("run", layer, time_ns, "other") for layer, time_ns in layers.items()]
    links += [(layer, kind, time_ns, kind) for (layer, kind), time_ns in flows.items()]
    links = [link for link in links if link[0] != link[1]]
    whole = profile.whole_ns or 1.0
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            valueformat=".3f",
            valuesuffix=" ms",
            node={
                "label": [_label(n, {"run": whole} | layers | kinds, whole) for n in names],
                "color": [_colour(name, look) for name in names],
                "pad": 14,
                "thickness": 14,
                "line": {"width": 0},
            },
            link={
                "source": [at[a] for a, _, _, _ in links],
                "target": [at[b] for _, b, _, _ in links],
                "value": [time_ns / 1e6 for _, _, time_ns, _ in links],
                "color": [_faded(_colour(kind, look)) for _, _, _, kind in links],
            },
            textfont={"color": look.ink, "size": 12, "shadow": "none"},
        )
    )
    title = f"Where the time goes, {profile.text}{origin_suffix(profile.origin)}"
    return finish(figure, title, look, height=max(420, 160 + 30 * max(len(layers), len(kinds))))


def _flows(profile: StoredProfile) -> dict[tuple[str, str], float]:
    """(layer, group of kinds) → ns; many small layers are one, so that names do not overlap."""
    layers: dict[str, float] = defaultdict(float)
    for op in profile.operators:
        layers[block_of(op.layer)] += op.time_ns
    large = [name for name, time_ns in layers.items() if time_ns >= _LEAST_SHARE * profile.whole_ns]
    kept = sorted(large, key=lambda name: -layers[name])[:MAX_LAYERS]
    rest = f"{len(layers) - len(kept)} smaller layers"
    flows: dict[tuple[str, str], float] = defaultdict(float)
    for op in profile.operators:
        layer = block_of(op.layer)
        flows[layer if layer in kept else rest, GROUP_OF[op.kind]] += op.time_ns
    if profile.unattributed_ns > 0:
        flows[_BETWEEN, _BETWEEN] = profile.unattributed_ns
    return {pair: time_ns for pair, time_ns in flows.items() if time_ns > 0}


def _totals(flows: dict[tuple[str, str], float], side: int) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for pair, time_ns in flows.items():
        totals[pair[side]] += time_ns
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _label(name: str, times: dict[str, float], whole: float) -> str:
    share = f"{times[name] / whole:.0%}"
    return f"{name}  {times[name] / 1e6:.3g} ms" if name == "run" else f"{name}  {share}"


def _colour(name: str, theme: Theme) -> str:
    return GROUPS[name][0] if name in GROUPS and name != "other" else theme.grey


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.45)"


CHART = Chart(
    "sankey", "where the time of a profiled run goes", read_profile, sankey_figure, find_slowest
)
