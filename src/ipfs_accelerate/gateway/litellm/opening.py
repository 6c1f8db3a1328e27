"""The hook that opens endpoints of the provider ``litellm``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MissingExtraError
from ipfs_accelerate.gateway.backend import HttpBackend
from ipfs_accelerate.gateway.litellm.dialect import NAME, LiteLLM
from ipfs_accelerate.gateway.litellm.transport import LiteLLMTransport
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.backend import Backend, CallContext
    from ipfs_accelerate.gateway.routes import Endpoint

__all__ = ["LiteLLMBackend", "ipfs_accelerate_backend"]


@hookimpl
def ipfs_accelerate_backend(endpoint: Endpoint) -> Backend | None:
    """LiteLLM, for endpoints of the provider ``litellm``.

    Raises:
        MissingExtraError: LiteLLM is not installed.
    """
    if endpoint.provider != NAME:
        return None
    if find_spec("litellm") is None:
        raise MissingExtraError(NAME, needed_for=f"endpoint {endpoint.name!r}")
    return LiteLLMBackend(endpoint)


class LiteLLMBackend(HttpBackend):
    """A `Backend` that asks whatever service the model's name begins with."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._own = LiteLLMTransport(endpoint.base_url)
        super().__init__(LiteLLM(endpoint.base_url), self._own, headers=endpoint.headers)

    async def models(self, context: CallContext) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing: LiteLLM has no list of what a service has. That it can be imported is tried."""
        await self._own.load()
        return ()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._own.close()
