"""Which targets the tables ``[gateway.…]`` make."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import UnknownTargetError
from ipfs_accelerate.hardware import Precision, Support
from ipfs_accelerate.runtimes import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.config import Settings

__all__ = ["is_remote", "remote_targets"]

_RUNTIME = "gateway"


def is_remote(target: str | Target) -> bool:
    """Whether a target, or a pattern of targets, is about services behind the gateway."""
    return str(target).startswith(f"{_RUNTIME}/")


def remote_targets(
    settings: Settings, patterns: Sequence[str] = ()
) -> list[tuple[Target, Support]]:
    """Every route and every endpoint that may be asked directly; one refusal where there is none.

    An endpoint is asked for the model under its own name; ``gateway/<endpoint>/<model>/remote``,
    which only a pattern can name, asks for another.

    Raises:
        ConfigurationError: The tables cannot be used.
    """
    from ipfs_accelerate.gateway.configuration import configure

    found = configure(settings.gateway, environ=os.environ)
    direct = {endpoint.name for endpoint in found.endpoints if endpoint.is_direct}
    names = [*(route.name for route in found.routes if route.name != "*"), *sorted(direct)]
    targets = dict.fromkeys(
        (*_targets(names), *_models_at(direct, patterns)), Support.yes("configured")
    )
    if targets:
        return list(targets.items())
    absent = Support.no(
        "no route or endpoint of the gateway is configured",
        hint="add [gateway.endpoints.NAME] to ipfs-accelerate.toml",
    )
    return [(Target(_RUNTIME, "any", Precision.REMOTE), absent)]


def _targets(names: Iterable[str]) -> Iterable[Target]:
    """Without those names which cannot be written as a part of a target."""
    for name in names:
        target = Target(_RUNTIME, name, Precision.REMOTE)
        if _parsed(str(target)) == target:
            yield target


def _models_at(direct: set[str], patterns: Sequence[str]) -> Iterable[Target]:
    for pattern in patterns:
        target = _parsed(pattern)
        is_named = target is not None and not any(c in pattern for c in "*?[")
        if is_named and target is not None and target.device.partition("/")[0] in direct:
            yield target


def _parsed(text: str) -> Target | None:
    try:
        return Target.parse(text)
    except UnknownTargetError:
        return None
