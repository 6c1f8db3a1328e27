"""What of models by targets is measured, what no longer counts, and what is missing."""

from __future__ import annotations

from collections import Counter
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures._heatmap import draw_missing
from ipfs_accelerate.evidence.figures._rows import short_model
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, ink_on, theme_named
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.coverage import Cell, CoverageGrid
    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger

__all__ = ["CHART", "coverage_figure"]

#: Rows and columns of a readable figure; the title counts the rest.
MAX_ROWS, MAX_COLUMNS = 40, 30
#: State → mark on its cells, told apart without colour.
_MARKS = {"fresh": "●", "untrusted": "?", "stale": "↻", "failed": "✕", "missing": "+",
          "unavailable": "–"}  # fmt: skip
_HATCHED = ("unavailable",)
_WRAP = 80


def coverage_figure(cells: Sequence[Cell], *, theme: str = "light") -> go.Figure:
    """States of all cells by workload and target: colour and mark, with the reasons on hover."""
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.coverage import coverage_grid

    look, grid = theme_named(theme), coverage_grid(cells)
    colours, order = _colours(look), list(_MARKS)
    states = [row[:MAX_COLUMNS] for row in grid.states[:MAX_ROWS]]
    edges = [edge / len(order) for n in range(len(order)) for edge in (n, n + 1)]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if s is None else order.index(s) for s in row] for row in states],
            zmin=-0.5, zmax=len(order) - 0.5, xgap=2, ygap=2, showscale=False, hoverongaps=False,
            colorscale=[(edge, colours[order[n // 2]]) for n, edge in enumerate(edges)],
            customdata=_hover(cells, grid), hovertemplate="%{customdata}<extra></extra>",
        )
    )  # fmt: skip
    for state in order:
        places = [(i, j) for i, row in enumerate(states) for j, s in enumerate(row) if s == state]
        if places:
            figure.add_traces(_marks(state, places, colours[state], look))
    hatched = [(i, j) for i, row in enumerate(states) for j, s in enumerate(row) if s in _HATCHED]
    draw_missing(figure, dict.fromkeys(hatched, ""), look)
    return _finish(figure, grid, look)


def _colours(theme: Theme) -> dict[str, str]:
    return {
        "fresh": theme.green, "untrusted": theme.yellow, "stale": theme.sky,
        "failed": theme.vermillion, "missing": theme.tint, "unavailable": theme.tint,
    }  # fmt: skip


def _marks(
    state: str, places: Sequence[tuple[int, int]], colour: str, theme: Theme
) -> list[go.Scatter]:
    """The mark of a state on its cells, and its line in the legend."""
    import plotly.graph_objects as go

    on_cells = go.Scatter(
        x=[j for _, j in places], y=[i for i, _ in places], mode="text",
        text=[_MARKS[state]] * len(places), textfont={"color": ink_on(colour), "size": 14},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    in_legend = go.Scatter(
        x=[None], y=[None], mode="markers", name=f"{_MARKS[state]} {state} ({len(places)})",
        marker={"color": colour, "size": 13, "symbol": "square",
                "line": {"color": theme.soft, "width": 1}},
    )  # fmt: skip
    return [on_cells, in_legend]


def _hover(cells: Sequence[Cell], grid: CoverageGrid) -> list[list[str]]:
    found = {(c.wanted.workload, c.wanted.case.target): c for c in cells}

    def text(row: tuple[str, str], target: str) -> str:
        cell = found.get((row, target))
        if cell is None:
            return ""
        reasons = "; ".join(cell.verdict.reasons)
        lines = [f"{short_model(row[0])} · {row[1]}", f"{target}: {cell.state.value}"]
        return "<br>".join(escape(line) for line in (*lines, *wrap(reasons, _WRAP)))

    return [[text(row, t) for t in grid.columns[:MAX_COLUMNS]] for row in grid.rows[:MAX_ROWS]]


def _finish(figure: go.Figure, grid: CoverageGrid, theme: Theme) -> go.Figure:
    rows = [f"{short_model(model)} · {case}  " for model, case in grid.rows[:MAX_ROWS]]
    columns = grid.columns[:MAX_COLUMNS]
    title = "What is measured on this machine"
    if left_out := len(grid.rows) - len(rows):
        title += f" · {left_out} further rows left out"
    if left_out := len(grid.columns) - len(columns):
        title += f" · {left_out} further targets left out"
    finish(figure, title, theme, height=290 + 30 * max(3, len(rows)))
    figure.update_xaxes(
        tickvals=list(range(len(columns))), ticktext=columns, tickangle=-45, showgrid=False,
        range=[-0.5, len(columns) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=rows, showgrid=False,
        range=[len(rows) - 0.5, -0.5],
    )  # fmt: skip
    return figure.update_layout(
        bargap=0, margin={"t": 92},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )  # fmt: skip


def _read(ledger: Ledger, selection: Selection) -> tuple[Cell, ...]:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.coverage import PlanRequest, plan_coverage

    if selection.origin is not Origin.MEASURED:
        raise InputError(f"coverage is of measured results, not of {selection.origin.value} ones")
    targets = (selection.target,) if selection.target else ("all",)
    plan = plan_coverage(ledger, PlanRequest(load_settings(), targets=targets))
    cells = [c for c in plan.cells if selection.model in {None, c.wanted.case.model}]
    cells = [c for c in cells if selection.test_case in {None, c.wanted.case.name}]
    if not cells:
        raise InputError(
            f"no model in {ledger.path.name} matches",
            hint="`accel bench run` measures one, `accel bench plan` says what to measure",
        )
    return tuple(cells)


def _find(cells: tuple[Cell, ...]) -> Finding:
    counts = Counter(cell.state.value for cell in cells)
    told = ", ".join(f"{counts[state]} {state}" for state in _MARKS if counts[state])
    runs = dict.fromkeys(c.verdict.best.run_id for c in cells if c.verdict.best)
    return Finding(f"Of {len(cells)} cells on this machine: {told}.", tuple(runs))


CHART = Chart(
    "coverage", "what is measured, stale, failed or missing", _read, coverage_figure, _find
)
