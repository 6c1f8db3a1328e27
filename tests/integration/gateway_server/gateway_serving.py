"""A gateway's server on loopback in front of a mock service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.gateway import Candidate, Endpoint, Gateway, Key, Route
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.options import GatewaySettings
from ipfs_accelerate.gateway.server import GatewayServer
from ipfs_accelerate.gateway.sharing.settings import SharingSettings
from ipfs_accelerate.testing.providers import MockProvider

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.records import CallRecord

TOKEN = "token-of-this-test"


@dataclass
class Served:
    """What stands between a client and a mock."""

    server: GatewayServer
    gateway: Gateway
    mock: MockProvider
    records: list[CallRecord] = field(default_factory=list)
    token: str = TOKEN

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def url(self) -> str:
        return self.server.url


def _server(gateway: Gateway, attributes: Mapping[str, object] | None) -> GatewayServer:
    made = GatewayServer(gateway, token=TOKEN)
    for name, value in (attributes or {}).items():
        setattr(made, name, value)
    return made


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve() -> Serve:
    """Serve route ``assistant`` over a mock of ``dialect``; the rest goes to the mock."""

    @asynccontextmanager
    async def running(
        dialect: str = "openai",
        *,
        cache_bytes: int = 0,
        server: Mapping[str, object] | None = None,
        **script: object,
    ) -> AsyncIterator[Served]:
        with MockProvider(dialect, **script) as mock:  # type: ignore[arg-type]
            endpoint = Endpoint("mock", dialect, mock.url, keys=(Key("k", Secret("sk-mock-key")),))
            route = Route("assistant", ((Candidate("mock", "model-x"),),), attempts=1)
            records: list[CallRecord] = []
            sharing = SharingSettings(cache_bytes=cache_bytes)
            async with (
                Gateway(
                    [endpoint],
                    [route],
                    observers=[records.append],
                    settings=GatewaySettings(sharing),
                ) as one,
                _server(one, server) as listening,
            ):
                yield Served(listening, one, mock, records)

    return running
