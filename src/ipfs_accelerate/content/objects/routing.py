"""Which endpoint gets the next request; pure.

Source for `RoundRobin`: smooth weighted round-robin as nginx documents it
(https://github.com/nginx/nginx/commit/52327e0): every turn each gains its weight, the richest is
chosen and pays the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Candidate", "LeastLoaded", "RoundRobin", "Router", "router_named"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a router may look at.

    Attributes:
        name: Of the endpoint.
        weight: Its share, above 0.
        in_flight: Requests it is working on.
        latency_ns: Moving average; ``None`` when unknown.
    """

    name: str
    weight: float
    in_flight: int
    latency_ns: float | None


class Router(Protocol):
    """Chooses among endpoints that may all be asked."""

    def choose(self, candidates: Sequence[Candidate]) -> str:
        """Name of one; there is at least one."""
        ...


class RoundRobin:
    """In turn, by weight, evenly spread."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def choose(self, candidates: Sequence[Candidate]) -> str:
        """See `Router.choose`."""
        for candidate in candidates:
            self._credit[candidate.name] = self._credit.get(candidate.name, 0.0) + candidate.weight
        best = max(candidates, key=lambda candidate: self._credit[candidate.name])
        self._credit[best.name] -= sum(candidate.weight for candidate in candidates)
        return best.name


class LeastLoaded:
    """The fewest requests in flight by weight; among equals the faster, unknown ones first."""

    def choose(self, candidates: Sequence[Candidate]) -> str:
        """See `Router.choose`."""
        return min(candidates, key=lambda c: (c.in_flight / c.weight, c.latency_ns or 0.0)).name


_ROUTERS: dict[str, type[RoundRobin | LeastLoaded]] = {
    "round_robin": RoundRobin,
    "least_loaded": LeastLoaded,
}


def router_named(name: str) -> Router:
    """A fresh router: ``round_robin`` or ``least_loaded``.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in _ROUTERS:
        raise UnknownNameError(name, _ROUTERS)
    return _ROUTERS[name]()
