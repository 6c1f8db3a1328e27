"""Swarms of real processes, through the benchmark that measures them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.serving import GatewayServer, Limits

TOKEN = "a token of the team, long enough"
SWARM = Path(__file__).parents[4] / "benchmarks" / "swarm.py"


def swarm(*options: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(SWARM), "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def netns_reason() -> str | None:
    """Why network namespaces cannot be made here; ``None`` when they can."""
    name = f"ipfsa-probe-{os.getpid()}"
    try:
        made = subprocess.run(
            ["ip", "netns", "add", name], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "no ip command here (apt-get install iproute2)"
    if made.returncode:
        return f"ip netns fails here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


def test_processes_take_the_model_from_the_origin_about_once():
    team = swarm("--nodes", "5", "--mb", "12")["team"]
    # 1.00 on a quiet machine; on a busy one an owner may be late and lose a block to the next
    assert team["origin_ratio"] <= 1.5, "each alone would take five"
    assert team["nodes"] == 5
    assert team["wrong_files"] == 0


def test_the_dead_and_the_liars_do_not_keep_the_others_from_completing():
    options = ("--nodes", "10", "--mb", "12", "--dead", "0.2", "--liars", "0.1")
    team = swarm(*options, "--kill-after-s", "0.2")["team"]
    assert (team["dead"], team["liars"], team["nodes"]) == (2, 1, 7)
    assert team["wrong_files"] == 0
    assert len(team["banned"]) == 1


@pytest.mark.needs("root")
def test_machines_in_namespaces_share_what_the_origin_sends():
    reason = netns_reason()
    if reason:
        pytest.skip(reason)
    found = swarm("--setting", "namespaces", "--nodes", "3", "--mb", "8", "--mbit", "80")
    assert found["team"]["nodes"] == 3
    assert found["team"]["wrong_files"] == 0
    assert found["team"]["origin_ratio"] < 2, "each alone would take three"


@pytest.mark.slow
@pytest.mark.needs("root")
def test_machines_behind_shaped_links_take_about_as_long_as_one():
    reason = netns_reason()
    if reason:
        pytest.skip(reason)
    found = swarm("--setting", "namespaces", "--nodes", "4", "--mb", "24", "--mbit", "40")
    assert found["team"]["origin_ratio"] <= 1.10
    assert found["makespan_ratio"] <= 1.5


class Child:
    """A node in a process of its own, as the benchmark starts it."""

    def __init__(self, directory: Path, origin: str) -> None:
        command = [
            sys.executable, str(SWARM), "--role", "node", "--directory", str(directory),
            "--host", "127.0.0.1", "--port", "0", "--origin", origin,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SWARM_TOKEN": TOKEN},
        )
        self.url = self.hear()["url"]

    def hear(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def fetch(self, root: object) -> None:
        self.process.stdin.write(json.dumps({"root": str(root)}) + "\n")
        self.process.stdin.flush()

    def end(self, *, number: int | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def test_a_node_that_was_killed_goes_on_where_it_was(team, eventually):
    size = team.model.stat().st_size
    slowly = Limits(bytes_per_s=size / 4, byte_burst=size // 8)
    with (
        FileBlockStore(team.directory / "origin") as store,
        GatewayServer(store, token=TOKEN, limits=slowly) as origin,
    ):
        sent = lambda: sum(origin.statistics().sent_bytes.values())  # noqa: E731
        first = Child(team.directory / "killed", origin.url)
        first.fetch(team.root)
        assert eventually(lambda: sent() > size * 0.4)
        first.end(number=signal.SIGKILL)
        second = Child(team.directory / "killed", origin.url)
        second.fetch(team.root)
        report = second.hear()
        second.end()
        assert report["local"] >= size * 0.2
        assert report["received"] <= size * 0.8
        assert Path(report["path"]).read_bytes() == team.model.read_bytes()
