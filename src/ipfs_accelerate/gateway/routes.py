"""Where requests may go: endpoints with their keys, and routes over them.

Plain values; `configuration` reads them from a file, tests write them down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.transport import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.keys import Secret

__all__ = [
    "Allowance",
    "Candidate",
    "Endpoint",
    "Key",
    "KeyStrategy",
    "OnRefusal",
    "Priority",
    "Route",
]


class Priority(IntEnum):
    """Who goes first; smaller is sooner."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class KeyStrategy(StrEnum):
    """Which of several keys is taken."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"


class OnRefusal(StrEnum):
    """What follows when a content filter refuses."""

    RAISE = "raise"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be sent in a window of time; ``None`` where no bound is known yet.

    Attributes:
        requests: In ``window_s``.
        tokens: In ``window_s``, prompt and answer together.
        concurrent: At the same time.
    """

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    """A credential under a name that may be shown; the secret itself is never shown."""

    name: str
    secret: Secret
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one service.

    Attributes:
        name: Of the endpoint, unique in a gateway.
        provider: Kind of service: the name of a provider, or ``local``.
        base_url: Root of the service; ``None`` takes the provider's own.
        keys: Empty where the service wants none.
        allowance: Of all keys together.
        limits: Times to wait.
        headers: Sent with each request.
        price_per_million: Currency units for a million tokens of ``prompt``, ``completion`` and
            ``cached``.
        is_direct: Callers may ask for ``<endpoint>/<any model>``; else only for what routes name.
    """

    name: str
    provider: str
    base_url: str | None = None
    keys: tuple[Key, ...] = ()
    strategy: KeyStrategy = KeyStrategy.LEAST_LOADED
    allowance: Allowance = field(default_factory=Allowance)
    limits: TimeLimits = field(default_factory=TimeLimits)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    price_per_million: Mapping[str, float] = field(default_factory=dict)
    is_direct: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model at an endpoint; ``model=None`` passes the caller's name on."""

    endpoint: str
    model: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    """A name callers ask for, and who may answer.

    Attributes:
        name: What callers give as model; ``*`` takes every name that no other route has.
        tiers: The fallback chain. Candidates of one tier share the work by load and weight; the
            next tier is asked when all of the one before cannot answer.
        attempts: Most tries, all candidates together.
        hedge_after_s: Ask a second candidate when the first has not begun to answer by then.
        on_refusal: ``next`` lets another candidate answer what a content filter refused.
        deadline_s: For requests which bring none.
    """

    name: str
    tiers: tuple[tuple[Candidate, ...], ...]
    attempts: int = 4
    hedge_after_s: float | None = None
    on_refusal: OnRefusal = OnRefusal.RAISE
    deadline_s: float | None = 600.0
