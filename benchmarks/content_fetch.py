"""What verification costs over plain HTTP: `python benchmarks/content_fetch.py [--full]`.

One file, served over loopback by a process of its own: as blocks by the product's gateway, and as
plain bytes by aiohttp's static files (sendfile). In each round, in an order drawn anew, the same
bytes are written to a file and synced:

- ``verified``: `Exchange` from the gateway into a block store, every block hashed;
- ``http.client``: plain, ``readinto`` a kept buffer, nothing checked;
- ``http.client+sha256``: plain, the whole file hashed on the way, as a careful downloader does;
- ``httpx``: plain, the usual client, nothing checked.

Ratios are medians of the rounds' own ratios. ``--hash blake3`` names the blocks by BLAKE3.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from ipfs_accelerate.content import Cid, Hash, ImportProfile
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.sources.gateway import GatewaySource

GOAL = 0.80
PIECE_BYTES = 2**20
VERIFIED, BARE, HASHED, HTTPX = "verified", "http.client", "http.client+sha256", "httpx"


def serve(store: Path, folder: Path) -> None:
    """Child: the gateway and the static files, until the input ends."""
    import asyncio
    import threading

    from aiohttp import web

    from ipfs_accelerate.content.serving import GatewayServer, Limits

    async def static(ready: threading.Event, port: list[int]) -> None:
        app = web.Application()
        app.router.add_static("/", folder)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.append(runner.addresses[0][1])
        ready.set()
        await asyncio.Event().wait()

    ready, port = threading.Event(), []
    threading.Thread(target=lambda: asyncio.run(static(ready, port)), daemon=True).start()
    ready.wait()
    blocks = FileBlockStore(store)
    limits = Limits(requests_per_s=None)
    with GatewayServer(blocks, token=None, limits=limits) as server:
        print(server.url, f"http://127.0.0.1:{port[0]}", flush=True)
        sys.stdin.read()
    blocks.close()


def plain(url: str, target: Path, digest: hashlib._Hash | None = None) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET", parts.path)
    response = connection.getresponse()
    buffer = memoryview(bytearray(PIECE_BYTES))
    with target.open("wb", buffering=0) as out:
        while size := response.readinto(buffer):
            if digest is not None:
                digest.update(buffer[:size])
            out.write(buffer[:size])
        os.fsync(out.fileno())
    connection.close()


def with_httpx(url: str, target: Path) -> None:
    import httpx

    with (
        httpx.Client() as client,
        client.stream("GET", url) as response,
        target.open("wb", buffering=0) as out,
    ):
        for piece in response.iter_raw():
            out.write(piece)
        os.fsync(out.fileno())


def verified(gateway: str, root: Cid, folder: Path) -> None:
    source = GatewaySource(gateway)
    with FileBlockStore(folder) as store:
        Exchange(store, [source]).fetch(root)
        assert store.file_path(root) is not None
    source.close()


def measure(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    generator = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(-1, rounds):
        for index in generator.permutation(len(names)):
            start = time.perf_counter_ns()
            calls[names[index]]()
            if turn >= 0:
                taken[names[index]].append((time.perf_counter_ns() - start) / 1e9)
    return taken


def run(size_bytes: int, rounds: int, hash_name: str, base: Path) -> None:
    profile = ImportProfile("bench", cid_version=1, hash_code=Hash[hash_name.upper()])
    origin = base / "files"
    origin.mkdir()
    path = origin / "model.bin"
    generator = np.random.default_rng(1)
    with path.open("wb") as out:
        for _ in range(size_bytes // PIECE_BYTES):
            out.write(generator.bytes(PIECE_BYTES))
    layout, interior = hash_file(path, profile)
    with FileBlockStore(base / "origin") as store:
        store.add_file(path, layout, interior)
    command = [sys.executable, __file__, "--serve", str(base / "origin"), str(origin)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdin is not None
    gateway, static = child.stdout.readline().split()
    target, folder, url = base / "plain.bin", base / "fetched", f"{static}/model.bin"

    def fetch() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        verified(gateway, layout.root, folder)

    calls: dict[str, Callable[[], None]] = {
        VERIFIED: fetch,
        BARE: lambda: plain(url, target),
        HASHED: lambda: plain(url, target, hashlib.sha256()),
        HTTPX: lambda: with_httpx(url, target),
    }
    try:
        report(measure(calls, rounds), size_bytes, hash_name)
    finally:
        child.stdin.close()
        child.wait()


def report(taken: dict[str, list[float]], size_bytes: int, hash_name: str) -> None:
    print(f"{size_bytes >> 20} MiB, blocks of 1 MiB named by {hash_name}, {os.cpu_count()} cores")
    print(f"{'':20s}{'MB/s':>8s}{'verified is':>14s}   goal {GOAL:.2f}")
    for name, seconds in taken.items():
        rate = size_bytes / statistics.median(seconds) / 1e6
        ratio = statistics.median(
            other / own for other, own in zip(seconds, taken[VERIFIED], strict=True)
        )
        print(f"{name:20s}{rate:8.0f}{'' if name == VERIFIED else f'{ratio:13.2f}x'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="1 GiB and 15 rounds")
    parser.add_argument("--hash", choices=["sha2_256", "blake3"], default="sha2_256")
    parser.add_argument("--serve", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return
    size_bytes, rounds = (2**30, 15) if arguments.full else (64 * 2**20, 5)
    with tempfile.TemporaryDirectory(prefix="content-fetch-") as base:
        run(size_bytes, rounds, arguments.hash, Path(base))


if __name__ == "__main__":
    main()
