"""Models by targets: how much faster than a baseline, what is shown by it, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures._clusters import Tree, cluster
from ipfs_accelerate.evidence.figures._heatmap import draw_missing, draw_tree
from ipfs_accelerate.evidence.figures._rows import (
    newest_rows,
    origin_suffix,
    short_model,
    with_samples,
)
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import blend, finish, ink_on, theme_named
from ipfs_accelerate.evidence.statistics import adjust
from ipfs_accelerate.evidence.summary import BASELINE_TARGETS, failure_message
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["CHART", "Cell", "Family", "compared", "family_figure"]

#: Rows and columns of a readable figure.
MAX_ROWS, MAX_COLUMNS = 40, 24
_LEVEL = 0.05
_STARS = ((0.001, "***"), (0.01, "**"), (_LEVEL, "*"))


@dataclass(frozen=True, slots=True)
class Cell:
    """A model and case on a target.

    Attributes:
        ratio: Times as fast as the baseline of its row; ``None`` with a `reason`.
        p_value: That the medians are equal, adjusted for all cells; ``None`` where there is no
            interval that covers what it says.
        n: Calls counted.
        reason: Why there is no ratio, in a word or two.
        detail: Likewise, in a line.
        result_id: The row; ``None`` where there is none.
    """

    ratio: float | None
    p_value: float | None = None
    n: int = 0
    reason: str = ""
    detail: str = ""
    result_id: str | None = None

    @property
    def stars(self) -> str:
        """Marks of significance."""
        if self.p_value is None:
            return ""
        return next((stars for level, stars in _STARS if self.p_value < level), "")


@dataclass(frozen=True, slots=True)
class Family:
    """Models by targets.

    Attributes:
        rows: Models with their cases, as they are to be shown.
        columns: Targets, likewise.
        cells: By row and column; one that is absent was not tried.
        baseline: Target that ratios refer to.
        origin: Of all results.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    baseline: str
    origin: Origin

    def cell(self, row: str, column: str) -> Cell:
        """One cell."""
        return self.cells.get((row, column), Cell(None, reason="not tried"))


def compared(records: Sequence[MeasurementRecord]) -> Family:
    """Compare every target with the baseline of its model and case.

    The p-value of a cell belongs to the interval of its ratio, and all are adjusted together
    (Benjamini-Yekutieli, as targets of one row share their baseline).

    Raises:
        InputError: No row succeeded.
    """
    ok = [r for r in records if r.status is CaseStatus.OK and r.latency_p50_ns]
    if not ok:
        raise InputError("no case succeeded, so nothing can be compared")
    baseline = _baseline(ok)
    bases = {_row(r): r for r in ok if r.target == baseline}
    cells = {(_row(r), r.target): _cell(r, bases.get(_row(r))) for r in records}
    known = [key for key, cell in cells.items() if cell.p_value is not None]
    adjusted = adjust([cells[key].p_value or 0.0 for key in known]) if known else ()
    for key, p in zip(known, adjusted, strict=True):
        c = cells[key]
        cells[key] = Cell(c.ratio, float(p), c.n, c.reason, c.detail, c.result_id)
    rows = tuple(dict.fromkeys(_row(r) for r in records))[:MAX_ROWS]
    columns = tuple(dict.fromkeys(r.target for r in records))[:MAX_COLUMNS]
    return Family(rows, columns, cells, baseline, ok[0].origin)


