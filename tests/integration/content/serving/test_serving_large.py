"""Large files: sent by the kernel out of a real store, streamed, cut, paced."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.car import read_car
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.profiles import UNIXFS_V0_2015, UNIXFS_V1_2025
from ipfs_accelerate.content.reading import iter_file
from ipfs_accelerate.content.serving import GatewayServer, Limits

SIZE = 5 * 2**20 + 12_345


@pytest.fixture(scope="module")
def data() -> bytes:
    return hashlib.shake_128(b"seed").digest(SIZE)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    folder = tmp_path_factory.mktemp("store")
    (folder / "file").write_bytes(data)
    with FileBlockStore(folder / "blocks") as made:
        for profile in (UNIXFS_V1_2025, UNIXFS_V0_2015):
            layout, interior = hash_file(folder / "file", profile)
            made.add_file(folder / "file", layout, interior)
        yield made


@pytest.fixture(scope="module", params=["v1", "v0"])
def root(request: pytest.FixtureRequest, store: FileBlockStore, tmp_path_factory, data) -> Cid:
    path = tmp_path_factory.mktemp("again") / "file"
    path.write_bytes(data)
    profile = {"v1": UNIXFS_V1_2025, "v0": UNIXFS_V0_2015}[request.param]
    return hash_file(path, profile)[0].root


@pytest.fixture(scope="module")
def server(store: FileBlockStore):
    with GatewayServer(store, token=None) as made:
        yield made


def test_a_car_of_a_large_file_holds_it(server: GatewayServer, root: Cid, data: bytes) -> None:
    answer = httpx.get(f"{server.url}/ipfs/{root}?format=car")
    blocks = MemoryBlocks(read_car(io.BytesIO(answer.content)))
    assert b"".join(iter_file(root, blocks)) == data


def test_a_large_file_is_read_whole_and_in_parts(
    server: GatewayServer, root: Cid, data: bytes
) -> None:
    url = f"{server.url}/ipfs/{root}"
    assert httpx.get(url).content == data
    headers = {"Range": "bytes=1048570-3145800"}
    assert httpx.get(url, headers=headers).content == data[1048570:3145801]
    head = httpx.head(url)
    assert (head.headers["content-length"], head.content) == (str(SIZE), b"")


def test_entity_bytes_of_a_large_file_prove_the_range(
    server: GatewayServer, root: Cid, data: bytes
) -> None:
    url = f"{server.url}/ipfs/{root}?format=car&entity-bytes=1048570:1048590"
    answer = httpx.get(url)
    blocks = MemoryBlocks(read_car(io.BytesIO(answer.content)))
    assert b"".join(iter_file(root, blocks, 1048570, 1048591)) == data[1048570:1048591]
    assert len(blocks) <= 5


def test_every_leaf_is_a_raw_block_and_a_range_of_one(
    server: GatewayServer, store: FileBlockStore, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(data)
    layout, _ = hash_file(tmp_path / "file", UNIXFS_V1_2025)
    with httpx.Client(base_url=server.url) as client:
        for leaf in layout.leaves:
            leaf.cid.verify(client.get(f"/ipfs/{leaf.cid}?format=raw").content)
        last = layout.leaves[0]
        assert store.locate(last.cid) is not None
        part = client.get(f"/ipfs/{last.cid}?format=raw", headers={"Range": "bytes=1000-900000"})
        assert part.content == data[1000:900_001]


@pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="no curl here")
def test_curl_reads_resumes_and_sends_the_token(
    store: FileBlockStore, root: Cid, data: bytes, tmp_path: Path
) -> None:
    with GatewayServer(store) as server:
        out = tmp_path / "out"
        out.write_bytes(data[:1_000_000])
        curl = ["/usr/bin/curl", "-sS", "-f", "-H", f"Authorization: Bearer {server.token}"]
        url = f"{server.url}/ipfs/{root}"
        subprocess.run([*curl, "-C", "-", "-o", str(out), url], check=True, timeout=30)
        assert out.read_bytes() == data
        refused = subprocess.run(
            ["/usr/bin/curl", "-sS", "-f", url], check=False, capture_output=True, timeout=30
        )
        assert refused.returncode == 22


def test_a_car_with_a_block_missing_is_cut_and_cannot_be_taken_for_whole() -> None:
    blocks, root = _two_leaves()
    leaf = blocks.pop()
    with GatewayServer(MemoryBlocks(blocks), token=None) as server:
        with httpx.stream("GET", f"{server.url}/ipfs/{root}?format=car") as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert httpx.get(f"{server.url}/ipfs/{leaf[0]}?format=raw").status_code == 404
        assert server.statistics().cut == 1


def test_a_client_that_hangs_up_costs_nothing_more(server: GatewayServer, root: Cid) -> None:
    before = server.statistics().cut
    with socket.create_connection((server.host, server.port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(f"GET /ipfs/{root}?format=car HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 200")
    while server.statistics().cut == before:
        assert httpx.get(f"{server.url}/ipfs/bafkqaaa?format=raw").status_code == 200


def test_http_1_0_gets_a_body_that_ends_with_the_connection(
    server: GatewayServer, root: Cid
) -> None:
    with socket.create_connection((server.host, server.port)) as raw:
        raw.sendall(f"GET /ipfs/{root}?format=car HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert sum(len(block) for _, block in read_car(io.BytesIO(body))) > SIZE


def test_bytes_are_paced_and_counted(store: FileBlockStore, root: Cid, data: bytes) -> None:
    limits = Limits(bytes_per_s=8 * 2**20, byte_burst=2**20)
    with GatewayServer(store, token=None, limits=limits) as server:
        answer = httpx.get(f"{server.url}/ipfs/{root}?format=car", timeout=30)
        assert answer.elapsed.total_seconds() > 0.3
        assert server.statistics().sent_bytes["car"] == len(answer.content)


def test_a_file_that_vanished_is_read_from_the_store(tmp_path: Path) -> None:
    """As after a collection between finding a block and opening its file."""
    leaf = os.urandom(100_000)
    cid = Cid.of(leaf)

    class Moved(MemoryBlocks):
        def locate(self, cid: Cid):
            from ipfs_accelerate.content.serving import FileRange

            return FileRange(tmp_path / "gone", 0, len(leaf))

    with GatewayServer(Moved([(cid, leaf)]), token=None) as server:
        url = f"{server.url}/ipfs/{cid}?format=raw"
        assert httpx.get(url).content == leaf
        assert httpx.get(url, headers={"Range": "bytes=5-9"}).content == leaf[5:10]


def _two_leaves() -> tuple[list[tuple[Cid, bytes]], Cid]:
    from ipfs_accelerate.content.dag.cbor import encode

    leaves = [(Cid.of(data), data) for data in (b"a" * 500_000, b"b" * 500_000)]
    node = encode([cid for cid, _ in leaves])
    root = Cid.of(node, codec=0x71)
    return [(root, node), *leaves], root
