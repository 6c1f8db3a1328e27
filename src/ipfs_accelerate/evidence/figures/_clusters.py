"""Rows of a table in the order of their clusters, where enough of them is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Tree", "cluster"]


@dataclass(frozen=True, slots=True)
class Tree:
    """An order, and the tree it comes from.

    Attributes:
        order: Positions of the rows.
        links: Corners of each link: places along the order, and heights 0 to 1; empty without one.
        method: How the order was found, for the figure.
    """

    order: list[int]
    links: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    method: str


def cluster(table: NDArray[np.float64]) -> Tree:
    """Average linkage of root-mean-square distances over the columns that two rows share.

    Where two rows share no column there is no distance, and rows are ordered by their means.

    Source:
        Sokal & Michener (1958), UPGMA; leaf order: Bar-Joseph et al. (2001), Bioinformatics 17.
    """
    n = len(table)
    if n < 3:
        return Tree(_by_mean(table), (), "by mean (too few to cluster)")
    distances = _distances(table)
    if not np.isfinite(distances).all():
        return Tree(_by_mean(table), (), "by mean (some share no cell, so no cluster tree)")
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    linkage = hierarchy.linkage(squareform(distances), "average", optimal_ordering=True)
    drawn = hierarchy.dendrogram(linkage, no_plot=True)
    top = max((max(heights) for heights in drawn["dcoord"]), default=0.0) or 1.0
    links = tuple(
        (tuple((x - 5) / 10 for x in places), tuple(h / top for h in heights))
        for places, heights in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    )
    return Tree([int(i) for i in drawn["leaves"]], links, "average linkage of log ratios")


def _distances(table: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = table[:, None, :] - table[None, :, :]
    shared = np.isfinite(differences)
    squares = np.where(shared, differences, 0.0) ** 2
    counts = shared.sum(axis=2)
    found: NDArray[np.float64] = np.sqrt(squares.sum(axis=2) / np.where(counts > 0, counts, 1))
    found[counts == 0] = np.inf
    np.fill_diagonal(found, 0.0)
    return found


def _by_mean(table: NDArray[np.float64]) -> list[int]:
    known = np.isfinite(table)
    sums = np.where(known, table, 0.0).sum(axis=1)
    means = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.inf)
    return [int(i) for i in np.argsort(means, kind="stable")]