def family_figure(family: Family, *, theme: str = "light") -> go.Figure:
    """A heatmap in the order of its clusters; missing cells are hatched and say why."""
    import plotly.graph_objects as go

    look = theme_named(theme)
    table = _table(family)
    trees = cluster(table), cluster(table.T)
    rows, columns = trees[0].order, trees[1].order
    shown = table[np.ix_(rows, columns)]
    limit = max(1.0, float(np.nanmax(np.abs(shown))))
    names = [family.rows[i] for i in rows], [family.columns[j] for j in columns]
    figure = go.Figure(
        go.Heatmap(
            z=shown, zmin=-limit, zmax=limit, xgap=2, ygap=2, hoverongaps=False,
            colorscale=[[n / 2, c] for n, c in enumerate(reversed(look.diverging))],
            colorbar=_colorbar(limit, family.baseline), customdata=_hover(family, names),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )  # fmt: skip
    _texts(figure, family, names, (limit, look))
    missing = {
        (i, j): family.cell(row, column).reason
        for i, row in enumerate(names[0])
        for j, column in enumerate(names[1])
        if family.cell(row, column).ratio is None
    }
    draw_missing(figure, missing, look)
    if family.origin is not Origin.MEASURED:
        _mark_unmeasured(figure, family, names, (limit, look))
    _finish(figure, family, names, (trees, look))
    return figure


def _finish(
    figure: go.Figure,
    family: Family,
    names: tuple[list[str], list[str]],
    looks: tuple[tuple[Tree, Tree], Theme],
) -> None:
    trees, look = looks
    rows, columns = names
    title = f"Times as fast as {family.baseline}{origin_suffix(family.origin)}"
    finish(figure, title, look, height=316 + 36 * max(3, len(rows)))
    draw_tree(figure, trees[0], len(columns), look, is_rows=True)
    draw_tree(figure, trees[1], len(rows), look, is_rows=False)
    room = 1.0 if any(tree.links for tree in trees) else 0.0
    figure.update_xaxes(
        tickvals=list(range(len(columns))), ticktext=columns, tickangle=-35, showgrid=False,
        range=[-0.55, len(columns) - 0.45 + 0.1 * room * len(columns)],
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=[f"{row}  " for row in rows], showgrid=False,
        range=[len(rows) - 0.45, -0.55 - 0.14 * room * max(len(rows), 3)],
    )  # fmt: skip
    how = "; ".join(f"{what}: {tree.method}" for what, tree in zip(("rows", "columns"), trees,
                                                                 strict=True))  # fmt: skip
    figure.add_annotation(
        text="* p < 0.05, ** < 0.01, *** < 0.001 against the baseline, adjusted for all cells<br>"
        "(Benjamini-Yekutieli); no mark: not shown, or too few calls to test; hatched: no value"
        f"<br>{how}",
        x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", align="left",
        showarrow=False, font={"size": 11, "color": look.soft}, yshift=8,
    )  # fmt: skip
    figure.update_layout(margin={"t": 120, "b": 120, "r": 10}, bargap=0)


def _mark_unmeasured(
    figure: go.Figure,
    family: Family,
    names: tuple[list[str], list[str]],
    looks: tuple[float, Theme],
) -> None:
    limit, look = looks
    inks = {
        (i, j): ink_on(_colour(ratio, limit, look))
        for i, row in enumerate(names[0])
        for j, column in enumerate(names[1])
        if (ratio := family.cell(row, column).ratio) is not None
    }
    draw_missing(figure, dict.fromkeys(inks, ""), look, shape=".", inks=list(inks.values()))


def _texts(
    figure: go.Figure,
    family: Family,
    names: tuple[list[str], list[str]],
    looks: tuple[float, Theme],
) -> None:
    """Numbers on their cells, in the ink that reads there."""
    limit, look = looks
    for i, row in enumerate(names[0]):
        for j, column in enumerate(names[1]):
            cell = family.cell(row, column)
            if cell.ratio is None:
                continue
            colour = _colour(cell.ratio, limit, look)
            text = "baseline" if column == family.baseline else f"{cell.ratio:.3g}×{cell.stars}"
            figure.add_annotation(
                x=j, y=i, text=text, showarrow=False, bgcolor=colour, borderpad=1,
                font={"size": 12, "color": ink_on(colour)},
            )  # fmt: skip


def _colour(ratio: float, limit: float, look: Theme) -> str:
    """Of a cell: the low end of the scale is the fast one."""
    return blend(look.diverging, 0.5 - float(np.log2(ratio)) / (2 * limit))


def _colorbar(limit: float, baseline: str) -> dict[str, object]:
    apart = max(1, round(limit / 2))
    steps = [step for step in range(-8 * apart, 9 * apart, apart) if abs(step) <= limit]
    return {
        "title": {"text": f"× {baseline}", "side": "right"}, "tickvals": steps, "thickness": 12,
        "ticktext": [f"{2.0**step:.3g}×" for step in steps], "outlinewidth": 0,
    }  # fmt: skip


def _hover(family: Family, names: tuple[list[str], list[str]]) -> list[list[str]]:
    def text(row: str, column: str) -> str:
        cell = family.cell(row, column)
        if cell.ratio is None:
            return f"{row}<br>{column}: {cell.detail or cell.reason}"
        p = cell.detail if cell.p_value is None else f"adjusted p {cell.p_value:.2g}"
        p = f", {p}" if p else ""
        return f"{row}<br>{column}: {cell.ratio:.3f}×, n {cell.n}{p}"

    return [[text(row, column) for column in names[1]] for row in names[0]]


def _table(family: Family) -> np.ndarray:
    """Binary logarithms of the ratios; NaN where there is none."""
    ratios = [[family.cell(row, column).ratio for column in family.columns] for row in family.rows]
    return np.array([[np.nan if r is None else np.log2(r) for r in line] for line in ratios])


def _cell(record: MeasurementRecord, base: MeasurementRecord | None) -> Cell:
    if record.status is not CaseStatus.OK:
        told = "error" if "error" in record.status.value else record.status.value
        return Cell(None, reason=told, detail=failure_message(record), result_id=record.result_id)
    if base is None:
        why = "the baseline was not measured for this model and case"
        return Cell(None, reason="no baseline", detail=why, result_id=record.result_id)
    n = record.iterations or len(record.samples_ns)
    if record is base:
        return Cell(1.0, n=n, result_id=record.result_id)
    if min(len(record.samples_ns), len(base.samples_ns)) < 2:
        ratio = (base.latency_p50_ns or 0) / (record.latency_p50_ns or 1)
        return Cell(ratio or None, n=n, reason="zero", result_id=record.result_id)
    return _tested(record, base, n)


def _tested(record: MeasurementRecord, base: MeasurementRecord, n: int) -> Cell:
    from ipfs_accelerate.bench.pairing import speed_ratio

    try:
        found = speed_ratio(base, record)
    except InputError as error:
        return Cell(None, reason="unusable", detail=error.message, n=n, result_id=record.result_id)
    width = float(np.log(found.high / found.low))
    z = NormalDist().inv_cdf(0.5 + found.confidence / 2)
    spread = width / (2 * z)
    if spread <= 0 or found.caution is not None:
        why = found.caution or "the interval has no width"
        return Cell(found.ratio, None, n, detail=why, result_id=record.result_id)
    p = 2 * NormalDist().cdf(-abs(float(np.log(found.ratio))) / spread)
    return Cell(found.ratio, p, n, result_id=record.result_id)


def _baseline(records: Sequence[MeasurementRecord]) -> str:
    """What a user would have taken, if it was measured; else the target of most models."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.target] = counts.get(record.target, 0) + 1
    usual = [target for target in BASELINE_TARGETS if target in counts]
    return usual[0] if usual else max(counts, key=lambda target: counts[target])


def _row(record: MeasurementRecord) -> str:
    return f"{short_model(record.model.model_name)} · {record.test_case}"


def _read(ledger: Ledger, selection: Selection) -> Family:
    with ledger.snapshot():
        rows = newest_rows(ledger, selection, statuses=tuple(CaseStatus))
        return compared(with_samples(ledger, rows))


def _find(family: Family) -> Finding:
    cells = [family.cell(r, c) for r in family.rows for c in family.columns]
    known = [cell for cell in cells if cell.ratio is not None]
    shown = [cell for cell in known if cell.stars]
    faster = sum((cell.ratio or 0) > 1 for cell in shown)
    sentence = (
        f"Of {len(known)} {family.origin.value} cells ({len(cells) - len(known)} have no value),"
        f" {faster} are faster and {len(shown) - faster} slower than {family.baseline} at a level"
        f" of {_LEVEL:.0%} for all together."
    )
    return Finding(sentence, tuple(cell.result_id for cell in cells if cell.result_id))


CHART = Chart(
    "family", "models by targets with clusters and significance", _read, family_figure, _find
)
