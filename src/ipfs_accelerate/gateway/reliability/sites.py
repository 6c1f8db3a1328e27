"""Keys, endpoints and providers with their gates, and which key is taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.reliability.breaker import EVENT_NS, Breaker, BreakerRules
from ipfs_accelerate.gateway.reliability.gate import Gate
from ipfs_accelerate.gateway.reliability.limits import Limit
from ipfs_accelerate.gateway.reliability.quota import Quota
from ipfs_accelerate.gateway.routes import Allowance, Endpoint, KeyStrategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings

__all__ = ["KeySite", "Site", "build_sites"]

_S = 1_000_000_000
_ANY_ALLOWANCE = Allowance()


@dataclass(slots=True, eq=False)
class KeySite:
    """One key (``name=None``: the endpoint wants none), and what stands before it.

    ``used`` is the number of the last attempt with it, so that the least number is who is next.
    """

    name: str | None
    gate: Gate
    quota: Quota
    used: int = 0


class Site:
    """One endpoint, its keys, and the service it shares with other endpoints.

    Args:
        endpoint: As configured.
        gate: Of the endpoint.
        service: Of all endpoints with the same provider and address.
        keys: At least one.
    """

    __slots__ = ("_is_round_robin", "endpoint", "gate", "keys", "name", "service")

    def __init__(
        self, endpoint: Endpoint, gate: Gate, *, service: Gate, keys: tuple[KeySite, ...]
    ) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.gate = gate
        self.service = service
        self.keys = keys
        self._is_round_robin = endpoint.strategy is KeyStrategy.ROUND_ROBIN

    def find(self, now_ns: int, tokens: int) -> KeySite | int:
        """The key for a request that may begin now; otherwise a moment, or `EVENT_NS`."""
        moment_ns = self.service.ready_ns(now_ns, tokens) or self.gate.ready_ns(now_ns, tokens)
        if moment_ns:
            return moment_ns
        if len(self.keys) == 1:
            key = self.keys[0]
            return key.gate.ready_ns(now_ns, tokens) or key
        return self._best_key(now_ns, tokens)

    def blocks_by_circuit(self, now_ns: int) -> bool:
        """Whether a circuit keeps everything out: the service's, the endpoint's or all keys'."""
        return (
            self.service.blocks_by_circuit(now_ns)
            or self.gate.blocks_by_circuit(now_ns)
            or all(key.gate.blocks_by_circuit(now_ns) for key in self.keys)
        )

    def _best_key(self, now_ns: int, tokens: int) -> KeySite | int:
        """By load, then by who was used longest ago; round robin by the latter alone."""
        best: KeySite | None = None
        earliest_ns = EVENT_NS
        for key in self.keys:
            if best is not None and not self._is_better(key, best):
                continue
            moment_ns = key.gate.ready_ns(now_ns, tokens)
            if moment_ns == 0:
                best = key
            elif moment_ns < earliest_ns:
                earliest_ns = moment_ns
        return earliest_ns if best is None else best

    def _is_better(self, key: KeySite, than: KeySite) -> bool:
        if not self._is_round_robin:
            load, other = key.gate.limit.in_flight, than.gate.limit.in_flight
            if load != other:
                return load < other
        return key.used < than.used


def build_sites(
    endpoints: Sequence[Endpoint], settings: ReliabilitySettings, generator: Generator
) -> dict[str, Site]:
    """The sites of a gateway by the name of their endpoint."""
    return _Builder(settings, generator).sites(endpoints)


class _Builder:
    def __init__(self, settings: ReliabilitySettings, generator: Generator) -> None:
        self._settings = settings
        self._generator = generator
        self._services: dict[tuple[str, str | None], Gate] = {}

    def sites(self, endpoints: Sequence[Endpoint]) -> dict[str, Site]:
        return {endpoint.name: self._site(endpoint) for endpoint in endpoints}

    def _site(self, endpoint: Endpoint) -> Site:
        return Site(
            endpoint,
            self._gate(endpoint.name, endpoint.allowance, self._rules(1)),
            service=self._service(endpoint),
            keys=self._keys(endpoint),
        )

    def _service(self, endpoint: Endpoint) -> Gate:
        """Endpoints with one address share the fate of one service; two addresses do not."""
        place = (endpoint.provider, endpoint.base_url)
        if place not in self._services:
            gate = self._gate(endpoint.provider, _ANY_ALLOWANCE, self._rules(2))
            gate.limit = Limit(self._settings.concurrent_most, self._settings.concurrent_most)
            self._services[place] = gate
        return self._services[place]

    def _keys(self, endpoint: Endpoint) -> tuple[KeySite, ...]:
        """A key that names no concurrency takes the endpoint's."""
        named: list[tuple[str | None, Allowance]] = [(None, _ANY_ALLOWANCE)]
        if endpoint.keys:
            named = [(key.name, key.allowance) for key in endpoint.keys]
        most = endpoint.allowance.concurrent
        return tuple(
            self._key(name, replace(allowance, concurrent=allowance.concurrent or most))
            for name, allowance in named
        )

    def _key(self, name: str | None, allowance: Allowance) -> KeySite:
        settings = self._settings
        rules = BreakerRules(
            failures=1,
            rate=1.0,
            volume=1,
            probes=1,
            open_ns=round(settings.quarantine_s * _S),
            open_most_ns=round(settings.quarantine_most_s * _S),
        )
        gate = self._gate(name or "no key", allowance, rules)
        gate.quota = Quota(allowance)
        return KeySite(name, gate, gate.quota)

    def _gate(self, name: str, allowance: Allowance, rules: BreakerRules) -> Gate:
        settings = self._settings
        ceiling = allowance.concurrent or settings.concurrent_most
        start = allowance.concurrent or settings.concurrent_start
        is_counted = allowance.requests is not None or allowance.tokens is not None
        return Gate(
            name,
            Breaker(rules, self._generator),
            limit=Limit(start, ceiling),
            quota=Quota(allowance) if is_counted else None,
        )

    def _rules(self, scale: int) -> BreakerRules:
        settings = self._settings
        return BreakerRules(
            failures=settings.failures_open * scale,
            rate=settings.failure_rate_open,
            volume=settings.failure_volume * scale,
            probes=settings.probes,
            open_ns=round(settings.open_s * _S),
            open_most_ns=round(settings.open_most_s * _S),
        )
