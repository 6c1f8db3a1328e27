"""Real sockets against a real server: what must be refused, cut or bounded."""

from __future__ import annotations

import gc
import logging
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.profiles import UNIXFS_V1_2025
from ipfs_accelerate.content.serving import GatewayServer, Limits, Options, Request, Route, text
from ipfs_accelerate.errors import BlockMismatchError, ConfigurationError

DATA = b"secrets"
CID = Cid.of(DATA)
BLOCKS = MemoryBlocks([(CID, DATA)])
ROOT = "QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt"


@pytest.fixture(scope="module")
def server():
    with GatewayServer(BLOCKS, token=None) as made:
        yield made


def ask(server: GatewayServer, request: bytes, *, timeout_s: float = 10) -> bytes:
    """Everything that comes back until the server closes or says nothing more."""
    with socket.create_connection((server.host, server.port), timeout=timeout_s) as raw:
        raw.sendall(request)
        raw.shutdown(socket.SHUT_WR)
        try:
            return b"".join(iter(lambda: raw.recv(65536), b""))
        except ConnectionError:
            return b""


def get(target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


# Paths


@pytest.mark.parametrize(
    "target",
    [
        "/ipfs/../../etc/passwd",
        "/ipfs/%2e%2e/%2e%2e/etc/passwd",
        "/ipfs/%252e%252e/etc/passwd",
        "/ipfs/..%2f..%2fetc%2fpasswd",
        "/ipfs/..%5c..%5cetc",
        f"/ipfs/{CID}/../{CID}?format=raw",
        f"/ipfs/{CID}/%2e%2e/{CID}?format=raw",
        f"/ipfs/{CID}%00?format=raw",
        f"/ipfs/{CID}%2f?format=raw",
        f"//ipfs/{CID}?format=raw",
        f"/ipfs/{CID}/%zz",
        "/ipfs/" + "a/" * 3000,
        "/ipfs/" + "%41" * 2000,
        "/ipns/../ipfs",
        "*",
        "/",
    ],
)
def test_no_path_leads_out(server: GatewayServer, target: str) -> None:
    answer = ask(server, get(target))
    assert 400 <= status(answer) < 500
    assert b"root:" not in answer
    assert DATA not in answer.partition(b"\r\n\r\n")[2]


def test_an_absolute_target_is_no_proxy(server: GatewayServer) -> None:
    assert status(ask(server, get("http://evil.example/ipfs/x"))) in {400, 404}
    connect = b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n"
    assert status(ask(server, connect)) in {400, 403, 404, 405}


def test_paths_into_hostile_shards_end(server: GatewayServer) -> None:
    """Shards that name each other's buckets wrongly, link to themselves in spirit, or lie."""
    from ipfs_accelerate.content.dag.pb import Link, Node, encode
    from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode
    from ipfs_accelerate.content.dag.unixfs import encode as encode_unixfs

    def shard(links: tuple[Link, ...], **change: object) -> bytes:
        fields = {"data": b"\xff" * 32, "hash_type": 0x22, "fanout": 256} | change
        return encode(Node(links, encode_unixfs(UnixNode(Kind.HAMT, **fields))))

    blocks = MemoryBlocks()
    block = shard((Link("00x", CID, 1),))
    roots = []
    for _ in range(30):  # deeper than a hash has bits
        cid = Cid.of(block, codec=0x70)
        blocks.put(cid, block)
        links = tuple(Link(f"{bucket:02X}", cid, 1) for bucket in range(256))
        block = shard(links)
    for hostile in (
        block,
        shard((), fanout=2**40),
        shard((), hash_type=1),
        shard((Link("ZZx", CID, 1),)),
        shard((Link("00", Cid.of(shard(())), 1),)),
    ):
        roots.append(Cid.of(hostile, codec=0x70))
        blocks.put(roots[-1], hostile)
    with GatewayServer(blocks, token=None) as shards:
        for root in roots:
            for path in ("name", "name/below", ""):
                assert status(ask(shards, get(f"/ipfs/{root}/{path}"))) in {404, 500}


def test_what_cannot_be_parsed_fills_no_log(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert status(ask(server, b"\x00\x01\x02\r\n\r\n")) == 400
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# Headers


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(900)),
        "bytes=0-18446744073709551616",
        "bytes=-" + "9" * 500,
        "bytes=" + "0-," * 1000,
        "bytes=1-2-3",
        "bytes=\x7f",
    ],
)
def test_ranges_cost_no_more_than_the_content(server: GatewayServer, ranges: str) -> None:
    answer = ask(server, get(f"/ipfs/{CID}?format=raw", f"Range: {ranges}"))
    assert status(answer) in {200, 206, 400, 416}
    assert len(answer.partition(b"\r\n\r\n")[2]) < 100


