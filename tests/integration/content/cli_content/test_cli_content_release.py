"""``accel content``: what one machine publishes, another fetches, judges and runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.dag import links_of
from ipfs_accelerate.content.serving import GatewayServer, Limits
from ipfs_accelerate.testing.gateway_server import FakeGateway, GatewayFault

ACCEL = [sys.executable, "-m", "ipfs_accelerate"]


@pytest.fixture
def published(machine, model: Path) -> tuple[str, str]:
    """CID and key of a release on the first machine."""
    key = machine.content("key", "new", "release").first
    done = machine.content("publish", model, "--name", "org/m", "--tag", "v1", "--key", "release")
    assert done.code == 0, done.err
    return done.first, key


def test_a_release_is_fetched_only_from_whom_is_trusted(
    machine, other, published, tmp_path: Path
) -> None:
    cid, key = published
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        refused = other.content("fetch", cid, "-o", tmp_path / "out")
        assert refused.code == 1
        assert f"--trust {key}" in refused.err
        assert not (tmp_path / "out").exists()
        done = other.content("fetch", cid, "-o", tmp_path / "out", "--trust", key)
    assert (done.code, done.out) == (0, f"{tmp_path / 'out'}\n")
    assert f"gateway:{url}" in done.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json", "model.safetensors", "sub"
    ]  # fmt: skip
    assert other.content("verify", cid, tmp_path / "out", "--trust", key).code == 0


def test_an_unsigned_release_is_taken_loudly_when_that_is_allowed(
    machine, other, model: Path
) -> None:
    cid = machine.content("publish", model, "--unsigned").first
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        assert other.content("fetch", cid).code == 1
        done = other.content("fetch", cid, "--allow-unsigned")
    assert done.code == 0
    assert "UNTRUSTED: model is signed by nobody" in done.err


def test_what_is_here_is_not_fetched_again(machine, other, published) -> None:
    cid, key = published
    other.environment["CONTENT_TRUSTED_KEYS"] = key
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        first = other.content("fetch", cid, "--json").json
    assert first["received_bytes"] > first["total_bytes"]
    assert first["sources"][f"gateway:{url}"]["received_blocks"] == first["received_blocks"]
    del other.environment["CONTENT_GATEWAYS"]
    again = other.content("fetch", cid, "--json").json
    assert again["received_bytes"] == 0
    assert again["local_bytes"] == again["total_bytes"]


def test_publishing_needs_a_key_or_the_word(machine, model: Path) -> None:
    found = machine.content("publish", model)
    assert found.code == 2
    assert "accel content key new" in found.err


def test_a_new_version_moves_only_what_changed(machine, model: Path) -> None:
    machine.content("key", "new", "release")
    old = machine.content("publish", model, "--key", "release").first
    (model / "config.json").write_bytes(b'{"model_type": "bert", "x": 1}')
    new = machine.content("publish", model, "--key", "release", "--previous", old).first
    facts = machine.content("diff", old, new, "--json").json
    assert {f["path"]: f["state"] for f in facts["files"]} == {
        "config.json": "changed", "model.safetensors": "same", "sub/vocab.txt": "same"
    }  # fmt: skip
    assert facts["moved_bytes"] == 30
    assert "~ config.json  (30 B new of 30 B)" in machine.content("diff", old, new).out


def test_two_profiles_cannot_be_compared(machine, model: Path) -> None:
    cids = [
        machine.content("add", model, "--profile", profile).first
        for profile in ("unixfs-v1-2025", "unixfs-v0-2015")
    ]
    found = machine.content("diff", *cids)
    assert found.code == 2
    assert "profiles" in found.err


def test_verify_says_which_bytes_of_a_copy_are_wrong(machine, published, model: Path) -> None:
    cid, _ = published
    with (model / "model.safetensors").open("r+b") as stream:
        stream.seek(1_100_000)
        stream.write(b"!")
    found = machine.content("verify", cid, model)
    assert found.code == 1
    assert "is wrong in the bytes 1,048,576 to 2,097,152" in found.out
    assert machine.content("verify", cid).code == 0


def test_own_keys_are_trusted_and_others_are_not(machine, other, published) -> None:
    cid, _ = published
    assert machine.content("verify", cid, "--json").json["signer"] is not None
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        other.content("fetch", cid, "--allow-unsigned")
    assert other.content("verify", cid).code == 1


def test_a_name_follows_to_where_it_was_moved(machine, other, published) -> None:
    cid, _ = published
    moved = machine.content("name", "publish", cid, "--key", "release", "--json").json
    assert (moved["value"], moved["sequence"]) == (f"/ipfs/{cid}", 0)
    assert machine.content("name", "resolve", moved["name"]).out == f"/ipfs/{cid}\n"
    missing = other.content("name", "resolve", moved["name"])
    assert missing.code == 3


def test_a_locked_key_asks_for_its_passphrase(machine, model: Path) -> None:
    machine.environment["CONTENT_KEY_PASSPHRASE"] = "open sesame"
    machine.content("key", "new", "locked")
    del machine.environment["CONTENT_KEY_PASSPHRASE"]
    assert "locked by a passphrase" in machine.content("key", "list").out
    refused = machine.content("publish", model, "--key", "locked")
    assert refused.code == 2
    assert "passphrase" in refused.err


def test_sources_are_probed_and_the_dead_say_why(machine, other, published) -> None:
    assert machine.content("sources", "check").code == 3
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = f"{url},http://127.0.0.1:9"
        found = other.content("sources", "check", "--json")
    assert found.code == 0
    assert [row["usable"] for row in found.json["sources"]] == [True, False]
    assert found.json["sources"][1]["reason"]


def test_offline_only_the_store_is_asked(machine, other, published) -> None:
    cid, key = published
    with machine.serving() as url:
        other.environment = {"CONTENT_GATEWAYS": url, "OFFLINE": "1", "CONTENT_TRUSTED_KEYS": key}
        found = other.content("fetch", cid)
    assert found.code == 3
    assert "not here" in found.err


def test_the_model_of_a_release_runs_by_its_cid(machine, other, published) -> None:
    cid, key = published
    other.environment["CONTENT_TRUSTED_KEYS"] = key
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        shown = other.accel("models", "show", f"ipfs://{cid}", "--json").json
    assert shown["parameters"] == 600_000
    assert all(file["cid"] for file in shown["files"])


# A shell lets what it runs in the background ignore Ctrl-C, and all below inherits that.
HEARING = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('ipfs_accelerate', run_name='__main__', alter_sys=True)"
)


class Process:
    """``accel`` as a process of its own."""

    def __init__(self, home: Path, *arguments: object, **environment: str) -> None:
        variables = {f"IPFS_ACCELERATE_{name}": text for name, text in environment.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEARING, *map(str, arguments)],
            env={**os.environ, "IPFS_ACCELERATE_HOME": str(home), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_prints_address_and_token_once_and_stops_in_peace(
    machine, other, published, number: int
) -> None:
    cid, key = published
    server = Process(machine.home, "content", "serve", "--port", "0")
    try:
        url = re.sub("/ipfs/$", "", server.line())
        token = server.line().removeprefix("token ")
        other.environment = {"CONTENT_PEERS": url, "CONTENT_TRUSTED_KEYS": key}
        assert other.content("fetch", cid).code == 3
        other.environment["CONTENT_TOKEN"] = token
        assert other.content("fetch", cid).code == 0
        assert token not in other.content("sources", "check").out
    finally:
        code, out, err = server.end(number)
    assert (code, out) == (0, "")
    assert token not in err
    assert "requests served" in err


@pytest.mark.parametrize("environment", [{}, {"CONTENT_PEERS": "http://127.0.0.1:9"}])
def test_the_network_is_not_served_without_a_token(machine, environment: dict[str, str]) -> None:
    machine.environment = {"CONTENT_TOKEN": "one that the flag takes away"} | environment
    refused = machine.content("serve", "--host", "0.0.0.0", "--port", "0", "--no-token", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (2, "configuration")
    assert "without a token" in refused.json["error"]["message"]


def test_a_fetch_of_a_new_version_that_was_killed_moves_only_what_changed(
    machine, other, tmp_path: Path
) -> None:
    """The old version is there; the fetch of the new one dies by SIGKILL and is begun again."""
    weights = np.random.default_rng(0).standard_normal(2_000_000).astype(np.float32)
    model, profile = tmp_path / "m", ("--profile", "dedup-v1-2026")
    model.mkdir()
    (model / "model.safetensors").write_bytes(save({"w": weights}))
    old = machine.content("add", model, *profile).first
    weights[500_000:700_000] += 1
    (model / "model.safetensors").write_bytes(save({"w": weights}))
    new = machine.content("add", model, *profile).first
    moves = machine.content("diff", old, new, "--json").json
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        assert other.content("get", old).code == 0
    slowly = Limits(bytes_per_s=200_000, byte_burst=100_000)
    with (
        FileBlockStore(machine.home / "content") as store,
        GatewayServer(store, token=None, limits=slowly) as server,
    ):
        sent = lambda: sum(server.statistics().sent_bytes.values())  # noqa: E731
        fetching = Process(other.home, "content", "get", new, CONTENT_GATEWAYS=server.url)
        while sent() < 200_000:
            assert fetching.process.poll() is None
        assert fetching.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert other.content("check").code == 0
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        again = other.content("get", new, "-o", tmp_path / "out", "--json").json
    assert 0 < again["received_bytes"] <= moves["moved_bytes"] + 2**16, (
        "its nodes, and what changed"
    )
    assert (tmp_path / "out/model.safetensors").read_bytes() == (
        model / "model.safetensors"
    ).read_bytes()
    assert other.content("verify", new).code == 0


def test_ipfs_nodes_may_read_over_bitswap_beside_the_gateway(machine, other, model: Path) -> None:
    pytest.importorskip("libp2p")
    cid = machine.content("add", model).first
    listen = ("--bitswap", "/ip4/127.0.0.1/tcp/0")
    server = Process(machine.home, "content", "serve", "--port", "0", *listen, "--json")
    try:
        lines = iter(server.line, "}")
        found = json.loads("".join(lines) + "}")
        other.environment["CONTENT_BITSWAP"] = found["bitswap"]
        fetched = other.content("get", cid, "--json")
        assert fetched.code == 0, fetched.err
        assert [s["kind"] for s in fetched.json["sources"].values()] == ["bitswap"]
    finally:
        assert server.end(signal.SIGTERM)[0] == 0


def test_an_interrupted_fetch_keeps_what_came_and_goes_on(machine, other, model: Path) -> None:
    """The other side falls silent in the middle; Ctrl-C ends the wait with status 130."""
    cid = machine.content("add", model, "--profile", "unixfs-v0-2015").first
    with FileBlockStore(machine.home / "content") as store:
        blocks = {}
        pending = [Cid.parse(cid)]
        while pending:
            at = pending.pop()
            blocks[at] = store.get(at)
            pending.extend(links_of(at, blocks[at]))
    with FakeGateway(blocks, has_car=False) as gateway:
        last = list(blocks)[1]
        gateway.fail(GatewayFault(stall_at=10), times=99, path=str(last.to_v1()))
        gateway.fail(GatewayFault(stall_at=10), times=99, path=str(last))
        fetching = Process(other.home, "content", "get", cid, CONTENT_GATEWAYS=gateway.url)
        asked = (str(last), str(last.to_v1()))
        while not any(text in r.path for r in list(gateway.requests) for text in asked):
            assert fetching.process.poll() is None
        code, _, err = fetching.end(signal.SIGINT)
    assert code == 130
    assert "kept" in err
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        again = other.content("get", cid, "--json").json
    assert again["received_blocks"] < len(blocks)


@pytest.mark.slow
@pytest.mark.needs("minilm", "torch")
def test_a_real_model_is_published_on_one_machine_and_run_on_another(
    machine, other, minilm_directory: Path
) -> None:
    key = machine.content("key", "new", "release").first
    cid = machine.content("publish", minilm_directory, "--key", "release").first
    other.environment["CONTENT_TRUSTED_KEYS"] = key
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        reference = f"ipfs://{cid}"
        ran = other.accel(
            "run", reference, "-i", "a cat", "--target", "torch/cpu/fp32", "--explain", "--json"
        )
    assert ran.code == 0, ran.err
    other.environment["OFFLINE"] = "1"
    done = other.accel(
        "bench", "run", reference, "--targets", "torch/cpu/fp32", "--batch", "1", "--seq", "16",
        "--budget", "1s", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert reference in done.out


def test_nodes_of_a_team_take_a_model_from_each_other(
    machine, other, published, tmp_path: Path
) -> None:
    """The second node fetches from the first, which fetched from the gateway."""
    cid, key = published
    trusted = {"CONTENT_TRUSTED_KEYS": key}
    first = second = None
    try:
        with machine.serving() as url:
            first = Process(
                other.home, "content", "fetch", cid, "--share", "127.0.0.1", "--pin",
                CONTENT_GATEWAYS=url, **trusted,
            )  # fmt: skip
            assert first.line() == cid
        assert first.process.stderr is not None
        node = next(line for line in first.process.stderr if "a node of the team at" in line)
        second = Process(
            tmp_path / "c", "content", "fetch", cid, "--json",
            CONTENT_PEERS=node.rpartition(" ")[2].strip(), **trusted,
        )  # fmt: skip
        code, out, err = second.end()
        assert code == 0, err
        assert json.loads(out)["received_bytes"] > 2_400_000
    finally:
        if first is not None:
            assert first.end(signal.SIGTERM)[0] == 0


def test_a_server_with_peers_is_a_node_that_tells_what_it_pinned(machine, other, published) -> None:
    cid, key = published
    server = Process(
        machine.home, "content", "serve", "--port", "0", CONTENT_PEERS="http://127.0.0.1:9"
    )
    try:
        url = re.sub("/ipfs/$", "", server.line())
        other.environment = {"CONTENT_PEERS": url, "CONTENT_TRUSTED_KEYS": key}
        assert other.content("fetch", cid).code == 0
    finally:
        code, _, err = server.end(signal.SIGTERM)
    assert code == 0
    assert "peer http://127.0.0.1:9" in err
