"""What a target costs beside its time: memory, accuracy, energy, and which are on the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures._rows import newest_rows, origin_suffix, short_model
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, runtime_colour, theme_named
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["CHART", "Candidate", "Candidates", "front", "pareto_figure"]


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


def front(
    members: Sequence[Candidate], cost: Callable[[Candidate], float | None]
) -> list[Candidate]:
    """Those that no other is shown to beat, by latency.

    One beats another when it costs no more and its interval of latency lies wholly below, or when
    it costs less and its median is no higher. Rows that cannot be told apart do not beat each other
    by their medians alone.
    """
    known = [(member, value) for member in members if (value := cost(member)) is not None]

    def is_beaten(member: Candidate, value: float) -> bool:
        return any(
            (other_value <= value and other.high_ms < member.low_ms)
            or (other_value < value and other.latency_ms <= member.latency_ms)
            for other, other_value in known
        )

    found = [member for member, value in known if not is_beaten(member, value)]
    return sorted(found, key=lambda member: member.latency_ms)


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
    figure.add_annotation(
        x=0, y=1.09, xref="paper", yref="paper", xanchor="left", showarrow=False,
        text="lower left is better; the line joins targets that none is shown to beat;"
        " bars: 95 % intervals", font={"size": 12, "color": look.soft},
    )  # fmt: skip
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "entrywidth": 0.32,
                "entrywidthmode": "fraction"},
        margin={"t": 86, "b": 96 + 24 * rows_below, "l": 10},
    )  # fmt: skip


def _panel(
    figure: go.Figure,
    candidates: Candidates,
    panel: tuple[int, str, Callable[[Candidate], float | None]],
    theme: Theme,
) -> None:
    import plotly.graph_objects as go

    column, name, cost = panel
    best = front(candidates.members, cost)
    figure.add_trace(
        go.Scatter(
            x=[c.latency_ms for c in best], y=[cost(c) for c in best], mode="lines",
            line={"color": theme.soft, "width": 1.5, "dash": "dot"}, showlegend=False,
            hoverinfo="skip",
        ),
        row=1, col=column,
    )  # fmt: skip
    for number, member in enumerate(candidates.members, start=1):
        trace = _point(candidates, (number, cost(member), member in best), theme)
        trace.showlegend = column == 1
        figure.add_trace(trace, row=1, col=column)
    is_known = any(cost(member) is not None for member in candidates.members)
    right = max((member.high_ms for member in candidates.members), default=1.0)
    figure.update_xaxes(title="ms per call", range=[0, 1.1 * right], row=1, col=column)
    figure.update_yaxes(title={"text": name, "standoff": 6}, row=1, col=column)
    if is_known:
        costs = [cost(member) or 0.0 for member in candidates.members]
        top = max(costs) or 1.0
        figure.update_yaxes(
            range=[-0.06 * top, 1.1 * top], exponentformat="power", row=1, col=column
        )
    else:
        _no_data(figure, column, name, theme)


def _point(
    candidates: Candidates, place: tuple[int, float | None, bool], theme: Theme
) -> go.Scatter:
    """A numbered point; open where it is beaten or was not measured here."""
    import plotly.graph_objects as go

    number, value, is_best = place
    member = candidates.members[number - 1]
    colour = runtime_colour(member.target, theme)
    is_measured = candidates.origin is Origin.MEASURED
    symbol = "circle" if is_measured else "square"
    return go.Scatter(
        x=[member.latency_ms],
        y=[value],
        mode="markers+text",
        name=f"{number}  {member.target}",
        legendgroup=member.target,
        marker={"symbol": symbol, "size": 19, "opacity": 1,
                "color": colour if is_best and is_measured else theme.paper,
                "line": {"width": 2, "color": colour}},
        text=[str(number)],
        textfont={"size": 11, "color": theme.paper if is_best and is_measured else theme.ink},
        error_x={"type": "data", "symmetric": False, "thickness": 1.6, "width": 4, "color": colour,
                 "array": [member.high_ms - member.latency_ms],
                 "arrayminus": [member.latency_ms - member.low_ms]},
        hovertemplate=f"{member.target}: %{{x:.3f}} ms, %{{y:.4g}}<extra></extra>",
    )  # fmt: skip


def _no_data(figure: go.Figure, column: int, name: str, theme: Theme) -> None:
    figure.add_annotation(
        text=f"no data:<br>{_WHY[name]}", x=0.5, y=0.5, xref="x domain", yref="y domain",
        showarrow=False, font={"size": 13, "color": theme.soft}, row=1, col=column,
    )  # fmt: skip
    figure.update_yaxes(showticklabels=False, range=[0, 1], row=1, col=column)
    figure.update_xaxes(showticklabels=False, range=[0, 1], row=1, col=column)


def _read(ledger: Ledger, selection: Selection) -> Candidates:
    rows = newest_rows(ledger, selection, with_samples=False)
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
        best = front(candidates.members, cost)
        told = ", ".join(member.target for member in best)
        parts.append(f"{name}: {told}" if best else f"{name}: no data")
    sentence = f"{candidates.text}, not shown to be beaten by latency and " + "; ".join(parts) + "."
    if candidates.origin is not Origin.MEASURED:
        sentence += f" All values are {candidates.origin.value}."
    return Finding(sentence, tuple(member.result_id for member in candidates.members))


CHART = Chart(
    "pareto", "fronts of latency with memory, accuracy, energy", _read, pareto_figure, _find
)