@pytest.mark.parametrize("size", [-(10**17), 10**17])
def test_entity_bytes_beyond_all_sizes_are_read(server: GatewayServer, size: int) -> None:
    target = f"/ipfs/{CID}?format=car&entity-bytes={size}:{size}"
    assert status(ask(server, get(target))) == 200
    assert status(ask(server, get(f"{target}0000000000"))) == 400


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET /ipfs/x HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"G\x00T /ipfs/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 5000 + b"\r\n",
        b"GET /ipfs/x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    ],
)
def test_shapes_that_smuggle_are_one_refusal(server: GatewayServer, request_bytes: bytes) -> None:
    answer = ask(server, request_bytes)
    assert len(re.findall(rb"HTTP/1\.\d \d{3} ", answer)) <= 1
    assert status(answer) in {0, 400, 404}
    assert b"Traceback" not in answer


def test_a_body_nobody_asked_for_is_no_second_request(server: GatewayServer) -> None:
    inner = get(f"/ipfs/{CID}?format=raw")
    outer = b"POST /ipfs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner)
    answer = ask(server, outer + inner)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status(answer) == 405


def test_a_response_header_cannot_be_injected(server: GatewayServer) -> None:
    answer = ask(server, get(f"/ipfs/{CID}?format=raw&filename=a%0d%0aX-Evil:%201%0d%0a%0d%0a"))
    assert status(answer) == 200
    assert b"\r\nX-Evil" not in answer


def test_names_in_listings_are_no_markup() -> None:
    from ipfs_accelerate.content.dag.pb import Link, Node, encode

    folder = encode(Node((Link("<script>'\"&\udcff", CID, 1),), b"\x08\x01"))
    root = Cid.of(folder, codec=0x70)
    with GatewayServer(MemoryBlocks([(root, folder)]), token=None) as server:
        answer = httpx.get(f"{server.url}/ipfs/{root}/")
    assert "<script>" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_pages_are_served_without_rights() -> None:
    page = b"<!doctype html><script>fetch('/ipfs/other')</script>"
    cid = Cid.of(page)
    with GatewayServer(MemoryBlocks([(cid, page)]), token=None) as server:
        answer = httpx.get(f"{server.url}/ipfs/{cid}")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


# Who asks


def test_without_the_token_there_is_nothing_to_see() -> None:
    seen: list[Request] = []
    route = Route("GET", "/own/", lambda request: seen.append(request) or text(200, "own"))
    with GatewayServer(BLOCKS, routes=[route]) as server:
        for token in ("", "Bearer x", f"Bearer {server.token}x", f"Basic {server.token}"):
            for path in (f"/ipfs/{CID}?format=raw", "/ipfs/nonsense", "/own/x", "/elsewhere"):
                headers = {"Authorization": token} if token else {}
                answer = httpx.get(server.url + path, headers=headers)
                if path != "/elsewhere":
                    assert answer.status_code == 401
                    assert answer.headers["www-authenticate"].startswith("Bearer")
                assert DATA not in answer.content
        assert seen == []
        assert server.statistics().rejections["token"] == 12


@pytest.mark.parametrize(
    "credentials", [b"Bearer \xc3\xa9", b"\xff\xfe", b"Bearer", b"", b"Bearer  "]
)
def test_credentials_in_no_alphabet_are_wrong_credentials(credentials: bytes) -> None:
    with GatewayServer(BLOCKS) as server:
        head = f"GET /ipfs/{CID}?format=raw HTTP/1.1\r\nHost: localhost\r\n".encode()
        request = head + b"Authorization: " + credentials + b"\r\nConnection: close\r\n\r\n"
        answer = ask(server, request)
    assert status(answer) in {400, 401}
    assert DATA not in answer


def test_a_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with GatewayServer(BLOCKS) as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        assert httpx.get(f"{server.url}/ipfs/{CID}?format=raw", headers=headers).status_code == 200
        assert httpx.get(f"{server.url}/ipfs/bad%0aline", headers=headers).status_code == 400
    lines = [record for record in caplog.records if record.name.startswith("ipfs_accelerate")]
    assert any("200 7 bytes" in record.getMessage() for record in lines)
    assert server.token is not None
    assert all(server.token not in record.getMessage() for record in caplog.records)
    assert all("\n" not in record.getMessage() for record in lines)


