"""The cells of the coverage table: a model on a target at a shape, and what is known of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["Cell", "Cost", "Estimate", "Rules", "State", "Verdict", "Wanted"]


class State(StrEnum):
    """What the ledger knows of a cell, best first."""

    FRESH = "fresh"
    UNTRUSTED = "untrusted"
    STALE = "stale"
    FAILED = "failed"
    MISSING = "missing"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Rules:
    """When a result still counts.

    Attributes:
        goal: Width of the interval of the median over the median that is narrow enough.
        attempts: Tries in an unchanged environment after which a cell is left alone.
        ignored: Names of facts whose change does not make a result stale, e.g. ``commit``.
    """

    goal: float = 0.02
    attempts: int = 3
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cell as it was asked for.

    Attributes:
        case: What to run.
        version: Identity of the model's files; ``None`` when the model does not resolve.
        now: Facts of this machine as it would be measured now, named as those of a result.
        unavailable: Why it cannot be measured here; ``None`` when it can, as far as known.
    """

    case: BenchCase
    version: str | None
    now: Mapping[str, str]
    unavailable: str | None = None

    @property
    def workload(self) -> tuple[str, str]:
        """Model and workload: targets of one workload compete."""
        return self.case.model, self.case.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """State of a cell.

    Attributes:
        state: See `State`.
        reasons: Why, most telling first; empty for a fresh cell.
        best: The result that speaks for it; ``None`` when none was measured.
        tries: Measured attempts in the present environment.
        is_given_up: Whether another try was ruled out, see `Rules.attempts`.
    """

    state: State
    reasons: tuple[str, ...] = ()
    best: AttemptRecord | None = None
    tries: int = 0
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected wall time of one measurement.

    Attributes:
        seconds: Above 0.
        basis: Which runs it comes from, or that it is a prior.
    """

    seconds: float
    basis: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Why to measure a cell next; see `ipfs_accelerate.evidence.coverage.priority`.

    Attributes:
        cost: Of one measurement.
        importance: Weight times use.
        information: Probability (0..1) that the result changes the choice of the fastest target.
        chance: Probability (0..1) that the measurement succeeds.
        priority: Their product.
    """

    cost: Cost
    importance: float
    information: float
    chance: float
    priority: float

    @property
    def per_second(self) -> float:
        """What the greedy choice orders by."""
        return self.priority / self.cost.seconds


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with its state and, where measuring it is possible and of use, its estimate."""

    wanted: Wanted
    verdict: Verdict
    estimate: Estimate | None = None

    @property
    def state(self) -> State:
        """Shorthand."""
        return self.verdict.state

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        case, best = self.wanted.case, self.verdict.best
        estimate = None if self.estimate is None else asdict(self.estimate)
        return {
            "model": case.model,
            "target": case.target,
            "test_case": case.name,
            "state": self.state.value,
            "reasons": list(self.verdict.reasons),
            "tries": self.verdict.tries,
            "is_given_up": self.verdict.is_given_up,
            "run_id": best and best.run_id,
            "latency_p50_ns": best and best.latency_ns[0],
            "estimate": estimate,
        }
