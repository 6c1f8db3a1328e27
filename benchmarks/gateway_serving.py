"""How fast the gateway serves a large file: blocks of 1 MiB, a CAR, the file itself.

Beside it, in the same run and in turn: the same bytes from uvicorn with httptools (what the HTTP
library was chosen against) and from a plain static file server (aiohttp's own). Servers are
processes of their own; the client reads into one buffer and verifies nothing, so that the server is
what is measured.

    python benchmarks/gateway_serving.py [--full]
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.profiles import UNIXFS_V1_2025
from ipfs_accelerate.telemetry import MonotonicClock

MIB = 2**20

GATEWAY = """
import sys
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.serving import GatewayServer, Limits
with FileBlockStore(sys.argv[1]) as store:
    server = GatewayServer(store, token=None, limits=Limits(requests_per_s=None))
    print(server.port, flush=True)
    server.serve_forever()
"""

PLAIN = """
import asyncio, sys
from aiohttp import web
async def main():
    async def serve(request):
        return web.FileResponse(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(web.Server(serve), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

UVICORN = """
import asyncio, os, socket, sys
from concurrent.futures import ThreadPoolExecutor
import uvicorn
MIB = 2**20
handle, pool = os.open(sys.argv[1], os.O_RDONLY), ThreadPoolExecutor(8)
size = os.fstat(handle).st_size
async def app(scope, receive, send):
    read = asyncio.get_running_loop().run_in_executor
    start = {"type": "http.response.start", "status": 200, "headers": []}
    at, end = 0, size
    if scope["path"] != "/":
        at = int(scope["path"][1:]) * MIB
        end = min(at + MIB, size)
        start["headers"] = [(b"content-length", str(end - at).encode())]
    await send(start)
    while at < end:
        part = await read(pool, os.pread, handle, min(MIB, end - at), at)
        at += len(part)
        await send({"type": "http.response.body", "body": part, "more_body": at < end})
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(app, log_level="error", http="httptools", loop="asyncio", lifespan="off")
uvicorn.Server(config).run(sockets=[listening])
"""


@contextmanager
def serving(program: str, argument: Path) -> Iterator[int]:
    command = [sys.executable, "-c", program, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            yield int(child.stdout.readline())
        finally:
            child.terminate()


def read_all(port: int, paths: list[str]) -> int:
    """Bytes of the bodies of all paths, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    buffer, total = memoryview(bytearray(4 * MIB)), 0
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status)
        while count := answer.readinto(buffer):
            total += count
    connection.close()
    return total


def measure(contestants: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Median MiB/s of each; in turn, the first round not counted."""
    clock, rates = MonotonicClock(), {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            start_ns = clock.now_ns()
            size_bytes = run()
            rate = size_bytes / MIB / ((clock.now_ns() - start_ns) / 1e9)
            if turn:
                rates[name].append(rate)
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="1 GiB and 9 rounds")
    arguments = parser.parse_args()
    size_mib, rounds = (1024, 9) if arguments.full else (128, 5)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        from ipfs_accelerate.content.blockstore import FileBlockStore

        path, blocks = Path(folder, "file"), Path(folder, "blocks")
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(os.urandom(MIB))
        layout, interior = hash_file(path, UNIXFS_V1_2025)
        with FileBlockStore(blocks) as store:
            store.add_file(path, layout, interior)
        gateway = stack.enter_context(serving(GATEWAY, blocks))
        plain = stack.enter_context(serving(PLAIN, path))
        uvicorn = stack.enter_context(serving(UVICORN, path))
        leaves = [f"/ipfs/{leaf.cid}?format=raw" for leaf in layout.leaves]
        numbers = [f"/{number}" for number in range(len(leaves))]
        rates = measure(
            {
                "plain static file": lambda: read_all(plain, ["/"]),
                "gateway, file": lambda: read_all(gateway, [f"/ipfs/{layout.root}"]),
                "gateway, CAR": lambda: read_all(gateway, [f"/ipfs/{layout.root}?format=car"]),
                "gateway, 1 MiB blocks": lambda: read_all(gateway, leaves),
                "uvicorn, streamed": lambda: read_all(uvicorn, ["/"]),
                "uvicorn, 1 MiB blocks": lambda: read_all(uvicorn, numbers),
            },
            rounds,
        )
    print(f"{size_mib} MiB, one client, median of {rounds} rounds in turn")
    print(f"{'':24}{'MiB/s':>8}{'of plain':>10}")
    for name, rate in rates.items():
        print(f"{name:24}{rate:8.0f}{rate / rates['plain static file']:10.2f}")


if __name__ == "__main__":
    main()
