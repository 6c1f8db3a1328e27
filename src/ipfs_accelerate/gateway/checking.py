"""Asks each endpoint, with each of its keys, whether it is there and which models it has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.gateway.backend import CallContext
from ipfs_accelerate.gateway.transport import TimeLimits

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.engine import Engine
    from ipfs_accelerate.gateway.routes import Endpoint, Key

__all__ = ["Finding", "check"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What an endpoint said to one key.

    Attributes:
        key: Name of the key; ``None`` where the endpoint has none.
        elapsed_ns: Until the answer, or the failure.
        models: Names it gave; empty where it failed.
        error: Why it cannot be used; ``None`` when it can.
    """

    endpoint: str
    provider: str
    key: str | None
    elapsed_ns: int
    models: tuple[str, ...] = ()
    error: AccelerateError | None = None


async def check(engine: Engine, *, timeout_s: float = 10.0) -> list[Finding]:
    """Ask all endpoints at the same time; nothing that costs tokens is asked."""
    asked = [
        _ask(engine, endpoint, key, timeout_s)
        for endpoint in engine.endpoints.values()
        for key in endpoint.keys or (None,)
    ]
    return list(await asyncio.gather(*asked))


async def _ask(engine: Engine, endpoint: Endpoint, key: Key | None, timeout_s: float) -> Finding:
    began_ns = engine.shell.now_ns()
    models: tuple[str, ...] = ()
    problem: AccelerateError | None = None
    context = CallContext(
        None if key is None else key.secret.reveal(),
        TimeLimits(timeout_s, timeout_s, timeout_s, timeout_s),
    )
    try:
        models = await engine.backends[endpoint.name].models(context)
    except AccelerateError as error:
        problem = error
    name = None if key is None else key.name
    elapsed_ns = engine.shell.now_ns() - began_ns
    return Finding(endpoint.name, endpoint.provider, name, elapsed_ns, models, problem)
