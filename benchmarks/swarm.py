"""Does a team of machines pull a model from its origin about once, and about as fast as one?

`python benchmarks/swarm.py` starts an origin and N nodes as processes, lets one node fetch alone
and then all N at once, and prints what the origin sent as a multiple of the model and the makespan
as a multiple of the lone node's time. `--full` is the stated goal: 16 nodes, 200 MB.

`--setting loopback` has no link to speak of: on few cores the N-fold hashing is the time, and only
the origin's bytes mean something. `--setting namespaces` (root) gives every node a network
namespace of its own behind a bridge; `tc tbf` shapes both directions to `--mbit`, and `tc netem`
delays where the kernel has it (the first line says so where it has not). `--dead 0.2 --liars 0.1`
kills and corrupts that many of the nodes.
"""

# ruff: noqa: ANN401, ARG002, D102 - a script whose objects are those of the product

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "SWARM_TOKEN"
SUBNET = "10.213.7"


# -- children: one origin, many nodes, spoken to in lines of JSON ----------------------------------


class LyingStore:
    """Hands out every leaf with one bit flipped; everything else is the store's."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def locate(self, _cid: object) -> None:
        return None

    def get(self, cid: Any) -> bytes:
        data = bytearray(self._store.get(cid))
        if cid.codec == 0x55:
            data[len(data) // 2] ^= 1
        return bytes(data)


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def add(store: Any, model: Path, chunk_bytes: int) -> str:
    from ipfs_accelerate.content.importing import hash_file
    from ipfs_accelerate.content.profiles import UNIXFS_V1_2025

    layout, interior = hash_file(model, replace(UNIXFS_V1_2025, chunk_bytes=chunk_bytes))
    store.add_file(model, layout, interior, mode="reference")
    return str(layout.root)


def run_origin(options: argparse.Namespace) -> None:
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.serving import GatewayServer

    with FileBlockStore(options.directory) as store:
        root = add(store, Path(options.model), options.chunk_kib * 1024)
        token = os.environ[VARIABLE]
        with GatewayServer(store, host=options.host, port=options.port, token=token) as server:
            say(url=server.url, root=root)
            for _ in sys.stdin:
                say(sent=sum(server.statistics().sent_bytes.values()))


def run_node(options: argparse.Namespace) -> None:
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.peers import Node
    from ipfs_accelerate.content.sources.gateway import GatewaySource

    token = os.environ[VARIABLE]
    with FileBlockStore(options.directory) as store:
        if options.lies:
            add(store, Path(options.model), options.chunk_kib * 1024)
        origin = GatewaySource(options.origin, token=token)
        served = LyingStore(store) if options.lies else store
        with Node(
            served, token=token, host=options.host, port=options.port,
            peers=options.peers, origin_sources=[origin],
        ) as node:  # fmt: skip
            say(url=node.url)
            root = json.loads(sys.stdin.readline())["root"]
            fetch(node, store, root)
            sys.stdin.readline()


def fetch(node: Any, store: Any, root: str) -> None:
    from ipfs_accelerate.content import Cid

    cpu = time.process_time()
    report = node.fetch(root)
    path = store.file_path(Cid.parse(root))
    say(
        elapsed_s=report.elapsed_ns / 1e9,
        received=report.received_bytes,
        duplicates=report.duplicate_bytes,
        origin=sum(s.received_bytes for n, s in report.sources.items() if n.startswith("gateway")),
        bans=len(report.bans),
        banned=sorted(report.bans),
        local=report.local_bytes,
        cpu_s=time.process_time() - cpu,
        path=str(path),
    )


# -- the parent ------------------------------------------------------------------------------------


class Child:
    """A process that is spoken to in lines."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log.open("wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.log = log

    def tell(self, **facts: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(facts) + "\n")
            self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._log.close()


class Loopback:
    """All nodes share the loopback interface."""

    notes = "no links: time is bounded by the cores, not by a network"

    def __init__(self, count: int, mbit: float, delay_ms: float) -> None:
        self.base_port = 10000 + secrets.randbelow(20000)  # below the ephemeral ones

    def place(self, number: int) -> tuple[str, int, list[str]]:
        return "127.0.0.1", self.base_port + number, []

    def close(self) -> None:
        pass


