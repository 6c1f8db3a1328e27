"""What a chart is, and what of the ledger it is to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import plotly.graph_objects as go

    from ipfs_accelerate.store import Ledger

__all__ = ["Chart", "Drawn", "Finding", "Selection"]

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows; ``None`` does not restrict.

    Attributes:
        model: Name of the model as it was given.
        target: Target as a string.
        test_case: Workload.
        run_id: Whole id of a run.
        origin: Rows of one origin only; a chart never mixes them.
        since: Only rows since then.
        projection: How charts with more dimensions than axes choose axes.
    """

    model: str | None = None
    target: str | None = None
    test_case: str | None = None
    run_id: str | None = None
    origin: Origin = Origin.MEASURED
    since: datetime | None = None
    projection: str = "pca"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a figure supports.

    Attributes:
        sentence: One sentence for a report, with n.
        rows: Results or runs it rests on, by id.
    """

    sentence: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart(Generic[D]):
    """One kind of figure; a module of this folder defines one as ``CHART``.

    Attributes:
        kind: Its name on the command line.
        about: What it shows.
        read: Typed data from a ledger; raises `InputError` where nothing matches.
        draw: The figure from ``data`` and ``theme``; pure.
        find: What the data say; pure.
    """

    kind: str
    about: str
    read: Callable[[Ledger, Selection], D]
    draw: Callable[..., go.Figure]
    find: Callable[[D], Finding]

    def of(self, ledger: Ledger, selection: Selection, *, theme: str = "light") -> Drawn:
        """Read and draw.

        Raises:
            InputError: Nothing in the ledger matches.
            UnknownNameError: There is no such theme.
        """
        data = self.read(ledger, selection)
        return Drawn(self.kind, self.draw(data, theme=theme), self.find(data))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with what it supports.

    Attributes:
        kind: Of the chart.
        figure: For any renderer.
        finding: The sentence and its rows.
    """

    kind: str
    figure: go.Figure
    finding: Finding
