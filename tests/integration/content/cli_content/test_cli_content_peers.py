"""``accel content peers``: how nodes see their team."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.peers import Node, Standing
from ipfs_accelerate.content.peers.overview import Overview
from ipfs_accelerate.errors import ContentFormatError

TOKEN = "a token of the team, long enough"


def test_a_node_says_what_it_has_and_what_it_thinks_of_others(machine, model: Path) -> None:
    cid = machine.content("add", model).first
    dead = "http://127.0.0.1:9"
    with (
        FileBlockStore(machine.home / "content") as store,
        Node(store, token=TOKEN, peers=[dead]) as node,
    ):
        node.share(Cid.parse(cid))
        machine.environment = {"CONTENT_TOKEN": TOKEN, "CONTENT_PEERS": node.url}
        found = machine.content("peers", "--json")
        assert found.code == 0
        (row,) = found.json["nodes"]
        (holding,) = row["holdings"]
        assert holding["root"] == cid
        assert holding["have"] == holding["leaves"] == 5
        assert [member["url"] for member in row["members"]] == [dead]
        assert [m.url for m in node.overview().members] == [dead], "who asks is no member"
        shown = machine.content("peers").out
        assert f"has    {cid}  5 of 5 blocks" in shown
        assert f"knows  {dead}" in shown


def test_who_is_no_node_or_of_another_team_is_named_with_the_reason(machine, model: Path) -> None:
    machine.content("add", model)
    with (
        machine.serving() as gateway,
        FileBlockStore(machine.home.parent / "c") as store,
        Node(store, token=TOKEN) as node,
    ):
        machine.environment["CONTENT_PEERS"] = f"{gateway},{node.url},http://127.0.0.1:9"
        found = machine.content("peers", "--json")
        assert httpx.get(f"{node.url}/peer/v1/overview").status_code == 401
    assert found.code == 3
    reasons = [row["reason"] for row in found.json["nodes"]]
    assert "is no node of a team" in reasons[0]
    assert "401" in reasons[1]
    assert reasons[2]


def test_without_peers_it_says_how_to_name_them(machine) -> None:
    found = machine.content("peers")
    assert (found.code, found.out) == (3, "")
    assert "content_peers" in found.err


def overview(**changes: object) -> bytes:
    return json.dumps({"url": "http://a:1", "holdings": [], "members": []} | changes).encode()


LIVE = {"url": "http://b:1", "standing": "live", "bans": 0}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        overview(holdings={}, members=None),
        overview(url="http://a:1\x1b[2J"),
        overview(holdings=[{"root": "bafy", "have": 9, "leaves": 1}]),
        overview(holdings=[{"root": "bafy", "have": 0, "leaves": 0}] * 300),
        overview(members=[LIVE | {"standing": "king"}]),
        overview(members=[LIVE | {"bans": True}]),
        overview(members=[LIVE | {"url": "file:///etc/passwd"}]),
    ],
)
def test_an_overview_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(ContentFormatError):
        Overview.from_json(body)


def test_an_overview_that_makes_sense_is_taken() -> None:
    assert Overview.from_json(overview(members=[LIVE])).members[0].standing is Standing.LIVE