class Namespaces:
    """A network namespace a node, and one with the bridge; all deleted at the end."""

    def __init__(self, count: int, mbit: float, delay_ms: float) -> None:
        self._prefix = f"ipfsa-{os.getpid()}-{secrets.token_hex(2)}"
        self._made: list[str] = []
        self._shape = ["tbf", "rate", f"{mbit}mbit", "burst", "128kb", "latency", "100ms"]
        try:
            self._bridge = self._make("br")
            self._in(self._bridge, "ip link add name br0 type bridge")
            self._in(self._bridge, "ip link set br0 up")
            for number in range(count):
                self._connect(number)
            self.notes = f"{mbit:g} Mbit/s each way by tc tbf, " + self._delay(count, delay_ms)
        except BaseException:
            self.close()
            raise

    def place(self, number: int) -> tuple[str, int, list[str]]:
        name = f"{self._prefix}-{number}"
        return f"{SUBNET}.{number + 1}", 8420, ["ip", "netns", "exec", name]

    def close(self) -> None:
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _make(self, suffix: object) -> str:
        name = f"{self._prefix}-{suffix}"
        run(["ip", "netns", "add", name])
        self._made.append(name)
        return name

    def _connect(self, number: int) -> None:
        name = self._make(number)
        self._in(self._bridge, f"ip link add p{number} type veth peer name eth0 netns {name}")
        self._in(self._bridge, f"ip link set p{number} master br0 up")
        for command in (
            "ip link set lo up", f"ip addr add {SUBNET}.{number + 1}/24 dev eth0",
            "ip link set eth0 up",
        ):  # fmt: skip
            self._in(name, command)
        self._in(name, " ".join(["tc qdisc add dev eth0 root handle 1:", *self._shape]))
        self._in(
            self._bridge, " ".join([f"tc qdisc add dev p{number} root handle 1:", *self._shape])
        )

    def _delay(self, count: int, delay_ms: float) -> str:
        for number in range(count):
            command = f"tc qdisc add dev eth0 parent 1: handle 2: netem delay {delay_ms}ms"
            try:
                self._in(f"{self._prefix}-{number}", command)
            except SystemExit:
                return "no delay (this kernel has no netem)"
        return f"{delay_ms:g} ms delay by tc netem"

    @staticmethod
    def _in(name: str, command: str) -> None:
        run(["ip", "netns", "exec", name, *command.split()])


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")


class Round:
    """One start of an origin and its nodes."""

    def __init__(
        self, options: argparse.Namespace, model: Path, folder: Path, network: Any
    ) -> None:
        self._options, self._model, self._folder, self._network = options, model, folder, network
        self.children: list[Child] = []
        self.origin, first = self._start("origin", 0, [])
        self.root, self._origin_url = first["root"], first["url"]

    def nodes(self, count: int, liars: set[int]) -> list[Child]:
        urls = [self._url(n) for n in range(1, count + 1)]
        started = []
        for number in range(1, count + 1):
            extra = ["--origin", self._origin_url, "--peers", *urls]
            extra += ["--lies"] if number in liars else []
            started.append(self._spawn("node", number, extra))
        for child in started:
            if not child.hear():
                raise SystemExit(f"a node did not start:\n{child.log.read_text()}")
        return started

    def sent(self) -> int:
        self.origin.tell(ask="sent")
        return self.origin.hear()["sent"]

    def close(self) -> None:
        for child in reversed(self.children):
            child.end()

    def _url(self, number: int) -> str:
        host, port, _ = self._network.place(number)
        return f"http://{host}:{port}"

    def _start(self, role: str, number: int, extra: list[str]) -> tuple[Child, dict[str, Any]]:
        child = self._spawn(role, number, extra)
        first = child.hear()
        if not first:
            raise SystemExit(f"the {role} did not start:\n{child.log.read_text()}")
        return child, first

    def _spawn(self, role: str, number: int, extra: list[str]) -> Child:
        host, port, prefix = self._network.place(number)
        directory = self._folder / f"{role}-{number}"
        command = [
            *prefix, sys.executable, __file__, "--role", role, "--directory", str(directory),
            "--model", str(self._model), "--chunk-kib", str(self._options.chunk_kib),
            "--host", host, "--port", str(port), *extra,
        ]  # fmt: skip
        child = Child(command, self._folder / f"{role}-{number}.log")
        self.children.append(child)
        return child


def play(
    options: argparse.Namespace,
    model: Path,
    count: int,
    network: Loopback | Namespaces,
    *,
    dead: int = 0,
    liars: int = 0,
) -> dict[str, Any]:
    """One round; nodes that die are the first, liars the next."""
    with tempfile.TemporaryDirectory(prefix="swarm-") as folder:
        lying = set(range(dead + 1, dead + liars + 1))
        game = Round(options, model, Path(folder), network)
        try:
            nodes = game.nodes(count, lying)
            before, start = game.sent(), time.perf_counter()
            for child in nodes:
                child.tell(root=game.root)
            killer = threading.Thread(target=kill, args=(nodes[:dead], options.kill_after_s))
            killer.start()
            honest = [n for i, n in enumerate(nodes, 1) if i > dead and i not in lying]
            reports = [child.hear() for child in honest]
            makespan_s = time.perf_counter() - start
            killer.join()
            lost = [
                c.log.read_text()[-2000:] for c, r in zip(honest, reports, strict=True) if not r
            ]
            if lost:
                raise SystemExit("a node did not finish:\n" + "\n".join(lost))
            right = hash_of(model)
            wrong = sum(hash_of(Path(report["path"])) != right for report in reports)
            return summary(game.sent() - before, model, makespan_s, reports) | {
                "wrong_files": wrong, "liars": liars, "dead": dead,
            }  # fmt: skip
        finally:
            game.close()


