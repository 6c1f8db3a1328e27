"""Routes at work: tiers, who of a tier is next, and for whom a call waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError, UnknownNameError
from ipfs_accelerate.gateway.reliability.breaker import EVENT_NS
from ipfs_accelerate.gateway.reliability.queue import Lane
from ipfs_accelerate.gateway.reliability.retry import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.reliability.call import Call
    from ipfs_accelerate.gateway.reliability.gate import Gate
    from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings
    from ipfs_accelerate.gateway.reliability.sites import KeySite, Site
    from ipfs_accelerate.gateway.routes import Candidate, Route

__all__ = ["Blocked", "Option", "RouteLane", "RouteState", "choose"]

_MOST_LANES = 256


class _Tier:
    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn = 0.0


class Option:
    """A candidate of a route.

    Args:
        candidate: As configured.
        site: Its endpoint.
        bit: ``1 << number``: sets of options are integers.
        tier: Shared by the options of one tier.
    """

    __slots__ = ("bit", "candidate", "in_flight", "same_site", "share", "site", "tier", "turn")

    def __init__(self, candidate: Candidate, site: Site, *, bit: int, tier: _Tier) -> None:
        self.candidate = candidate
        self.site = site
        self.bit = bit
        self.same_site = bit
        self.tier = tier
        self.share = 1.0 / candidate.weight
        self.turn = 0.0
        self.in_flight = 0

    def is_before(self, other: Option) -> bool:
        """By load for its weight; between equals by turns in proportion to the weights.

        Source: C. Waldspurger and W. Weihl, "Stride Scheduling", MIT/LCS/TM-528 (1995).
        """
        load, its = self.in_flight * self.share, other.in_flight * other.share
        return load < its or (load == its and self.turn < other.turn)

    def begin(self) -> None:
        """It was chosen; one that was away does not catch up on its turns."""
        tier = self.tier
        tier.turn = max(tier.turn, self.turn)
        self.turn = tier.turn + self.share
        self.in_flight += 1


class RouteLane(Lane["Call"]):
    """Calls that wait for the same options of one route."""

    __slots__ = ("services", "tiers", "wake_ns")
    is_done = False

    def __init__(self, tiers: tuple[tuple[Option, ...], ...]) -> None:
        super().__init__()
        self.tiers = tiers
        self.services: frozenset[Gate] = frozenset(o.site.service for t in tiers for o in t)
        self.wake_ns: int | None = None


class RouteState:
    """A route, its options and its lanes.

    Raises:
        ConfigurationError: No candidates, a weight that is not above 0, or no attempts.
        UnknownNameError: A candidate at an endpoint that does not exist.
    """

    __slots__ = ("_lanes", "_tiers", "budget", "everything", "options", "route")

    def __init__(
        self, route: Route, sites: Mapping[str, Site], settings: ReliabilitySettings
    ) -> None:
        _check(route, sites)
        self.route = route
        self.budget = RetryBudget(settings.retry_ratio, settings.retry_reserve)
        self.options: list[Option] = []
        self._tiers = tuple(self._tier(tier, sites) for tier in route.tiers)
        for option in self.options:
            option.same_site = sum(o.bit for o in self.options if o.site is option.site)
        self.everything = (1 << len(self.options)) - 1
        self._lanes: dict[int, RouteLane] = {}

    def lane(self, options: int) -> RouteLane:
        """Where calls wait that may go to this set of options."""
        lane = self._lanes.get(options)
        if lane is None:
            kept = (tuple(o for o in tier if o.bit & options) for tier in self._tiers)
            lane = RouteLane(tuple(tier for tier in kept if tier))
            if len(self._lanes) >= _MOST_LANES:
                self._lanes = {key: old for key, old in self._lanes.items() if old.count}
            self._lanes[options] = lane
        return lane

    def fitting(self, endpoints: frozenset[str] | None) -> int:
        """The options at these endpoints, as a set of bits."""
        if endpoints is None:
            return self.everything
        return sum(option.bit for option in self.options if option.site.name in endpoints)

    def _tier(
        self, candidates: tuple[Candidate, ...], sites: Mapping[str, Site]
    ) -> tuple[Option, ...]:
        tier = _Tier()
        first = len(self.options)
        for candidate in candidates:
            bit = 1 << len(self.options)
            self.options.append(Option(candidate, sites[candidate.endpoint], bit=bit, tier=tier))
        return tuple(self.options[first:])


def _check(route: Route, sites: Mapping[str, Site]) -> None:
    candidates = [candidate for tier in route.tiers for candidate in tier]
    details = {"route": route.name}
    if not candidates:
        raise ConfigurationError(f"route {route.name!r} has no candidates", details=details)
    if route.attempts < 1:
        raise ConfigurationError(
            f"route {route.name!r} allows {route.attempts} attempts", details=details
        )
    for candidate in candidates:
        if candidate.endpoint not in sites:
            raise UnknownNameError(candidate.endpoint, sites)
        if not 0 < candidate.weight < float("inf"):
            raise ConfigurationError(
                f"the weight of {candidate.endpoint!r} in route {route.name!r} is"
                f" {candidate.weight}",
                hint="leave the candidate out, or give it a weight above 0",
                details=details,
            )


@dataclass(slots=True)
class Blocked:
    """Nobody can take the call now.

    Attributes:
        moment_ns: When to ask again at the latest; `EVENT_NS` when only an event can help.
        can_change: An attempt that ends may help before.
        is_circuit: Every option is behind a circuit that is not closed.
    """

    moment_ns: int
    can_change: bool
    is_circuit: bool


def choose(
    lane: RouteLane, call: Call, now_ns: int, *, spill_ns: int, closed: set[Site]
) -> tuple[Option, KeySite] | Blocked:
    """Who takes a call now.

    A tier whose members are busy keeps the call until it has waited ``spill_ns``; one that is
    behind open circuits, or has to rest for longer than that, hands it to the next at once.

    Args:
        lane: With the options the call may use.
        call: To be placed.
        now_ns: Moment of the injected clock.
        spill_ns: Patience with a tier.
        closed: Sites for which somebody with a better rank waits; those found busy are added.
    """
    moment_ns, can_change, is_all_circuit = EVENT_NS, False, True
    for tier in lane.tiers:
        best: Option | None = None
        best_key: KeySite | None = None
        earliest_ns, is_circuit = EVENT_NS, True
        for option in tier:
            site = option.site
            if site in closed:
                can_change, is_circuit = True, False
            elif best is None or option.is_before(best):
                found = site.find(now_ns, call.tokens)
                if not isinstance(found, int):
                    best, best_key = option, found
                    continue
                closed.add(site)
                can_change = can_change or found == EVENT_NS
                earliest_ns = min(earliest_ns, found)
                is_circuit = is_circuit and site.blocks_by_circuit(now_ns)
        if best is not None and best_key is not None:
            return best, best_key
        moment_ns = min(moment_ns, earliest_ns)
        is_all_circuit = is_all_circuit and is_circuit
        is_soon = earliest_ns == EVENT_NS or earliest_ns <= now_ns + spill_ns
        if is_soon and not is_circuit and now_ns < call.placed_ns + spill_ns:
            break
    return Blocked(moment_ns, can_change=can_change, is_circuit=is_all_circuit)
