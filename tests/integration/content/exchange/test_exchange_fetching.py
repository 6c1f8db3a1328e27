"""Fetching over real sockets: whatever the sources do, only right bytes are kept, each once."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, Codec
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.dag.pb import Link, Node
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.dag.unixfs import Kind, UnixNode
from ipfs_accelerate.content.dag.unixfs import encode as encode_unixfs
from ipfs_accelerate.content.exchange import Exchange, ExchangeSettings, FetchProgress
from ipfs_accelerate.content.sources import SourceKind
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.errors import ContentNotFoundError
from ipfs_accelerate.telemetry import MonotonicClock
from ipfs_accelerate.testing.conformance.source import SampleFile, sample_file
from ipfs_accelerate.testing.gateway_server import FakeGateway, GatewayFault

if TYPE_CHECKING:
    from conftest import Bench


def whole(bench: Bench, content: SampleFile) -> bool:
    path = bench.store.file_path(content.layout.root)
    return path is not None and path.read_bytes() == content.data


def asked_for(server: FakeGateway, cid: Cid) -> int:
    return sum(str(cid) in request.path for request in server.requests)


def test_a_file_arrives_whole_and_costs_few_requests(bench: Bench) -> None:
    content = sample_file(400, 20_000)
    server = bench.gateway(content)
    report = Exchange(bench.store, [bench.source(server)], settings=bench.settings).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    assert report.received_blocks == 401
    assert report.duplicate_bytes == 0
    assert report.total_bytes == len(content.data)
    assert len(server.requests) < 100


def test_what_is_here_is_not_fetched_again(bench: Bench) -> None:
    content = sample_file()
    server = bench.gateway(content)
    exchange = Exchange(bench.store, [bench.source(server)], settings=bench.settings)
    exchange.fetch(content.layout.root)
    asked = len(server.requests)
    report = exchange.fetch(str(content.layout.root))
    assert len(server.requests) == asked
    assert (report.received_bytes, report.local_bytes) == (0, len(content.data))


def test_a_fifth_dead_and_a_tenth_lying_completes_and_bans_every_liar(bench: Bench) -> None:
    content = sample_file(200, 10_000)
    servers = [bench.gateway(content) for _ in range(10)]
    sources = [bench.source(server) for server in servers]
    servers[3].is_silent.set()
    servers[7].stop()
    for leaf in content.layout.leaves:
        servers[5].corrupt(leaf.cid)
    report = Exchange(bench.store, sources, settings=bench.settings).fetch(content.layout.root)
    assert whole(bench, content)
    assert set(report.bans) == {sources[5].name}
    evidence = report.bans[sources[5].name]
    wrong = servers[5].block(evidence.cid)
    assert wrong is not None
    assert evidence.sha256 == hashlib.sha256(wrong).hexdigest()
    assert evidence.size_bytes == len(wrong)
    assert report.sources[sources[5].name].received_bytes in {0, len(
        content.blocks[content.layout.root]
    )}  # fmt: skip


def test_every_liar_is_banned_at_its_first_wrong_block(bench: Bench) -> None:
    content = sample_file(120, 5_000)
    honest = bench.gateway(content)
    liars = [bench.gateway(content) for _ in range(4)]
    for index, liar in enumerate(liars):
        for leaf in content.layout.leaves[index::2]:
            liar.corrupt(leaf.cid)
    sources = [bench.source(server) for server in (*liars, honest)]
    report = Exchange(bench.store, sources, settings=bench.settings).fetch(content.layout.root)
    assert whole(bench, content)
    assert set(report.bans) <= {source.name for source in sources[:4]}
    assert report.bans


def test_flipped_bits_are_all_caught_on_the_way(bench: Bench) -> None:
    content = sample_file(60, 3_000)
    generator = np.random.default_rng(5)
    servers = [bench.gateway(content, has_car=False) for _ in range(12)]
    for server in servers[1:]:
        server.fail(GatewayFault(flip_at=int(generator.integers(0, 1_900))), times=500,
                    path="format=raw")  # fmt: skip
    sources = [bench.source(server) for server in servers]
    report = Exchange(bench.store, sources, settings=bench.settings).fetch(content.layout.root)
    assert whole(bench, content)
    assert sources[0].name not in report.bans
    asked = {s.name for s, server in zip(sources, servers, strict=True) if server.requests}
    assert set(report.bans) == asked - {sources[0].name}


@pytest.mark.parametrize(
    "fault",
    [
        GatewayFault(status=429, headers={"Retry-After": "0"}),
        GatewayFault(status=503),
        GatewayFault(is_reset=True),
        GatewayFault(cut_at=100),
        GatewayFault(announce=40_000),
        GatewayFault(is_unframed=True, cut_at=50),
    ],
    ids=["429", "503", "reset", "cut", "longer-than-announced", "cut-unframed"],
)
def test_passing_faults_of_the_only_source_are_outlived(bench: Bench, fault: GatewayFault) -> None:
    content = sample_file(20, 20_000)
    server = bench.gateway(content)
    server.fail(fault, times=2)
    report = Exchange(bench.store, [bench.source(server)], settings=bench.settings).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    assert not report.bans
    assert report.sources[next(iter(report.sources))].failures == 2


@pytest.mark.parametrize(
    "fault",
    [
        GatewayFault(is_reversed=True),
        GatewayFault(extra=((Cid.of(b"uninvited"), b"uninvited"),)),
        GatewayFault(extra=((Cid.of(b"uninvited"), b"something else"),)),
    ],
    ids=["reversed", "extra-block", "extra-wrong-block"],
)
def test_cars_in_odd_shapes_still_deliver(bench: Bench, fault: GatewayFault) -> None:
    content = sample_file(60, 20_000)
    server = bench.gateway(content)
    server.fail(fault, times=1000, path="format=car")
    Exchange(bench.store, [bench.source(server)], settings=bench.settings).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    assert not bench.store.has(Cid.of(b"uninvited"))


def test_a_source_that_lacks_a_block_is_asked_for_it_once(bench: Bench) -> None:
    content = sample_file(30, 5_000)
    poor, rich = bench.gateway(content, has_car=False), bench.gateway(content, has_car=False)
    lacked = [leaf.cid for leaf in content.layout.leaves[::3]]
    for cid in lacked:
        poor.forget(cid)
    Exchange(bench.store, [bench.source(poor), bench.source(rich)], settings=bench.settings).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    assert all(asked_for(poor, cid) <= 1 for cid in lacked)


def test_what_nobody_has_is_named_with_the_reasons_and_the_rest_is_kept(bench: Bench) -> None:
    content = sample_file(30, 5_000)
    servers = [bench.gateway(content), bench.gateway(content)]
    lost = content.layout.leaves[11].cid
    for server in servers:
        server.forget(lost)
    sources = [bench.source(server) for server in servers]
    sources.append(GatewaySource("http://127.0.0.1:9"))
    exchange = Exchange(bench.store, sources, settings=bench.settings)
    with pytest.raises(ContentNotFoundError) as caught:
        exchange.fetch(content.layout.root)
    assert caught.value.details["missing"] == [str(lost)]
    reasons = caught.value.details["sources"]
    assert isinstance(reasons, dict)
    assert set(reasons) == {source.name for source in sources}
    assert "refused" in reasons[sources[2].name]
    assert sum(bench.store.has(leaf.cid) for leaf in content.layout.leaves) == 29
    served = [len(server.requests) for server in servers]
    servers[0].blocks[lost.multihash] = (lost, content.blocks[lost])
    Exchange(bench.store, sources[:2], settings=bench.settings).fetch(content.layout.root)
    assert whole(bench, content)
    again = sum(len(server.requests) for server in servers) - sum(served)
    assert again <= 2


def test_without_any_source_it_says_so(bench: Bench) -> None:
    with pytest.raises(ContentNotFoundError, match="there is no source"):
        Exchange(bench.store, settings=bench.settings).fetch(Cid.of(b"x"))


def test_a_cancel_ends_within_a_second_and_what_came_is_not_fetched_again(bench: Bench) -> None:
    content = sample_file(50, 20_000)
    server = bench.gateway(content, has_car=False)
    source = bench.source(server)
    cancel = threading.Event()

    def stop_early(seen: FetchProgress) -> None:
        if seen.done_bytes >= 400_000:  # it hangs at the next block
            cancel.set()

    settings = ExchangeSettings(requests_per_source=1)
    server.fail(GatewayFault(stall_at=5), path=str(content.layout.leaves[20].cid), times=1)
    start_ns = MonotonicClock.now_ns()
    report = Exchange(bench.store, [source], settings=settings).fetch(
        content.layout.root, progress=stop_early, cancel=cancel
    )
    assert report.is_cancelled
    assert MonotonicClock.now_ns() - start_ns < 3_000_000_000
    came = report.received_blocks
    assert came == 21
    report = Exchange(bench.store, [source], settings=settings).fetch(content.layout.root)
    assert whole(bench, content)
    assert report.received_blocks == 51 - came


_CHILD = """
import sys
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.sources.gateway import GatewaySource
store = FileBlockStore(sys.argv[1])
def told(seen):
    print(seen.done_bytes, flush=True)
