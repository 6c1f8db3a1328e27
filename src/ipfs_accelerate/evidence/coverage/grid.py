"""The coverage table as a grid, and the share of it that is measured; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.evidence.coverage.cells import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.evidence.coverage.cells import Cell

__all__ = ["CoverageGrid", "Share", "coverage_grid", "shares"]


@dataclass(frozen=True, slots=True)
class CoverageGrid:
    """States by workload and target, for tables and heatmaps.

    Attributes:
        rows: Model and workload, sorted.
        columns: Targets, sorted.
        states: One list per row; ``None`` where no such cell exists.
    """

    rows: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    states: tuple[tuple[State | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what can be measured here is measured.

    Attributes:
        name: Model or target; ``all`` for the whole.
        fresh: Cells with a trusted result of the present environment.
        cells: Cells that can be measured here.
    """

    name: str
    fresh: int
    cells: int

    @property
    def value(self) -> float | None:
        """0..1; ``None`` when nothing can be measured."""
        return self.fresh / self.cells if self.cells else None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {"name": self.name, "fresh": self.fresh, "cells": self.cells, "share": self.value}


def coverage_grid(cells: Sequence[Cell]) -> CoverageGrid:
    """Arrange cells by workload and target."""
    found = {(c.wanted.workload, c.wanted.case.target): c.state for c in cells}
    rows = sorted({workload for workload, _ in found})
    columns = sorted({target for _, target in found})
    states = tuple(tuple(found.get((row, column)) for column in columns) for row in rows)
    return CoverageGrid(tuple(rows), tuple(columns), states)


def shares(cells: Sequence[Cell], by: Literal["all", "model", "target"]) -> tuple[Share, ...]:
    """Share of fresh cells among those that can be measured here, by name."""
    groups: dict[str, list[State]] = {}
    for cell in cells:
        case = cell.wanted.case
        name = {"all": "all", "model": case.model, "target": case.target}[by]
        groups.setdefault(name, []).append(cell.state)
    return tuple(_share(name, groups[name]) for name in sorted(groups))


def _share(name: str, states: Sequence[State]) -> Share:
    possible = [state for state in states if state is not State.UNAVAILABLE]
    return Share(name, possible.count(State.FRESH), len(possible))
