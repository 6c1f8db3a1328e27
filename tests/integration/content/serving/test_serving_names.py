"""Names, pages of others, and the life of a server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.naming import RecordStore, parse_name, verify
from ipfs_accelerate.content.serving import GatewayServer, Options, Route, text

if TYPE_CHECKING:
    from pathlib import Path

FILES = "bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy"
SEED, OTHER_SEED = b"s" * 32, b"o" * 32
DAY = timedelta(days=1)


@pytest.fixture
def names(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path)


@pytest.fixture
def server(vectors: MemoryBlocks, names: RecordStore):
    with GatewayServer(vectors, token=None, options=Options(names=names)) as made:
        yield made


def test_a_record_is_served_as_it_was_signed(server: GatewayServer, names: RecordStore) -> None:
    name, record = names.publish(SEED, f"/ipfs/{FILES}", lifetime=DAY)
    answer = httpx.get(f"{server.url}/ipns/{name}?format=ipns-record")
    assert verify(parse_name(str(name)), answer.content) == record
    assert answer.headers["content-type"] == "application/vnd.ipfs.ipns-record"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.ipns-record"'
    known = {"If-None-Match": answer.headers["etag"], "Accept": answer.headers["content-type"]}
    assert httpx.get(f"{server.url}/ipns/{name}", headers=known).status_code == 304


def test_a_name_leads_to_content_and_through_names(
    server: GatewayServer, names: RecordStore
) -> None:
    first, _ = names.publish(SEED, f"/ipfs/{FILES}", lifetime=DAY)
    second, _ = names.publish(OTHER_SEED, f"/ipns/{first}", lifetime=timedelta(seconds=100))
    answer = httpx.get(f"{server.url}/ipns/{second}/ascii.txt")
    assert answer.text == "hello application/vnd.ipld.car\n"
    assert answer.headers["x-ipfs-path"] == f"/ipns/{second}/ascii.txt"
    assert answer.headers["x-ipfs-roots"].startswith(FILES)
    assert 0 < int(answer.headers["cache-control"].rpartition("=")[2]) <= 100
    raw = httpx.get(f"{server.url}/ipns/{first}/ascii.txt?format=raw")
    assert raw.text == answer.text


def test_names_in_a_circle_end(server: GatewayServer, names: RecordStore) -> None:
    name, _ = names.publish(SEED, f"/ipfs/{FILES}", lifetime=DAY)
    names.publish(SEED, f"/ipns/{name}", lifetime=DAY)
    assert httpx.get(f"{server.url}/ipns/{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("example.com", 501),
        ("not-a-key", 400),
        (FILES, 400),
        ("k51qzi5uqu5dg9ufswxt229ntzdy7p4125xzv5rtyjso89ajdujg6csfxcj260", 404),
        (
            "k51qzi5uqu5dg9ufswxt229ntzdy7p4125xzv5rtyjso89ajdujg6csfxcj260/x?format=ipns-record",
            400,
        ),
    ],
)
def test_what_is_no_name_here_is_said(server: GatewayServer, path: str, status: int) -> None:
    assert httpx.get(f"{server.url}/ipns/{path}").status_code == status


def test_pages_may_read_where_it_was_allowed(vectors: MemoryBlocks) -> None:
    options = Options(cors_origins=("http://app.example",))
    with GatewayServer(vectors, options=options) as server:
        url = f"{server.url}/ipfs/{FILES}?format=raw"
        origin = {"Origin": "http://app.example"}
        asking = origin | {"Access-Control-Request-Method": "GET"}
        asked = httpx.options(url, headers=asking)
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "http://app.example"
        answer = httpx.get(url, headers=origin | {"Authorization": f"Bearer {server.token}"})
        assert answer.headers["access-control-allow-origin"] == "http://app.example"
        assert "X-Ipfs-Roots" in answer.headers["access-control-expose-headers"]
        refused = httpx.get(url, headers=origin)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
            401,
            "http://app.example",
        )


def test_plain_files_are_offered_on_loopback_or_by_request(vectors: MemoryBlocks) -> None:
    for host, deserialized, status in (
        ("127.0.0.1", None, 200),
        ("127.0.0.1", False, 400),
        ("0.0.0.0", None, 400),
        ("0.0.0.0", True, 200),
    ):
        options = Options(deserialized=deserialized)
        with GatewayServer(vectors, host=host, options=options) as server:
            headers = {"Authorization": f"Bearer {server.token}", "Accept": ""}
            url = f"http://127.0.0.1:{server.port}/ipfs/{FILES}/ascii.txt"
            assert httpx.get(url, headers=headers).status_code == status


def test_missing_blocks_may_be_fetched_but_not_for_only_if_cached(vectors: MemoryBlocks) -> None:
    asked: list[Cid] = []

    def fetch(cid: Cid) -> bytes:
        asked.append(cid)
        return vectors.get(cid)

    options = Options(fetch_missing=fetch)
    with GatewayServer(MemoryBlocks(), token=None, options=options) as server:
        url = f"{server.url}/ipfs/{FILES}/ascii.txt?format=raw"
        cached = {"Cache-Control": "only-if-cached"}
        assert httpx.get(url, headers=cached).status_code == 412
        assert asked == []
        assert httpx.get(url).text == "hello application/vnd.ipld.car\n"


def test_close_lets_a_request_finish_and_leaves_no_thread(vectors: MemoryBlocks) -> None:
    entered, proceed = threading.Event(), threading.Event()

    def wait(_: object):
        entered.set()
        assert proceed.wait(20)
        return text(200, "done")

    before = {thread.name for thread in threading.enumerate()}
    server = GatewayServer(vectors, token=None, routes=[Route("GET", "/own/", wait)])
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{server.url}/own/x", timeout=30))
    )
    asking.start()
    assert entered.wait(20)
    closing = threading.Thread(target=server.close)
    closing.start()
    proceed.set()
    closing.join(20)
    asking.join(20)
    assert answers[0].text == "done\n"
    assert {thread.name for thread in threading.enumerate()} <= before
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


_PROGRAM = """
from ipfs_accelerate.content import MemoryBlocks
from ipfs_accelerate.content.serving import GatewayServer
server = GatewayServer(MemoryBlocks(), token=None)
print(server.url, flush=True)
server.serve_forever()
print("closed", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_ends_gracefully_when_told_to(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        url = child.stdout.readline().decode().strip()
        assert httpx.get(f"{url}/ipfs/bafkqaaa?format=raw").status_code == 200
        child.send_signal(number)
        assert child.stdout.read() == b"closed\n"
        assert child.wait(20) == 0
