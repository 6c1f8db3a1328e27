"""What the dispatcher is told and what it orders.

The dispatcher is a pure state machine: `Dispatcher.handle(event, now_ns)` returns instructions. It
does no input or output, reads no clock, and draws chance only from the generator it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.routes import Priority

if TYPE_CHECKING:
    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.gateway.messages import Operation, Usage
    from ipfs_accelerate.gateway.providers import RateReport
    from ipfs_accelerate.gateway.routes import Candidate

__all__ = [
    "Abort",
    "Began",
    "Cancel",
    "Event",
    "Failed",
    "GiveUp",
    "Instruction",
    "Start",
    "Submit",
    "Succeeded",
    "Tick",
    "WakeAt",
]


@dataclass(frozen=True, slots=True)
class Submit:
    """A caller wants an answer.

    Attributes:
        call_id: Chosen by the shell, unique.
        route: Name of the route.
        tokens: Estimate of prompt and answer together, for allowances of tokens.
        deadline_ns: Moment of the injected clock after which an answer is of no use.
        needs: Names of the endpoints which can express the request; ``None`` for all.
    """

    call_id: int
    route: str
    operation: Operation
    priority: Priority = Priority.NORMAL
    tokens: int = 0
    deadline_ns: int | None = None
    needs: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """Headers of an answer are there (of a stream: its first piece); hedges are not wanted now."""

    attempt_id: int
    rates: RateReport | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt gave the whole answer."""

    attempt_id: int
    usage: Usage | None = None
    rates: RateReport | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt ended in an error.

    Attributes:
        can_retry: ``False`` when pieces were delivered to the caller which cannot be continued.
        rates: From the headers of the refusal, if it had any.
    """

    attempt_id: int
    error: AccelerateError
    can_retry: bool = True
    rates: RateReport | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller does not want the answer any more."""

    call_id: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Submit | Began | Succeeded | Failed | Cancel | Tick


@dataclass(frozen=True, slots=True)
class Start:
    """Begin an attempt at a candidate with a key (``None``: the endpoint has no keys)."""

    call_id: int
    attempt_id: int
    candidate: Candidate
    key: str | None
    is_hedge: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop an attempt; its end need not be told any more."""

    attempt_id: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The call ends in this error."""

    call_id: int
    error: AccelerateError


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` at this moment at the latest; replaces the one before."""

    moment_ns: int


Instruction = Start | Abort | GiveUp | WakeAt
