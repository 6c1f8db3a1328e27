"""aiohttp against httpx as the client that carries the gateway's requests.

    python benchmarks/gateway_clients.py [--requests 4000] [--rounds 5] [--at-once 32] [--json]

A mock service on loopback answers a small chat, whole and as a stream of 32 pieces. The client is
pinned to one core, the mock to another, and the two clients take turns, so that both meet the same
machine. A rate is requests in a second of the client's own processor time: what one core carries
when the service is not the limit. Latencies are the wall clock of single requests, one at a time.
Ratios are of the two in the same round: the median of the rounds and their range.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--requests", type=int, default=4000, help="of each kind and client in a round")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--at-once", type=int, default=32, help="requests in flight for the rates")
parser.add_argument("--json", action="store_true")

PIECES = 32
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 64}
WHOLE = json.dumps(BODY).encode()
STREAM = json.dumps({**BODY, "stream": True}).encode()
HEADERS = {"Authorization": "Bearer sk-benchmark", "Content-Type": "application/json"}

Ask = Callable[[], Awaitable[int]]


@asynccontextmanager
async def by_aiohttp(url: str, body: bytes, _at_once: int) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def ask() -> int:
            length = 0
            async with session.post(url, data=body, headers=HEADERS) as answer:
                async for data in answer.content.iter_any():
                    length += len(data)
            return length

        yield ask


@asynccontextmanager
async def by_httpx(url: str, body: bytes, at_once: int) -> AsyncIterator[Ask]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as client:

        async def ask() -> int:
            length = 0
            async with client.stream("POST", url, content=body, headers=HEADERS) as answer:
                async for data in answer.aiter_raw():
                    length += len(data)
            return length

        yield ask


CLIENTS = {"aiohttp": by_aiohttp, "httpx": by_httpx}


async def measure(client: str, url: str, body: bytes, count: int, at_once: int) -> dict[str, float]:
    """Rate by processor time with many requests in flight, then latencies one at a time."""
    async with CLIENTS[client](url, body, at_once) as ask:
        expected = await ask()

        async def work(number: int) -> None:
            for _ in range(number):
                if await ask() != expected:
                    raise SystemExit(f"{client} read half an answer")

        await asyncio.gather(*(work(2) for _ in range(at_once)))
        spent = time.process_time()
        await asyncio.gather(*(work(count // at_once) for _ in range(at_once)))
        rate = (count // at_once) * at_once / (time.process_time() - spent)
        taken = []
        for _ in range(max(100, count // 4)):
            began = time.perf_counter()
            await ask()
            taken.append((time.perf_counter() - began) * 1e3)
    cuts = statistics.quantiles(taken, n=100)
    return {"per_cpu_s": rate, "p50_ms": cuts[49], "p99_ms": cuts[98]}


def rounds(url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number in range(options.rounds):
        for kind, body, share in (("whole", WHOLE, 1), ("stream", STREAM, 4)):
            for client in sorted(CLIENTS, reverse=bool(number % 2)):
                count = max(options.at_once, options.requests // share)
                figures = asyncio.run(measure(client, url, body, count, options.at_once))
                found.append({"round": number, "kind": kind, "client": client, **figures})
                print(f"round {number + 1}: {kind} by {client}", file=sys.stderr)
    return found


def summary(found: list[dict[str, object]]) -> list[dict[str, object]]:
    rows = []
    for kind in ("whole", "stream"):
        of_kind = [row for row in found if row["kind"] == kind]
        rates = {c: [float(r["per_cpu_s"]) for r in of_kind if r["client"] == c] for c in CLIENTS}
        ratios = [a / h for a, h in zip(rates["aiohttp"], rates["httpx"], strict=True)]
        for client in CLIENTS:
            mine = [row for row in of_kind if row["client"] == client]
            row = {"kind": kind, "client": client}
            for name in ("per_cpu_s", "p50_ms", "p99_ms"):
                row[name] = statistics.median(float(one[name]) for one in mine)
            rows.append(row)
        rows[-2]["ratio"] = [statistics.median(ratios), min(ratios), max(ratios)]
    return rows


def main() -> None:
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "ipfs_accelerate.testing.providers", "openai"]
    answer = " ".join(["word"] * PIECES)
    with subprocess.Popen(
        [*command, "--answer", answer], stderr=subprocess.PIPE, text=True
    ) as mock:
        try:
            url = mock.stderr.readline().split()[2] + "/chat/completions"
            os.sched_setaffinity(mock.pid, cores[1:2] or cores)
            os.sched_setaffinity(0, cores[:1])
            found = rounds(url, options)
        finally:
            mock.terminate()
    rows = summary(found)
    if options.json:
        print(json.dumps({"schema": 1, "rows": rows, "rounds": found}, indent=2))
        return
    print(f"{'':7} {'client':8} {'requests/CPU s':>15} {'p50 ms':>8} {'p99 ms':>8}")
    for row in rows:
        print(
            f"{row['kind']:7} {row['client']:8} {row['per_cpu_s']:15.0f}"
            f" {row['p50_ms']:8.3f} {row['p99_ms']:8.3f}"
        )
    for row in rows:
        if "ratio" in row:
            middle, least, most = row["ratio"]
            print(
                f"{row['kind']}: aiohttp carries {middle:.1f} times as many as httpx"
                f" ({least:.1f} to {most:.1f} in {options.rounds} rounds)"
            )


if __name__ == "__main__":
    main()
