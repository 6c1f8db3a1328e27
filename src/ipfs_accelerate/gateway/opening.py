"""Makes the backend of each endpoint: a service over HTTP, or one that a plugin brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError
from ipfs_accelerate.gateway.backend import HttpBackend
from ipfs_accelerate.gateway.providers.registry import make_provider
from ipfs_accelerate.plugins import plugin_manager

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.gateway.backend import Backend
    from ipfs_accelerate.gateway.routes import Endpoint
    from ipfs_accelerate.gateway.transport import Transport

__all__ = ["open_backends"]


def open_backends(
    endpoints: Sequence[Endpoint], transport: Transport, *, given: Mapping[str, Backend]
) -> dict[str, Backend]:
    """Backends by the name of their endpoint.

    Raises:
        UnknownNameError: There is no such provider.
        ConfigurationError: A service that wants a key has none, or has no address.
    """
    return {
        endpoint.name: given.get(endpoint.name) or _open(endpoint, transport)
        for endpoint in endpoints
    }


def _open(endpoint: Endpoint, transport: Transport) -> Backend:
    brought: Backend | None = plugin_manager().hook.ipfs_accelerate_backend(endpoint=endpoint)
    if brought is not None:
        return brought
    provider = make_provider(endpoint.provider, endpoint.base_url)
    if not provider.base_url:
        raise ConfigurationError(
            f"endpoint {endpoint.name!r} has no address",
            hint=f"set base_url; {endpoint.provider} has none that fits everybody",
        )
    is_theirs = endpoint.base_url is None  # a server of one's own may want no key
    if is_theirs and provider.capabilities.needs_key and not endpoint.keys:
        raise ConfigurationError(
            f"endpoint {endpoint.name!r} has no key, and {endpoint.provider} wants one",
            hint='set keys, e.g. keys = ["env:OPENAI_API_KEY"]',
        )
    return HttpBackend(provider, transport, headers=endpoint.headers)