Exchange(store, [GatewaySource(sys.argv[2])]).fetch(sys.argv[3], progress=told)
"""


def test_a_killed_fetch_resumes_without_asking_again_for_what_had_come(bench: Bench) -> None:
    content = sample_file(60, 20_000)
    server = bench.gateway(content, has_car=False)
    server.fail(GatewayFault(stall_at=5), path=str(content.layout.leaves[45].cid), times=1)
    server.fail(GatewayFault(stall_at=5), path=str(content.layout.leaves[46].cid), times=1)
    server.fail(GatewayFault(stall_at=5), path=str(content.layout.leaves[50].cid), times=1)
    arguments = [str(bench.folder / "killed"), server.url, str(content.layout.root)]
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    seen = 0
    quiet = 0
    for line in child.stdout:  # until nothing moves any more: all three requests hang
        quiet = quiet + 1 if int(line) == seen else 0
        seen = int(line)
        if seen > 400_000 and quiet > 5:
            break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    bench.store = bench.open_store("killed")
    report = Exchange(bench.store, [bench.source(server)], settings=bench.settings).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    assert report.local_bytes >= seen
    assert report.received_bytes <= len(content.data) - seen


def test_peers_are_preferred_to_the_origin_when_both_would_do(bench: Bench) -> None:
    content = sample_file(100, 20_000)
    peer, origin = bench.gateway(content), bench.gateway(content)
    sources = [bench.source(origin), bench.source(peer, SourceKind.PEER)]
    report = Exchange(bench.store, sources, settings=bench.settings).fetch(content.layout.root)
    assert whole(bench, content)
    assert report.sources[sources[0].name].received_bytes <= 0.25 * len(content.data)


def test_a_gate_leaves_blocks_to_others(bench: Bench) -> None:
    content = sample_file(40, 5_000)
    first, second = bench.gateway(content), bench.gateway(content)
    sources = [bench.source(first), bench.source(second)]
    mine = {leaf.cid for leaf in content.layout.leaves[::2]}

    def gate(source: str, want: object) -> bool:
        cid = want.cid  # type: ignore[attr-defined]
        return cid == content.layout.root or (cid in mine) == (source == sources[0].name)

    report = Exchange(bench.store, sources, settings=bench.settings, gate=gate).fetch(
        content.layout.root
    )
    assert whole(bench, content)
    blocks = [report.sources[s.name].received_blocks for s in sources]
    assert sorted(blocks) == [20, 21]


def test_a_source_added_on_the_way_is_used(bench: Bench) -> None:
    content = sample_file(30, 5_000)
    half = bench.gateway(content)
    for leaf in content.layout.leaves[15:]:
        half.forget(leaf.cid)
    late = bench.source(bench.gateway(content))
    exchange = Exchange(bench.store, [bench.source(half)], settings=ExchangeSettings(linger_s=20.0))
    added = threading.Event()

    def add(seen: FetchProgress) -> None:
        if seen.done_bytes >= 75_000 and not added.is_set():
            added.set()
            exchange.add_source(late)

    exchange.fetch(content.layout.root, progress=add)
    assert added.is_set()
    assert whole(bench, content)


def test_a_tree_of_directories_repeated_leaves_and_small_files_arrives(bench: Bench) -> None:
    blocks: dict[Cid, bytes] = {}
    same = b"\0" * 4_000
    files = {
        "big.bin": same * 5 + b"end",
        "twin.bin": same * 3,
        "small.txt": b"hello",
        "empty": b"",
    }
    links = [
        Link(name, cid, len(files[name]))
        for name, cid in ((n, _unixfs_file(d, blocks)) for n, d in sorted(files.items()))
    ]
    inner = _put(blocks, encode_pb(Node(tuple(links), _directory())), Codec.DAG_PB)
    outer_links = (Link("again", links[0].cid, 1), Link("inner", inner, 1))
    root = _put(blocks, encode_pb(Node(outer_links, _directory())), Codec.DAG_PB)
    note = _put(blocks, cbor.encode({"tree": root, "name": "x"}), Codec.DAG_CBOR)
    server = bench.stack.enter_context(FakeGateway(blocks))
    report = Exchange(bench.store, [bench.source(server)], settings=bench.settings).fetch(note)
    for link in links:
        path = bench.store.file_path(link.cid)
        assert path is not None, link.name
        assert path.read_bytes() == files[link.name]
    assert report.received_blocks == len(blocks)
    assert all(bench.store.has(cid) for cid in blocks)


def test_progress_ends_at_the_whole_size(bench: Bench) -> None:
    content = sample_file(30, 5_000)
    source = bench.source(bench.gateway(content))
    seen: list[FetchProgress] = []
    Exchange(bench.store, [source], settings=bench.settings).fetch(
        content.layout.root, progress=seen.append
    )
    assert seen[-1].done_bytes == seen[-1].total_bytes == len(content.data)
    assert seen[-1].is_total_final
    assert seen[-1].by_source[source.name] >= len(content.data)
    assert [s.done_bytes for s in seen] == sorted(s.done_bytes for s in seen)


def _put(blocks: dict[Cid, bytes], data: bytes, codec: int = Codec.RAW) -> Cid:
    cid = Cid.of(data, codec=codec)
    blocks[cid] = data
    return cid


def _directory() -> bytes:
    return encode_unixfs(UnixNode(Kind.DIRECTORY))


def _unixfs_file(data: bytes, blocks: dict[Cid, bytes]) -> Cid:
    parts = [data[i : i + 4_000] for i in range(0, len(data), 4_000)] or [b""]
    cids = [_put(blocks, part) for part in parts]
    if len(cids) == 1:
        return cids[0]
    sizes = tuple(len(part) for part in parts)
    node = UnixNode(Kind.FILE, size_bytes=len(data), block_sizes=sizes)
    links = tuple(Link("", cid, size) for cid, size in zip(cids, sizes, strict=True))
    return _put(blocks, encode_pb(Node(links, encode_unixfs(node))), Codec.DAG_PB)
