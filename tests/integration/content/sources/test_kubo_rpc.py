"""The Kubo client against the fake node, and the node as a source through the common suite."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content import PROFILES, Cid, Codec, profile_named
from ipfs_accelerate.content.car import write_car
from ipfs_accelerate.content.importing import hash_tree
from ipfs_accelerate.content.sources.kubo import KuboClient, KuboSource
from ipfs_accelerate.errors import (
    AccessDeniedError,
    BlockMismatchError,
    ConnectivityError,
    ContentFormatError,
    ContentNotFoundError,
    InputError,
)
from ipfs_accelerate.testing.conformance.source import SourceCase, SourceConformance, sample_file
from ipfs_accelerate.testing.kubo_server import FAKE_VERSION, FakeKubo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestKuboSource(SourceConformance):
    @pytest.fixture
    def case(self) -> Iterator[SourceCase]:
        content = sample_file()
        with FakeKubo(content.blocks.items()) as node:
            yield SourceCase(
                KuboSource(KuboClient(node.url)),
                content,
                silence=node.is_silent.set,
                corrupt=node.corrupt,
                stop=node.stop,
                connections=lambda: node.connections,
                unreachable=KuboSource(KuboClient("http://127.0.0.1:9")),
            )


@pytest.fixture
def node() -> Iterator[FakeKubo]:
    with FakeKubo() as made:
        yield made


@pytest.fixture
def client(node: FakeKubo) -> Iterator[KuboClient]:
    made = KuboClient(node.url, timeout_s=5.0)
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub dir").mkdir(parents=True)
    (root / "config.json").write_bytes(b"{}\r\n--boundary--\r\n")
    (root / "sub dir" / "weights ü.bin").write_bytes(bytes(range(256)) * 3_000)
    (root / "link").symlink_to("config.json")
    return root


def test_the_node_says_who_it_is(client: KuboClient, node: FakeKubo) -> None:
    assert client.version() == FAKE_VERSION
    assert client.identity()["AgentVersion"].endswith("fake")
    assert not client.swarm_peers()
    client.swarm_connect("/ip4/127.0.0.1/tcp/4001/p2p/12D3fake")
    assert client.swarm_peers() == ["/ip4/127.0.0.1/tcp/4001/p2p/12D3fake"]


@pytest.mark.parametrize("profile", ["unixfs-v0-2015", "unixfs-v1-2025"])
def test_a_tree_gets_the_cid_of_its_profile(
    client: KuboClient, node: FakeKubo, tree: Path, profile: str
) -> None:
    root = client.add(tree, profile=profile_named(profile))
    assert root == hash_tree(tree, profile_named(profile)).root
    assert client.pin_ls() == {root: "recursive"}
    names = {entry["Name"] for entry in client.ls(root)}
    assert names == {"config.json", "link", "sub dir"}


def test_a_file_comes_back_by_cat_and_by_ranges(
    client: KuboClient, node: FakeKubo, tree: Path
) -> None:
    path = tree / "sub dir" / "weights ü.bin"
    root = client.add(path)
    data = path.read_bytes()
    assert b"".join(client.iter_cat(root)) == data
    assert b"".join(client.iter_cat(root, offset=700, length=300_000)) == data[700:300_700]


def test_hashing_alone_stores_nothing(client: KuboClient, node: FakeKubo, tree: Path) -> None:
    client.add(tree, only_hash=True, pin=False)
    assert not len(node.blocks)
    assert not node.pins


def test_a_profile_the_node_cannot_follow_is_refused(client: KuboClient, tree: Path) -> None:
    other = next(p for p in PROFILES.values() if p.chunker != "size")
    with pytest.raises(InputError, match="fastcdc"):
        client.add(tree, profile=other)


def test_blocks_go_in_and_out(client: KuboClient, node: FakeKubo) -> None:
    cid = client.block_put(b"hello", codec=Codec.RAW)
    assert cid == Cid.of(b"hello")
    assert client.block_get(cid) == b"hello"
    assert client.block_stat(cid, offline=True) == 5
    assert node.calls[-1].options["offline"] == "true"
    node.corrupt(cid)
    with pytest.raises(BlockMismatchError):
        client.block_get(cid)


def test_a_dag_goes_in_and_out_as_a_car(client: KuboClient, node: FakeKubo) -> None:
    content = sample_file()
    stream = io.BytesIO()
    write_car(stream, [content.layout.root], content.blocks.items())
    stream.seek(0)
    assert client.dag_import(stream) == [content.layout.root]
    assert dict(client.dag_export(content.layout.root)) == dict(content.blocks)
    assert client.dag_stat(content.layout.root)["UniqueBlocks"] == 13
    links = client.dag_get(content.layout.root)["Links"]
    assert links[0] == {"Hash": {"/": str(content.layout.leaves[0].cid)}}
    client.provide(content.layout.root)
    assert node.provided == [content.layout.root]
    node.corrupt(content.layout.leaves[5].cid)
    with pytest.raises(BlockMismatchError):
        list(client.dag_export(content.layout.root))


def test_pins_are_set_listed_and_removed(client: KuboClient) -> None:
    cid = client.block_put(b"pinned")
    client.pin_add(cid)
    assert client.pin_ls() == {cid: "recursive"}
    client.pin_rm(cid)
    assert client.pin_ls() == {}
    with pytest.raises(ConnectivityError, match="not pinned"):
        client.pin_rm(cid)


def test_what_is_absent_is_not_found(client: KuboClient) -> None:
    absent = Cid.of(b"absent")
    for ask in (client.block_get, client.block_stat, client.provide, client.pin_add):
        with pytest.raises(ContentNotFoundError) as caught:
            ask(absent)
        assert caught.value.details["cid"] == str(absent)


@pytest.mark.parametrize("command", ["dag/export", "cat", "block/get"])
def test_a_stream_that_fails_half_way_says_so(
    client: KuboClient, node: FakeKubo, command: str
) -> None:
    content = sample_file()
    for cid, data in content.blocks.items():
        node.blocks.put(cid, data)
    node.breaks[command] = "context deadline exceeded"
    root = content.layout.root
    ask = {
        "dag/export": lambda: list(client.dag_export(root)),
        "cat": lambda: list(client.iter_cat(root)),
        "block/get": lambda: client.block_get(root),
    }[command]
    with pytest.raises(ConnectivityError, match=r"deadline|cut off"):
        ask()


def test_an_error_inside_a_stream_of_objects_is_an_error(
    client: KuboClient, node: FakeKubo, tree: Path
) -> None:
    node.breaks_in_stream["add"] = "disk quota exceeded"
    with pytest.raises(ConnectivityError, match="disk quota"):
        client.add(tree)


def test_the_header_is_sent_and_its_absence_refused(tree: Path) -> None:
    with FakeKubo(authorization="Basic dTpw") as node:
        good = KuboClient(node.url, authorization="Basic dTpw")
        assert good.version() == FAKE_VERSION
        bad = KuboClient(node.url, token="wrong-secret")
        with pytest.raises(AccessDeniedError) as caught:
            bad.version()
        assert "wrong-secret" not in str(caught.value.to_dict())
        good.close()
        bad.close()


def test_an_unknown_command_is_no_silence(client: KuboClient, node: FakeKubo) -> None:
    with pytest.raises(ContentFormatError, match="404"):
        client._value("no/such")
