"""What the figures of one group of cases share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.figures.chart import Finding
from ipfs_accelerate.evidence.figures.theme import finish

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow

__all__ = ["bar_text", "find_group", "finish_bars", "first_of", "ms"]


def finish_bars(figure: go.Figure, title: str, theme: Theme, *, unit: str, rows: int) -> go.Figure:
    """A figure with one line a target, the first on top."""
    finish(figure, title, theme, height=110 + 34 * max(rows, 2))
    figure.update_layout(margin={"t": 50, "b": 45})
    figure.update_yaxes(autorange="reversed", showgrid=False, ticksuffix="  ")
    return figure.update_xaxes(title=unit, rangemode="tozero")


def first_of(value_ns: int | None, otherwise_ns: int | None) -> int | None:
    return otherwise_ns if value_ns is None else value_ns


def ms(value_ns: int | None) -> float:
    return float("nan") if value_ns is None else value_ns / 1e6


def bar_text(row: RankedRow) -> str:
    text = f"{ms(row.record.latency_p50_ns):.2f} ms"
    if row.speedup is not None and row.speedup.verdict != "baseline":
        text += f" · {row.speedup.ratio:.2f}×"
    return text if row.is_eligible else text + " · not eligible"


def find_group(group: CaseGroup) -> Finding:
    """What one group of cases says."""
    counts = [len(row.record.samples_ns) for row in group.rows]
    span = "–".join(dict.fromkeys((str(min(counts)), str(max(counts))))) if counts else "0"
    return Finding(
        f"{group.sentence} n = {span} calls a target.",
        tuple(row.record.result_id for row in group.rows),
    )
