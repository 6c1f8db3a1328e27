"""Nodes in one process, over real sockets and real stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from ipfs_accelerate.content.peers import Node, Standing
from ipfs_accelerate.content.peers.wire import proof_of
from ipfs_accelerate.content.serving import GatewayServer
from ipfs_accelerate.content.sources.peer import PeerSource
from ipfs_accelerate.errors import ConfigurationError, ContentNotFoundError
from ipfs_accelerate.testing.conformance.source import SourceCase, SourceConformance, sample_file
from ipfs_accelerate.testing.gateway_server import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content import Cid

TOKEN = "a token of the team, long enough"


class LyingStore:
    """Hands out every leaf with one bit flipped."""

    def __init__(self, store) -> None:
        self._store = store

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def locate(self, cid: Cid) -> None:
        return None

    def get(self, cid: Cid) -> bytes:
        data = bytearray(self._store.get(cid))
        data[0] ^= cid.codec == 0x55
        return bytes(data)


class TestPeer(SourceConformance):
    @pytest.fixture
    def case(self) -> Iterator[SourceCase]:
        content = sample_file()
        with FakeGateway(content.blocks, [content.layout]) as server:
            yield SourceCase(
                PeerSource(server.url, holds=content.blocks.__contains__),
                content,
                silence=server.is_silent.set,
                corrupt=server.corrupt,
                stop=server.stop,
                connections=lambda: server.connections,
                unreachable=PeerSource("http://127.0.0.1:9"),
            )


def test_a_team_takes_the_model_from_the_origin_about_once(team):
    stores = [team.store(f"node {n}") for n in range(5)]
    nodes = [team.node(store) for store in stores]
    with ThreadPoolExecutor(len(nodes)) as pool:
        reports = list(pool.map(lambda node: node.fetch(team.root), nodes))
    assert team.sent_ratio() <= 1.10
    assert not any(report.bans for report in reports)
    for store in stores:
        assert store.file_path(team.root).read_bytes() == team.model.read_bytes()


def test_a_node_that_comes_later_takes_everything_from_the_team(team):
    team.node(team.store("first")).fetch(team.root)
    before = team.sent_ratio()
    report = team.node(team.store("second")).fetch(team.root)
    assert team.sent_ratio() - before <= 0.1
    assert report.received_bytes >= team.model.stat().st_size


def test_one_seed_gives_a_team_without_origin_the_model_about_once(team):
    seed = team.node(team.with_model("seed"), has_origin=False)
    seed.share(team.root)
    nodes = [team.node(team.store(f"node {n}"), has_origin=False) for n in range(3)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda node: node.fetch(team.root), nodes))
    sent = seed.statistics().server.sent_bytes
    assert sent["raw"] + sent.get("car", 0) <= 1.2 * team.model.stat().st_size


def test_a_peer_that_sends_wrong_bytes_is_banned_and_nothing_of_it_is_kept(team):
    liar = team.node(LyingStore(team.with_model("liar")))
    liar.fetch(team.root)
    store = team.store("honest")
    node = team.node(store)
    report = node.fetch(team.root)
    assert list(report.bans) == [f"peer:{liar.url}"]
    assert node.statistics().members[liar.url] is Standing.BANNED
    assert "do not hash to it" in node.statistics().bans[liar.url][0]
    assert store.file_path(team.root).read_bytes() == team.model.read_bytes()


def test_the_token_lets_in_and_its_absence_does_not(team):
    node = team.node(team.store("node"))
    hello = {"id": "0" * 32, "url": "http://127.0.0.1:9", "roots": []}
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ):
        answer = httpx.post(f"{node.url}/peer/v1/hello", json=hello, headers=headers)
        assert answer.status_code == status
    bad = httpx.post(
        f"{node.url}/peer/v1/hello", content=b"{", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert 400 <= bad.status_code < 600
    assert bad.status_code != 200


def test_a_stranger_found_on_the_network_is_never_sent_the_token(team, eventually):
    stranger = team.node(team.store("stranger"), token="the token of somebody else")
    node = team.node(team.store("node"), peers=[])
    node._team.know(stranger.url)
    assert eventually(lambda: node.statistics().members.get(stranger.url) is Standing.DEAD)
    answers = stranger.statistics().server.by_status
    assert answers[200] >= 3  # proofs that prove nothing
    assert 401 not in answers


def test_a_proof_is_given_for_the_own_address_only(team):
    node = team.node(team.store("node"))
    asked = {"nonce": "n", "url": node.url}
    answer = httpx.post(f"{node.url}/peer/v1/prove", json=asked)
    assert answer.json() == {"proof": proof_of(TOKEN, nonce="n", url=node.url)}
    asked["url"] = "http://10.0.0.1:1"
    assert httpx.post(f"{node.url}/peer/v1/prove", json=asked).status_code == 403
    assert httpx.post(f"{node.url}/peer/v1/prove", json=[]).status_code == 400


def test_peers_of_peers_become_known(team, eventually):
    first = team.node(team.store("a"))
    second = team.node(team.store("b"), peers=[first.url])
    third = team.node(team.store("c"), peers=[first.url])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda node: node.fetch(team.root), (first, second, third)))
    assert eventually(lambda: second.url in third.statistics().members)


def test_what_is_not_here_cannot_be_shared(team):
    with pytest.raises(ContentNotFoundError):
        team.node(team.store("empty")).share(team.root)


def test_nodes_find_each_other_by_multicast_on_loopback(team, eventually):
    pytest.importorskip("zeroconf")
    first = team.node(team.store("a"), peers=[], discover=True)
    second = team.node(team.store("b"), peers=[], discover=True)
    assert eventually(lambda: first.statistics().members.get(second.url) is Standing.LIVE)
    assert eventually(lambda: second.statistics().members.get(first.url) is Standing.LIVE)


def test_a_wildcard_address_cannot_be_announced(team):
    with pytest.raises(ConfigurationError):
        team.node(team.store("a"), host="0.0.0.0", discover=True)


def test_a_node_whose_port_is_taken_leaves_nothing_behind(team):
    with GatewayServer(team.store("x"), token=None) as other, pytest.raises(ConfigurationError):
        Node(team.store("y"), token=TOKEN, port=other.port)
