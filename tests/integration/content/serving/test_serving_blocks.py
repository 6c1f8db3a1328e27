"""The server over real sockets, with a real client."""

from __future__ import annotations

import httpx
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.serving import GatewayServer, Route, text

DATA = b"some bytes of a block"
CID = Cid.of(DATA)
RAW = f"/ipfs/{CID}?format=raw"


@pytest.fixture
def server():
    routes = [
        Route("POST", "/peer/v1/", lambda request: text(200, repr(request.body)), max_body_bytes=9)
    ]
    with GatewayServer(MemoryBlocks([(CID, DATA)]), routes=routes) as made:
        yield made


@pytest.fixture
def client(server: GatewayServer):
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers) as made:
        yield made


def test_a_raw_block_is_its_bytes(client: httpx.Client) -> None:
    answer = client.get(RAW)
    CID.verify(answer.content)
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"
    assert answer.headers["etag"] == f'"{CID}.raw"'
    assert answer.headers["cache-control"] == "public, max-age=29030400, immutable"


def test_a_mounted_route_has_the_same_token(server: GatewayServer, client: httpx.Client) -> None:
    assert client.post("/peer/v1/have", content=b"abc").text == "b'abc'\n"
    assert httpx.post(f"{server.url}/peer/v1/have", content=b"abc").status_code == 401
    assert client.post("/peer/v1/have", content=b"x" * 10).status_code == 413
