"""The whole timing report as data: every key class on every target, ranked where it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ipfs_accelerate.evidence.summary import CaseGroup
    from ipfs_accelerate.evidence.timing.advice import Advice
    from ipfs_accelerate.evidence.timing.classes import KeyClass
    from ipfs_accelerate.evidence.timing.limits import Limit
    from ipfs_accelerate.evidence.timing.ranking import Places
    from ipfs_accelerate.evidence.timing.selection import Cell
    from ipfs_accelerate.evidence.timing.trends import Trend
    from ipfs_accelerate.telemetry import Origin

__all__ = ["ClassReport", "GridCell", "Ranking", "TimingReport"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The targets of one model, workload and host.

    Attributes:
        key: Class of the model.
        host: The machine.
        group: Trusted rows with their ranks, fastest first; rows of other origins apart.
        places: The comparisons behind the ranks.
        contenders: The ranking of those rows alone that may be recommended.
        unranked: Results that cannot be trusted, and failures.
        limits: One for each ranked row.
        trends: One for each cell that has several runs.
        command: What would measure it anew; ``None`` for other origins.
        advice: What follows.
    """

    key: KeyClass
    host: str
    group: CaseGroup
    places: Places
    contenders: Places
    unranked: tuple[Cell, ...] = ()
    limits: tuple[Limit, ...] = ()
    trends: tuple[Trend, ...] = ()
    command: str | None = None
    advice: tuple[Advice, ...] = ()

    @property
    def subject(self) -> str:
        """Model, workload and host, for people."""
        return f"{self.group.title} · {self.group.test_case} on {self.host}"


@dataclass(frozen=True, slots=True)
class GridCell:
    """One class on one target.

    Attributes:
        key_class: Name of the class.
        target: The target.
        state: ``ranked``, ``value`` (of another origin than measured), ``untrusted``, ``failed``,
            ``unavailable`` or ``not measured``; the best that any of its workloads reached.
        detail: Ranks, or the reason.
        result_ids: What it rests on.
        command: What would fill it; ``None`` where nothing can or has to.
    """

    key_class: str
    target: str
    state: str
    detail: str
    result_ids: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One key class.

    Attributes:
        key: The class.
        rankings: One for each model, workload and host.
        grid: One for each target.
        command: What would measure it; ``None`` when something was.
    """

    key: KeyClass
    rankings: tuple[Ranking, ...]
    grid: tuple[GridCell, ...]
    command: str | None


@dataclass(frozen=True, slots=True)
class TimingReport:
    """Everything that a page or a screen shows.

    Attributes:
        origin: Of all its rows.
        since: Oldest moment asked for; ``None`` for all.
        classes: In the order of `classes.KEY_CLASSES`.
        targets: Every target of the grid, in order.
        unavailable: Target → why it is not available on this machine.
        other_origins: Origin → results that were left out because of it.
        other_models: Cells of models that are of no key class.
    """

    origin: Origin
    since: datetime | None
    classes: tuple[ClassReport, ...]
    targets: tuple[str, ...]
    unavailable: Mapping[str, str]
    other_origins: Mapping[str, int]
    other_models: int

    @property
    def rankings(self) -> tuple[Ranking, ...]:
        """Of all classes."""
        return tuple(r for c in self.classes for r in c.rankings)

    @property
    def advice(self) -> tuple[Advice, ...]:
        """Of all rankings; recommendations and drifts before refusals."""
        found = [a for r in self.rankings for a in r.advice]
        return tuple(sorted(found, key=lambda a: a.kind == "refused"))

    @property
    def shown_targets(self) -> tuple[str, ...]:
        """Targets that are available here or have a result."""
        states = {"unavailable"}
        seen = {g.target for c in self.classes for g in c.grid if g.state not in states}
        return tuple(t for t in self.targets if t in seen)

    @property
    def missing(self) -> Sequence[ClassReport]:
        """Classes without any result of this origin."""
        return [c for c in self.classes if not c.rankings]
