"""What heatmaps share: hatched cells that say why they are empty, and cluster trees beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures._clusters import Tree
    from ipfs_accelerate.evidence.figures.theme import Theme

__all__ = ["draw_missing", "draw_tree"]


def draw_missing(
    figure: go.Figure,
    cells: Mapping[tuple[int, int], str],
    theme: Theme,
    *,
    shape: str = "/",
    inks: Sequence[str] | None = None,
) -> None:
    """Hatch cells of a heatmap whose axes are numbered, each with its reason.

    Args:
        figure: Changed in place.
        cells: Row and column → reason; empty writes nothing.
        theme: The look.
        shape: Of the pattern.
        inks: Of each cell's pattern; soft ink if ``None``.
    """
    import plotly.graph_objects as go

    if not cells:
        return
    figure.add_trace(
        go.Bar(
            x=[j for _, j in cells],
            y=[0.94] * len(cells),
            base=[i - 0.47 for i, _ in cells],
            width=0.96,
            marker={
                "color": "rgba(0,0,0,0)",
                "line": {"width": 0},
                "pattern": {"shape": shape, "fgcolor": inks or theme.soft, "size": 7,
                            "fgopacity": 0.55, "bgcolor": "rgba(0,0,0,0)"},
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )  # fmt: skip
    for (i, j), reason in cells.items():
        if reason:
            figure.add_annotation(
                x=j, y=i, text=reason, showarrow=False, bgcolor=theme.paper, borderpad=1,
                font={"size": 11, "color": theme.soft},
            )  # fmt: skip


def draw_tree(figure: go.Figure, tree: Tree, across: int, theme: Theme, *, is_rows: bool) -> None:
    """A cluster tree beyond the last column (of rows) or above the first row (of columns).

    Args:
        figure: Changed in place.
        tree: The tree.
        across: Length of the other axis, in cells.
        theme: The look.
        is_rows: Whether it is the tree of rows.
    """
    import plotly.graph_objects as go

    along: list[float | None] = []
    away: list[float | None] = []
    for places, heights in tree.links:
        along += [*places, None]
        if is_rows:
            away += [*(across - 0.48 + h * 0.09 * across for h in heights), None]
        else:
            away += [*(-0.52 - h * 0.12 * max(across, 3) for h in heights), None]
    if along:
        figure.add_trace(
            go.Scatter(
                x=away if is_rows else along, y=along if is_rows else away, mode="lines",
                line={"color": theme.soft, "width": 1.2}, hoverinfo="skip", showlegend=False,
            )
        )  # fmt: skip
