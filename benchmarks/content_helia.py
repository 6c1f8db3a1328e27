"""Adding and moving one file: Helia, the JavaScript IPFS, beside the content layer.

`python benchmarks/content_helia.py` needs `scripts/setup dev`. Everything runs on loopback, sender
and receiver in processes of their own, the file in the page cache. Helia keeps its blocks in
memory; the content layer writes a store on disk. Whoever receives starts empty each time, and
verifies every block. The ways are measured in turns (A B C A B C …); shown is the median of
`--repeats`. `--full` takes 200 MB. Goal: the content layer moves a verified file at least three
times as fast as Helia to Helia.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.content import profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.release import add_tree
from ipfs_accelerate.content.serving import GatewayServer, Limits
from ipfs_accelerate.content.sources.bitswap import BitswapSource
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.telemetry import MonotonicClock

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "interop"))

from helia_node import HeliaNode, node_binary

if TYPE_CHECKING:
    from ipfs_accelerate.content.sources import Source

PROFILE = "unixfs-v1-2025"
GOAL = 3.0
LIMIT_S = 120.0
#: Helia opens a connection for every leaf at once.
LIMITS = Limits(connections=2048, connections_per_client=1024)
CLOCK = MonotonicClock()


def serve(directory: Path) -> None:
    """What the process of our sender does: serve a store until its input ends."""
    with (
        FileBlockStore(directory) as store,
        GatewayServer(store, token=None, limits=LIMITS) as server,
    ):
        print(server.url, flush=True)
        sys.stdin.read()


@contextmanager
def our_gateway(directory: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=20)


class Comparison:
    """One file, its two senders, and every way to add or to move it; each returns nanoseconds."""

    def __init__(self, stack: ExitStack, folder: Path, size_bytes: int) -> None:
        self.folder, self.size_bytes = folder, size_bytes
        self.file = folder / "model.safetensors"
        self.file.write_bytes(np.random.default_rng(0).bytes(size_bytes))
        with FileBlockStore(folder / "sender") as store:
            self.root = add_tree(self.file, store, profile_named(PROFILE)).root
        self.gateway = stack.enter_context(our_gateway(folder / "sender"))
        self.sender = stack.enter_context(HeliaNode())
        self.address = self.sender.address
        cid = self.sender.ask("add", path=str(self.file), profile=PROFILE)["cid"]
        assert cid == str(self.root), f"Helia says {cid}, the content layer {self.root}"

    def helia_adds(self) -> int:
        """Helia imports bytes that it has in memory."""
        with HeliaNode() as node:
            return int(node.ask("add", path=str(self.file), profile=PROFILE)["elapsed_ns"])

    def we_add(self) -> int:
        """The file is hashed and copied into a store, synced."""
        with self._empty_store() as store:
            start_ns = CLOCK.now_ns()
            add_tree(self.file, store, profile_named(PROFILE), mode="copy")
            return CLOCK.now_ns() - start_ns

    def we_hash(self) -> int:
        """The file is hashed."""
        start_ns = CLOCK.now_ns()
        hash_file(self.file, profile_named(PROFILE))
        return CLOCK.now_ns() - start_ns

    def helia_from_helia(self) -> int:
        """One Helia reads the file from another over bitswap."""
        with HeliaNode() as node:
            node.ask("dial", address=self.address)
            got = node.ask("cat", cid=str(self.root), timeout_s=LIMIT_S, timed=True)
        return self._elapsed_ns(got)

    def helia_from_us(self) -> int:
        """Helia's verified-fetch reads the file from our gateway."""
        with HeliaNode(self.gateway) as node:
            got = node.ask("verified_fetch", url=f"ipfs://{self.root}", timed=True)
        return self._elapsed_ns(got)

    def we_from_us(self) -> int:
        """An exchange fetches from our gateway into a store."""
        return self._we_fetch(GatewaySource(self.gateway))

    def we_from_helia(self) -> int:
        """An exchange fetches from Helia over bitswap into a store."""
        return self._we_fetch(BitswapSource(self.address))

    def _we_fetch(self, source: Source) -> int:
        with self._empty_store() as store, closing(source):
            assert source.probe().usable, source.name
            start_ns = CLOCK.now_ns()
            Exchange(store, [source]).fetch(self.root)
            elapsed_ns = CLOCK.now_ns() - start_ns
            assert store.file_path(self.root) is not None
        return elapsed_ns

    def _elapsed_ns(self, got: dict[str, int]) -> int:
        assert got["size_bytes"] == self.size_bytes, got
        return got["elapsed_ns"]

    @contextmanager
    def _empty_store(self) -> Iterator[FileBlockStore]:
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as directory,
            FileBlockStore(directory) as store,
        ):
            yield store


def measure(
    ways: dict[str, Callable[[], int]], size_bytes: int, repeats: int
) -> dict[str, list[float]]:
    """MB/s of each repetition of each way."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            rates[name].append(size_bytes / 1e6 / (way() / 1e9))
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mb", type=int, default=64)
    parser.add_argument("--full", action="store_true", help="200 MB")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    if node_binary() is None:
        print("no Helia here: run scripts/setup dev", file=sys.stderr)
        return 3
    return compare(200 if options.full else options.size_mb, options.repeats)


def compare(size_mb: int, repeats: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="content-helia-"))
    try:
        with ExitStack() as stack:
            case = Comparison(stack, folder, size_mb * 1_000_000)
            ways = {
                "add: Helia (memory)": case.helia_adds,
                "add: content layer, CIDs alone": case.we_hash,
                "add: content layer (disk)": case.we_add,
                "Helia → Helia, bitswap": case.helia_from_helia,
                "content layer → Helia, gateway": case.helia_from_us,
                "content layer → content layer": case.we_from_us,
            }
            if importlib.util.find_spec("libp2p") is not None:
                ways["Helia → content layer, bitswap"] = case.we_from_helia
            rates = measure(ways, case.size_bytes, repeats)
    finally:
        shutil.rmtree(folder)
    return report(rates, size_mb)


def report(rates: dict[str, list[float]], size_mb: int) -> int:
    middle = {name: statistics.median(values) for name, values in rates.items()}
    bases = ("add: Helia (memory)", "Helia → Helia, bitswap")
    print(f"{size_mb} MB, {len(rates[bases[0]])} rounds\n")
    print(f"{'way':34}{'MB/s':>8}{'least':>8}{'most':>8}{'× Helia':>9}")
    for name, values in rates.items():
        ratio = middle[name] / middle[bases[not name.startswith("add")]]
        line = f"{name:34}{middle[name]:8.0f}{min(values):8.0f}{max(values):8.0f}{ratio:9.2f}"
        print(line)
    ratio = middle["content layer → content layer"] / middle[bases[1]]
    verdict = "reached" if ratio >= GOAL else "not reached"
    print(f"\nverified transfer {ratio:.1f} × Helia to Helia; goal ≥ {GOAL:g}: {verdict}")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
