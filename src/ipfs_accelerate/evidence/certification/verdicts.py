"""What a rule may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.evidence.certification.evidence import Evidence

__all__ = ["Effect", "Level", "Outcome", "Rule", "Verdict", "failed", "passed", "unknown"]

Level = Literal["certified", "provisional", "refused"]
Outcome = Literal["pass", "fail", "unknown"]
#: What a failure, or not knowing, does to the level.
Effect = Literal["refused", "provisional", "noted"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says about one result.

    Attributes:
        outcome: ``unknown`` when the ledger does not tell.
        text: With numbers.
        quality: 0..1, for the score; 0 unless it passed or the rule is gradual.
    """

    outcome: Outcome
    text: str
    quality: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand.

    Attributes:
        id: Stable name.
        sentence: What has to hold.
        weight: Its part of the score.
        fails: What a failure leads to.
        unknown: What not knowing leads to.
        check: Looks at the evidence.
        version: Raised when its meaning changes.
    """

    id: str
    sentence: str
    weight: int
    fails: Effect
    unknown: Effect
    check: Callable[[Evidence], Verdict]
    version: int = 1


def passed(text: str, quality: float = 1.0) -> Verdict:
    """It holds."""
    return Verdict("pass", text, quality)


def failed(text: str, quality: float = 0.0) -> Verdict:
    """It does not hold."""
    return Verdict("fail", text, quality)


def unknown(text: str) -> Verdict:
    """The ledger does not tell."""
    return Verdict("unknown", text, 0.0)
