"""What a target costs beside its time: memory, accuracy, energy, and which are on the front."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log10
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.compare import rank
from ipfs_accelerate.bench.intervals import Interval
from ipfs_accelerate.evidence.figures._rows import newest_rows, origin_suffix, short_model
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import (
    faded,
    finish,
    ink_on,
    log_ticks,
    runtime_colour,
    theme_named,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["CHART", "Candidate", "Candidates", "Standing", "pareto_figure", "standings"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target with what it costs; ``None`` is a cost that was not measured.

    Attributes:
        target: Where.
        latency_ms: Median.
        low_ms: Lower end of its interval.
        high_ms: Upper end.
        memory_mib: Peak of its processes.
        error: Cosine distance of the output to the reference.
        energy_j: Per item.
        result_id: The row.
    """

    target: str
    latency_ms: float
    low_ms: float
    high_ms: float
    memory_mib: float | None
    error: float | None
    energy_j: float | None
    result_id: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Targets of one model and case.

    Attributes:
        text: The model and the case.
        origin: Of all values.
        members: Fastest first.
    """

    text: str
    origin: Origin
    members: tuple[Candidate, ...]


#: Title of an axis → cost; the smaller the better.
_COSTS: dict[str, Callable[[Candidate], float | None]] = {
    "peak memory in MiB": lambda c: c.memory_mib,
    "cosine distance to the reference": lambda c: c.error,
    "energy in J per item": lambda c: c.energy_j,
}
_WHY = {
    "peak memory in MiB": "no result has a measured peak",
    "cosine distance to the reference": "no result was compared<br>with a reference",
    "energy in J per item": "no measured energy<br>in these results",
}


class Standing(StrEnum):
    """Where a target stands with respect to latency and one cost."""

    FRONT = "on the front"
    TIED = "tied"
    BEATEN = "beaten"


def standings(
    members: Sequence[Candidate], cost: Callable[[Candidate], float | None]
) -> dict[str, Standing]:
    """Target → where it stands; targets without this cost are left out.

    A target is on the front when no other has both a lower (or equal) median and a lower (or equal)
    cost. One that has such a rival is beaten only where the comparison of intervals that ranks
    results shows the rival to be faster; else the two are tied, however much less the rival costs.
    """
    known = [(member, value) for member in members if (value := cost(member)) is not None]
    found: dict[str, Standing] = {}
    for member, value in known:
        rivals = [
            other
            for other, least in known
            if least <= value
            and other.latency_ms <= member.latency_ms
            and (least < value or other.latency_ms < member.latency_ms)
        ]
        is_beaten = any(_is_shown_faster(other, member) for other in rivals)
        tied = Standing.TIED if rivals else Standing.FRONT
        found[member.target] = Standing.BEATEN if is_beaten else tied
    return found


def _is_shown_faster(fast: Candidate, slow: Candidate) -> bool:
    """As `bench.compare.rank` has it, which also ranks `accel evidence summary`."""
    return len(rank({"fast": _interval(fast), "slow": _interval(slow)})) > 1


def _interval(member: Candidate) -> Interval:
    return Interval(
        member.low_ms, member.latency_ms, member.high_ms, confidence=0.95, n=0, effective_n=0
    )


def pareto_figure(candidates: Candidates, *, theme: str = "light") -> go.Figure:
    """A panel a cost; numbers stand for targets, which the legend names."""
    from plotly.subplots import make_subplots

    look, members = theme_named(theme), candidates.members
    figure = make_subplots(rows=1, cols=3, horizontal_spacing=0.09)
    title = f"Latency against what else it costs, {candidates.text}"
    rows_below = (len(members) + 2) // 3
    finish(figure, title + origin_suffix(candidates.origin), look, height=440 + 24 * rows_below)
    for column, (name, cost) in enumerate(_COSTS.items(), start=1):
        _panel(figure, candidates, (column, name, cost), look)
    figure.add_traces([_key(candidates, n, look) for n in range(1, len(members) + 1)])
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=10,
        showarrow=False, align="left",
        text="lower left is better · filled, on the line: no other has less of both · pale: one"
        " has,<br>but is not shown to be faster (a tie) · hollow: beaten · bars: 95 % intervals",
        font={"size": 11, "color": look.soft},
    )  # fmt: skip
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0, "entrywidth": 0.32,
                "entrywidthmode": "fraction"},
        margin={"t": 100, "b": 96 + 24 * rows_below, "l": 10},
    )  # fmt: skip


def _panel(
    figure: go.Figure,
    candidates: Candidates,
    panel: tuple[int, str, Callable[[Candidate], float | None]],
    theme: Theme,
) -> None:
    import plotly.graph_objects as go

    column, name, cost = panel
    stands = standings(candidates.members, cost)
    if not stands:
        _no_data(figure, column, name, theme)
        return
    best = [c for c in candidates.members if stands.get(c.target) is Standing.FRONT]
    figure.add_trace(
        go.Scatter(
            x=[c.latency_ms for c in best], y=[cost(c) for c in best], mode="lines",
            line={"color": theme.soft, "width": 1.5, "dash": "dot"}, showlegend=False,
            hoverinfo="skip",
        ),
        row=1, col=column,
    )  # fmt: skip
    for number, member in enumerate(candidates.members, start=1):
        trace = _point(candidates, (number, cost(member), stands.get(member.target)), theme)
        figure.add_trace(trace, row=1, col=column)
    low = min(member.low_ms for member in candidates.members) / 1.25
    high = max(member.high_ms for member in candidates.members) * 1.25
    figure.update_xaxes(
        log_ticks(low, high), title="ms per call (log)", range=[log10(low), log10(high)],
        row=1, col=column,
    )  # fmt: skip
    top = max(cost(member) or 0.0 for member in candidates.members) or 1.0
    figure.update_yaxes(
        title={"text": name, "standoff": 6}, range=[-0.06 * top, 1.1 * top],
        exponentformat="power", row=1, col=column,
    )  # fmt: skip


def _key(candidates: Candidates, number: int, theme: Theme) -> go.Scatter:
    """What a number stands for, whatever its standing in any panel."""
    import plotly.graph_objects as go

    target = candidates.members[number - 1].target
    return go.Scatter(
        x=[None], y=[None], mode="markers", name=f"{number}  {target}", legendgroup=target,
        marker={"color": runtime_colour(target, theme), "size": 12, "symbol": _symbol(candidates)},
    )  # fmt: skip


def _symbol(candidates: Candidates) -> str:
    return "circle" if candidates.origin is Origin.MEASURED else "square"


def _point(
    candidates: Candidates, place: tuple[int, float | None, Standing | None], theme: Theme
) -> go.Scatter:
    """A numbered point: full, pale or hollow; a square where it was not measured."""
    import plotly.graph_objects as go

    number, value, stands = place
    member = candidates.members[number - 1]
    colour = runtime_colour(member.target, theme)
    fills = {Standing.FRONT: colour, Standing.TIED: faded(colour, 0.3)}
    return go.Scatter(
        x=[member.latency_ms],
        y=[value],
        mode="markers+text",
        name=member.target,
        legendgroup=member.target,
        showlegend=False,
        marker={"symbol": _symbol(candidates), "size": 17, "opacity": 1,
                "color": fills.get(stands, theme.paper) if stands else theme.paper,
                "line": {"width": 2, "color": colour}},
        text=[str(number)],
        textfont={"size": 11, "color": ink_on(colour) if stands is Standing.FRONT else theme.ink},
        error_x={"type": "data", "symmetric": False, "thickness": 1.6, "width": 4, "color": colour,
                 "array": [member.high_ms - member.latency_ms],
                 "arrayminus": [member.latency_ms - member.low_ms]},
        hovertemplate=f"{member.target}: %{{x:.3f}} ms, %{{y:.4g}}, {stands}<extra></extra>",
    )  # fmt: skip


def _no_data(figure: go.Figure, column: int, name: str, theme: Theme) -> None:
    import plotly.graph_objects as go

    figure.add_trace(go.Scatter(x=[None], y=[None], showlegend=False), row=1, col=column)
    figure.add_annotation(
        text=f"{name}:<br>no data, {_WHY[name]}", x=0.5, y=0.5, xref="x domain", yref="y domain",
        showarrow=False, font={"size": 12, "color": theme.soft}, row=1, col=column,
    )  # fmt: skip
    hidden = {"visible": False, "range": [0, 1]}
    figure.update_xaxes(hidden, row=1, col=column).update_yaxes(hidden, row=1, col=column)


def _read(ledger: Ledger, selection: Selection) -> Candidates:
    rows = newest_rows(ledger, selection)
    groups: dict[tuple[str, str], list[MeasurementRecord]] = {}
    for row in rows:
        groups.setdefault((row.model.model_name, row.test_case), []).append(row)
    (model, case), members = max(groups.items(), key=lambda item: len(item[1]))
    found = [_candidate(row) for row in members if row.latency_p50_ns]
    found.sort(key=lambda member: member.latency_ms)
    return Candidates(f"{short_model(model)} · {case}", selection.origin, tuple(found))


def _candidate(row: MeasurementRecord) -> Candidate:
    median = row.latency_p50_ns or 0
    cosine = (row.parity or {}).get("cosine")
    items = (row.iterations or len(row.samples_ns)) * row.batch_size
    has_energy = row.energy_j is not None and items > 0
    return Candidate(
        target=row.target,
        latency_ms=median / 1e6,
        low_ms=(row.latency_low_ns or median) / 1e6,
        high_ms=(row.latency_high_ns or median) / 1e6,
        memory_mib=row.peak_memory_bytes / 2**20 if row.peak_memory_bytes else None,
        error=max(0.0, 1 - cosine) if isinstance(cosine, int | float) else None,
        energy_j=row.energy_j / items if has_energy and row.energy_j is not None else None,
        result_id=row.result_id,
    )


def _find(candidates: Candidates) -> Finding:
    parts = []
    for name, cost in _COSTS.items():
        stands = standings(candidates.members, cost)
        told = ", ".join(t for t, standing in stands.items() if standing is Standing.FRONT)
        tied = ", ".join(t for t, standing in stands.items() if standing is Standing.TIED)
        told += f" (tied: {tied})" if tied else ""
        parts.append(f"{name}: {told}" if stands else f"{name}: no data")
    sentence = f"{candidates.text}, on the front of latency and " + "; ".join(parts) + "."
    if candidates.origin is not Origin.MEASURED:
        sentence += f" All values are {candidates.origin.value}."
    return Finding(sentence, tuple(member.result_id for member in candidates.members))


CHART = Chart(
    "pareto", "fronts of latency with memory, accuracy, energy", _read, pareto_figure, _find
)