@pytest.mark.parametrize(
    "header", ["Host: evil.example", "Host: 127.0.0.1.nip.io", "Origin: http://evil.example"]
)
def test_a_page_cannot_reach_in_through_a_rebound_name(server: GatewayServer, header: str) -> None:
    host = [] if header.startswith("Host") else ["Host: localhost"]
    lines = [f"GET /ipfs/{CID}?format=raw HTTP/1.1", *host, header, "Connection: close", "", ""]
    answer = ask(server, "\r\n".join(lines).encode())
    assert status(answer) == 403
    assert DATA not in answer


def test_the_whole_network_is_not_served_by_accident() -> None:
    with pytest.raises(ConfigurationError, match="without a token"):
        GatewayServer(BLOCKS, host="0.0.0.0", token=None)


def test_a_taken_port_is_said() -> None:
    with (
        GatewayServer(BLOCKS) as first,
        pytest.raises(ConfigurationError, match=str(first.port)),
    ):
        GatewayServer(BLOCKS, port=first.port)


# Content


def test_what_is_fetched_for_a_client_is_verified() -> None:
    wrong = Cid.of(b"something else")
    options = Options(fetch_missing=lambda _: b"not it")
    with GatewayServer(BLOCKS, token=None, options=options) as server:
        answer = httpx.get(f"{server.url}/ipfs/{wrong}?format=raw")
    assert answer.status_code == 500
    assert BlockMismatchError.code not in answer.headers
    assert b"not it" not in answer.content


def test_denied_content_is_410_wherever_it_is_met() -> None:
    options = Options(is_denied=lambda cid: cid == CID)
    with GatewayServer(BLOCKS, token=None, options=options) as server:
        for query in ("?format=raw", "?format=car", ""):
            answer = httpx.get(f"{server.url}/ipfs/{CID}{query}")
            assert answer.status_code == 410
            assert DATA not in answer.content


# Clients that take their time


def test_slow_headers_are_cut() -> None:
    limits = Limits(header_timeout_s=0.3, idle_timeout_s=30)
    with GatewayServer(BLOCKS, token=None, limits=limits) as server:
        sockets = [socket.create_connection((server.host, server.port)) for _ in range(20)]
        begun = time.perf_counter()
        for raw in sockets:
            raw.settimeout(10)
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        for raw in sockets:
            with raw:
                _until_closed(raw)
        assert 0.2 < time.perf_counter() - begun < 8
        assert server.statistics().rejections["slow_headers"] == 20
        assert httpx.get(f"{server.url}/ipfs/{CID}?format=raw").content == DATA


def test_a_slow_body_is_cut() -> None:
    route = Route("POST", "/own/", lambda _: text(200, "own"), max_body_bytes=100)
    limits = Limits(header_timeout_s=0.3)
    with GatewayServer(BLOCKS, token=None, limits=limits, routes=[route]) as server:
        with socket.create_connection((server.host, server.port), timeout=10) as raw:
            raw.sendall(b"POST /own/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc")
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert status(answer) == 408


def test_idle_connections_are_closed() -> None:
    with (
        GatewayServer(BLOCKS, token=None, limits=Limits(idle_timeout_s=0.2)) as server,
        socket.create_connection((server.host, server.port), timeout=10) as raw,
    ):
        raw.sendall(f"GET /ipfs/{CID}?format=raw HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 200")
        _until_closed(raw)


def test_a_client_that_does_not_read_is_cut(big: tuple[FileBlockStore, Cid]) -> None:
    store, root = big
    limits = Limits(stall_timeout_s=0.3, idle_timeout_s=30)
    with GatewayServer(store, token=None, limits=limits) as server:
        for cut, form in enumerate(("?format=car", ""), 1):
            with _reading_nothing(server, f"/ipfs/{root}{form}"):
                _wait_for(lambda: server.statistics().cut == cut)  # noqa: B023 - called at once
        assert server.statistics().rejections["stalled"] == 2


