"""The gateway client passes the suite of all sources, by CAR and by raw blocks alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.testing.conformance.source import SourceCase, SourceConformance, sample_file
from ipfs_accelerate.testing.gateway_server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestGateway(SourceConformance):
    @pytest.fixture(params=["car", "raw-only", "subdomain"])
    def case(self, request: pytest.FixtureRequest) -> Iterator[SourceCase]:
        content = sample_file()
        has_car = request.param != "raw-only"
        with FakeGateway(content.blocks, [content.layout], has_car=has_car) as server:
            url = server.subdomain_url if request.param == "subdomain" else server.url
            yield SourceCase(
                GatewaySource(url),
                content,
                silence=server.is_silent.set,
                corrupt=server.corrupt,
                stop=server.stop,
                connections=lambda: server.connections,
                unreachable=GatewaySource("http://127.0.0.1:9"),
            )
