"""What follows on which error: one table, the waiting before a repeat, and its budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    AllowanceSpentError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    ExecutionError,
    InternalError,
    KeyRefusedError,
    ModelError,
    ModelNotFoundError,
    ProviderError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Again", "Backoff", "Blame", "RetryBudget", "Rule", "retry_after_ns", "rule_of"]

_S = 1_000_000_000
_MOST_DOUBLINGS = 30


class Again(Enum):
    """Where a call is tried after an error."""

    NEVER = "never"
    OTHER_KEY = "other_key"
    """The same candidate with a key that is free, else any other; the key at fault rests."""
    OTHER_ENDPOINT = "other_endpoint"
    """The candidates not tried yet, at once; then, after a wait and out of the budget, all."""
    OTHER_CANDIDATE = "other_candidate"
    """The candidates not tried yet; this one never again."""
    AS_ROUTED = "as_routed"
    """`OTHER_CANDIDATE` or `NEVER`, by the route's ``on_refusal``."""


class Blame(Enum):
    """What is at fault, and how it is spared."""

    NOBODY = "nobody"
    KEY_PACED = "key_paced"
    """The key rests and its limit is halved."""
    KEY_BARRED = "key_barred"
    """The key's circuit opens: quarantine."""
    ENDPOINT = "endpoint"
    """Counts in the circuit of the endpoint."""
    SERVICE = "service"
    """Counts in the circuits of the endpoint and of the provider."""
    OVERLOAD = "overload"
    """`SERVICE`; also, the limits of both are halved and the endpoint rests as long as told."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table."""

    again: Again
    blame: Blame = Blame.NOBODY


_RULES: dict[type[AccelerateError], Rule] = {
    KeyRefusedError: Rule(Again.OTHER_KEY, Blame.KEY_BARRED),
    AllowanceSpentError: Rule(Again.OTHER_KEY, Blame.KEY_BARRED),
    RateLimitedError: Rule(Again.OTHER_KEY, Blame.KEY_PACED),
    ProviderOverloadedError: Rule(Again.OTHER_ENDPOINT, Blame.OVERLOAD),
    ProviderFailedError: Rule(Again.OTHER_ENDPOINT, Blame.SERVICE),
    ConnectivityError: Rule(Again.OTHER_ENDPOINT, Blame.SERVICE),
    DeadlineExceededError: Rule(Again.OTHER_ENDPOINT, Blame.ENDPOINT),
    RequestRefusedError: Rule(Again.NEVER),
    ContentRefusedError: Rule(Again.AS_ROUTED),
    ModelNotFoundError: Rule(Again.OTHER_CANDIDATE),
    # malformed answers, streams that stall or stop, and whatever a provider adds
    ProviderError: Rule(Again.OTHER_ENDPOINT, Blame.ENDPOINT),
    # of local models
    ExecutionError: Rule(Again.OTHER_ENDPOINT, Blame.ENDPOINT),
    ModelError: Rule(Again.OTHER_CANDIDATE),
    UnavailableError: Rule(Again.OTHER_CANDIDATE),
    UsageError: Rule(Again.NEVER),
    InternalError: Rule(Again.NEVER),
    AccelerateError: Rule(Again.NEVER),
}


def rule_of(error: AccelerateError) -> Rule:
    """The row of the nearest class in the error's line of descent."""
    return next(_RULES[cls] for cls in type(error).__mro__ if cls in _RULES)


def retry_after_ns(error: AccelerateError) -> int | None:
    """How long the service asked to be left alone; ``None`` when it did not say."""
    told_s = error.details.get("retry_after_s")
    if not isinstance(told_s, (int, float)) or not 0 <= told_s < 1e9:
        return None
    return round(told_s * _S)


class Backoff:
    """Waits which grow and are spread, so that callers do not come back together.

    Args:
        first_ns: Upper bound of the first wait.
        most_ns: Upper bound of all.
        generator: Draws the waits.

    Source: "Full jitter" of M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog
    (2015): uniform between 0 and ``min(most, first · 2^n)``.
    """

    __slots__ = ("_first_ns", "_generator", "_most_ns")

    def __init__(self, first_ns: int, most_ns: int, *, generator: Generator) -> None:
        self._first_ns = first_ns
        self._most_ns = most_ns
        self._generator = generator

    def wait_ns(self, repeats: int) -> int:
        """The wait after so many repeats, from 0 on."""
        bound_ns = min(self._most_ns, self._first_ns << min(repeats, _MOST_DOUBLINGS))
        return 1 + int(bound_ns * self._generator.random())


class RetryBudget:
    """Repeats and hedges of a route in proportion to its calls, so that they cannot storm.

    The first try at each further endpoint is not a repeat: no endpoint sees more than one request
    per call and, on top, the share ``ratio`` of them.

    Args:
        ratio: Repeats earned by each call.
        reserve: Most that can be saved up; also what there is at first.

    Source: retry throttling of gRPC (proposal A6), with tokens earned by calls as in Finagle's
    RetryBudget.
    """

    __slots__ = ("_ratio", "_reserve", "saved")

    def __init__(self, ratio: float, reserve: int) -> None:
        self._ratio = ratio
        self._reserve = float(reserve)
        self.saved = float(reserve)

    def earn(self) -> None:
        """A call came."""
        if self.saved < self._reserve:
            self.saved = min(self._reserve, self.saved + self._ratio)

    def spend(self) -> bool:
        """Whether one repeat is allowed; it is taken from what was saved."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True
