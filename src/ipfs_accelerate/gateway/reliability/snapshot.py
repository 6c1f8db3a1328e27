"""How the dispatcher stands, for statistics; no secrets, no requests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.routes import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.reliability.breaker import CircuitState
    from ipfs_accelerate.gateway.reliability.call import Call
    from ipfs_accelerate.gateway.reliability.gate import Gate
    from ipfs_accelerate.gateway.reliability.queue import WaitingQueue
    from ipfs_accelerate.gateway.reliability.sites import KeySite, Site

__all__ = ["Counts", "EndpointState", "GateState", "KeyState", "Snapshot", "picture"]


@dataclass(slots=True)
class Counts:
    """Events since the beginning; ``expired`` and ``evicted`` are among ``failed``."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    evicted: int = 0
    attempts: int = 0
    repeats: int = 0
    hedges: int = 0


@dataclass(frozen=True, slots=True)
class GateState:
    """What stands before a key, an endpoint or a provider.

    Attributes:
        reason: Code of the error that opened the circuit; ``None`` while it is closed.
        concurrent_limit: Of requests at once, as learned so far.
        rest_until_ns: Nothing is sent before this moment; in the past: no rest.
    """

    circuit: CircuitState
    reason: str | None
    in_flight: int
    concurrent_limit: float
    rest_until_ns: int


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key; limits are ``None`` while they are not known.

    Attributes:
        requests: Counted in the window now.
        tokens: Likewise.
    """

    name: str | None
    gate: GateState
    requests: int
    request_limit: int | None
    tokens: int
    token_limit: int | None
    window_s: float


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint; ``latency_s`` is ``None`` before the first answer."""

    name: str
    provider: str
    gate: GateState
    service: GateState
    latency_s: float | None
    keys: tuple[KeyState, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment.

    Attributes:
        calls: Not over: waiting, running, or before a repeat.
        in_flight: Attempts that run.
        waiting: In the queue, repeats included.
        waiting_by_priority: Of them, those not tried yet.
    """

    calls: int
    in_flight: int
    waiting: int
    waiting_by_priority: Mapping[Priority, int]
    counts: Counts
    endpoints: Mapping[str, EndpointState] = field(default_factory=dict)


def picture(
    counts: Counts,
    sites: Mapping[str, Site],
    *,
    queue: WaitingQueue[Call],
    in_flight: int,
    calls: int,
) -> Snapshot:
    """Copy what is of interest."""
    return Snapshot(
        calls,
        in_flight,
        queue.count,
        {priority: queue.waiting(priority) for priority in Priority},
        replace(counts),
        {name: _endpoint(site) for name, site in sites.items()},
    )


def _endpoint(site: Site) -> EndpointState:
    latency_ns = site.gate.limit.latency_ns
    return EndpointState(
        site.name,
        site.endpoint.provider,
        _gate(site.gate),
        _gate(site.service),
        None if latency_ns is None else latency_ns / 1e9,
        tuple(map(_key, site.keys)),
    )


def _key(key: KeySite) -> KeyState:
    quota = key.quota
    return KeyState(
        key.name,
        _gate(key.gate),
        quota.requests,
        quota.request_limit,
        quota.tokens,
        quota.token_limit,
        quota.window_ns / 1e9,
    )


def _gate(gate: Gate) -> GateState:
    breaker = gate.breaker
    return GateState(
        breaker.state, breaker.reason, gate.limit.in_flight, gate.limit.value, gate.rest_ns
    )