def test_cars_at_once_are_limited(big: tuple[FileBlockStore, Cid]) -> None:
    store, root = big
    with GatewayServer(store, token=None, limits=Limits(car_streams=2)) as server:
        url = f"{server.url}/ipfs/{root}?format=car"
        held = [_reading_nothing(server, f"/ipfs/{root}?format=car") for _ in range(2)]
        for raw in held:
            assert raw.recv(12) == b"HTTP/1.1 200"
        refused = httpx.get(url)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        for raw in held:
            raw.close()
        _wait_for(lambda: httpx.get(url).status_code == 200)


# Clients that are many


def test_connections_are_limited() -> None:
    limits = Limits(connections=5, connections_per_client=5)
    with GatewayServer(BLOCKS, token=None, limits=limits) as server:
        held = [socket.create_connection((server.host, server.port)) for _ in range(5)]
        _wait_for(lambda: server.statistics().open_connections == 5)
        with socket.create_connection((server.host, server.port), timeout=10) as raw:
            assert raw.recv(100).startswith(b"HTTP/1.1 503")
        for raw in held:
            raw.close()
        _wait_for(lambda: server.statistics().open_connections == 0)
        assert httpx.get(f"{server.url}/ipfs/{CID}?format=raw").content == DATA
        assert server.statistics().peak_connections == 5


def test_a_client_that_asks_too_often_is_told_when_to_come_back() -> None:
    limits = Limits(requests_per_s=1, request_burst=3)
    with GatewayServer(BLOCKS, token=None, limits=limits) as server, httpx.Client() as client:
        url = f"{server.url}/ipfs/{CID}?format=raw"
        answers = [client.get(url) for _ in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert answers[4].status_code == 429
    assert int(answers[4].headers["retry-after"]) >= 1


def test_a_client_deep_in_debt_for_bytes_is_refused(big: tuple[FileBlockStore, Cid]) -> None:
    store, root = big
    limits = Limits(bytes_per_s=1000, byte_burst=1000)
    with (
        GatewayServer(store, token=None, limits=limits) as server,
        _reading_nothing(server, f"/ipfs/{root}?format=car") as raw,
    ):
        assert raw.recv(12) == b"HTTP/1.1 200"
        _wait_for(lambda: httpx.get(f"{server.url}/ipfs/bafkqaaa").status_code == 429)


@pytest.mark.needs("linux")
def test_two_hundred_clients_cost_little_memory(big: tuple[FileBlockStore, Cid]) -> None:
    store, root = big
    limits = Limits(car_streams=200)
    with GatewayServer(store, token=None, limits=limits) as server:
        assert httpx.get(f"{server.url}/ipfs/{root}?format=car").status_code == 200
        gc.collect()
        before = _resident_bytes()
        held = [_reading_nothing(server, f"/ipfs/{root}?format=car") for _ in range(200)]
        for raw in held:
            raw.settimeout(30)
            assert raw.recv(12) == b"HTTP/1.1 200"
        assert server.statistics().open_connections >= 200
        grown = _resident_bytes() - before
        for raw in held:
            raw.close()
    assert grown < 100 * 2**20


def test_many_readers_at_once_get_their_bytes(big: tuple[FileBlockStore, Cid]) -> None:
    store, root = big
    with (
        GatewayServer(store, token=None) as server,
        ThreadPoolExecutor(16) as pool,
        httpx.Client() as client,
    ):
        url = f"{server.url}/ipfs/{root}"
        whole = client.get(url).content
        ranges = [(n * 9973, n * 9973 + 70_000) for n in range(100)]
        asked = pool.map(
            lambda span: client.get(url, headers={"Range": f"bytes={span[0]}-{span[1]}"}), ranges
        )
        for (start, end), answer in zip(ranges, asked, strict=True):
            assert answer.content == whole[start : end + 1]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory):
    """A file that fits no socket buffer."""
    folder = tmp_path_factory.mktemp("big")
    path = folder / "file"
    path.write_bytes(os.urandom(1000) * 24_000)
    layout, interior = hash_file(path, UNIXFS_V1_2025)
    with FileBlockStore(folder / "blocks") as store:
        store.add_file(path, layout, interior)
        yield store, layout.root


def _reading_nothing(server: GatewayServer, target: str) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(10)
    raw.connect((server.host, server.port))
    raw.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return raw


def _until_closed(raw: socket.socket) -> None:
    try:
        while raw.recv(65536):
            pass
    except ConnectionError:
        pass


def _wait_for(claim, *, timeout_s: float = 20) -> None:
    ends = time.perf_counter() + timeout_s
    while not claim():
        assert time.perf_counter() < ends, "it did not come true"
        time.sleep(0.01)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