def kill(nodes: list[Child], after_s: float) -> None:
    for child in nodes:
        time.sleep(after_s)
        child.process.kill()


def summary(
    sent: int, model: Path, makespan_s: float, reports: list[dict[str, Any]]
) -> dict[str, Any]:
    size = model.stat().st_size
    received = sum(r["received"] for r in reports)
    return {
        "origin_ratio": sent / size,
        "makespan_s": makespan_s,
        "fetch_s": max(r["elapsed_s"] for r in reports),
        "from_origin": sum(r["origin"] for r in reports) / received,
        "duplicates": sum(r["duplicates"] for r in reports) / size,
        "bans": sum(r["bans"] for r in reports),
        "banned": sorted({name for r in reports for name in r["banned"]}),
        "cpu_s": sum(r["cpu_s"] for r in reports),
        "nodes": len(reports),
    }


def hash_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make_model(path: Path, megabytes: int) -> None:
    generator = np.random.default_rng(0)
    with path.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(generator.bytes(1_000_000))


def main() -> None:
    options = parsed()
    if options.role:
        {"origin": run_origin, "node": run_node}[options.role](options)
        return
    os.environ[VARIABLE] = secrets.token_hex(16)
    kind = {"loopback": Loopback, "namespaces": Namespaces}[options.setting]
    network = kind(options.nodes + 1, options.mbit, options.delay_ms)
    scratch = Path(tempfile.mkdtemp(prefix="swarm-model-"))
    try:
        model = scratch / "model.safetensors"
        make_model(model, options.mb)
        alone = play(options, model, 1, network)
        dead, liars = round(options.dead * options.nodes), round(options.liars * options.nodes)
        team = play(options, model, options.nodes, network, dead=dead, liars=liars)
    finally:
        shutil.rmtree(scratch)
        network.close()
    report(options, network.notes, alone, team)


def report(
    options: argparse.Namespace, notes: str, alone: dict[str, Any], team: dict[str, Any]
) -> None:
    ratio = team["makespan_s"] / alone["makespan_s"]
    if options.json:
        facts = {"notes": notes, "alone": alone, "team": team, "makespan_ratio": ratio}
        print(json.dumps(facts))
        return
    print(f"{options.nodes} nodes, {options.mb} MB, {options.setting}: {notes}")
    print(f"{'':24}{'one node':>12}{'team':>12}")
    for name, key, unit in (
        ("origin sent / model", "origin_ratio", "x"), ("makespan", "makespan_s", " s"),
        ("bytes from the origin", "from_origin", ""), ("duplicates / model", "duplicates", ""),
        ("processor time", "cpu_s", " s"),
    ):  # fmt: skip
        print(f"{name:24}{alone[key]:>11.3f}{unit:2}{team[key]:>10.3f}{unit}")
    print(f"makespan, team / one: {ratio:.2f}")
    print(
        f"dead {team['dead']}, liars {team['liars']}: {team['nodes']} honest nodes completed,"
        f" {team['wrong_files']} with wrong bytes;"
        f" {team['bans']} bans of {len(team['banned'])} nodes"
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--mb", type=int, default=16, help="size of the model")
    parser.add_argument("--chunk-kib", type=int, default=256)
    parser.add_argument("--setting", choices=("loopback", "namespaces"), default="loopback")
    parser.add_argument("--mbit", type=float, default=100.0)
    parser.add_argument("--delay-ms", type=float, default=5.0)
    parser.add_argument("--dead", type=float, default=0.0, help="share of the nodes that is killed")
    parser.add_argument("--liars", type=float, default=0.0, help="share that sends wrong bytes")
    parser.add_argument("--kill-after-s", type=float, default=0.5)
    parser.add_argument("--full", action="store_true", help="16 nodes, 200 MB, chunks of 1 MiB")
    parser.add_argument("--json", action="store_true")
    for name in ("--role", "--directory", "--model", "--host", "--origin"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--lies", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.full:
        options.nodes, options.mb, options.chunk_kib = 16, 200, 1024
    return options


if __name__ == "__main__":
    main()
