"""How the gateway stands now, as JSON-serialisable values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.engine import Engine
    from ipfs_accelerate.gateway.reliability.snapshot import EndpointState, GateState, KeyState

__all__ = ["state_fields"]


def state_fields(engine: Engine) -> dict[str, object]:
    """Queue, circuits, learned limits and keys by name; times in s from now."""
    now_ns = engine.shell.now_ns()
    found = engine.dispatcher.snapshot()
    return {
        "in_flight": found.in_flight,
        "waiting": found.waiting,
        "waiting_by_priority": {
            priority.name.lower(): count for priority, count in found.waiting_by_priority.items()
        },
        "repeats": found.counts.repeats,
        "hedges": found.counts.hedges,
        "states": [_endpoint(state, now_ns) for state in found.endpoints.values()],
    }


def _endpoint(state: EndpointState, now_ns: int) -> dict[str, object]:
    return {
        "endpoint": state.name,
        "provider": state.provider,
        **_gate(state.gate, now_ns),
        "service_circuit": str(state.service.circuit),
        "latency_ms": None if state.latency_s is None else state.latency_s * 1e3,
        "keys": [_key(key, now_ns) for key in state.keys if key.name is not None],
    }


def _key(key: KeyState, now_ns: int) -> dict[str, object]:
    return {
        "key": key.name,
        **_gate(key.gate, now_ns),
        "requests": key.requests,
        "request_limit": key.request_limit,
        "tokens": key.tokens,
        "token_limit": key.token_limit,
        "window_s": key.window_s,
    }


def _gate(gate: GateState, now_ns: int) -> dict[str, object]:
    return {
        "circuit": str(gate.circuit),
        "reason": gate.reason,
        "in_flight": gate.in_flight,
        "concurrent_limit": gate.concurrent_limit,
        "rests_s": max(0.0, (gate.rest_until_ns - now_ns) / 1e9),
    }
