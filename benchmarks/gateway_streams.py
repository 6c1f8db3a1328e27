"""Many streams at once on one process: how much later the first token comes.

    python benchmarks/gateway_streams.py [--streams 500] [--seconds 30] [--gap-ms 200]

So many streams are kept open: when one ends the next begins, their beginnings spread over time. The
upstream, in its own process, tells in the first piece when the request had come and when the piece
was written; what is left of the time until the caller had it is *overhead*: on the way there plus
on the way back, the client's own work included. The bare client (aiohttp; events cut at blank
lines and read as JSON) and `Gateway.stream` take turns. *Added* is the difference of quantiles.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
from _gateway_load import MESSAGES, MODEL, upstream, us
from _gateway_server import gateway

from ipfs_accelerate.gateway import ChatRequest, Message

Pieces = Callable[[], AsyncIterator[str]]


class Load:
    """Streams kept open for a time, and what was seen of them."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.overheads: list[int] = []
        self.count = 0
        self.open = 0
        self.most = 0

    async def one(self) -> None:
        """Read a stream to its end."""
        self.open += 1
        self.most = max(self.most, self.open)
        began = time.monotonic_ns()
        is_first = True
        async for text in self._pieces():
            if is_first:
                now, is_first = time.monotonic_ns(), False
                came, written = map(int, text.split())
                self.overheads.append((came - began) + (now - written))
            self.count += 1
        self.open -= 1

    async def keep(self, streams: int, seconds: float, stream_s: float) -> float:
        """Tokens a second over the whole."""
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def place(number: int) -> None:
            await asyncio.sleep(number / streams * stream_s)
            while loop.time() - start < seconds:
                await self.one()

        await asyncio.gather(*(place(number) for number in range(streams)))
        return self.count / (loop.time() - start)


async def run(args: argparse.Namespace, url: str) -> None:
    request = ChatRequest("m", (Message("user", MESSAGES[0]["content"]),))
    body = {"model": MODEL, "messages": MESSAGES, "stream": True}
    connector = aiohttp.TCPConnector(limit=0)
    async with gateway(url) as made, aiohttp.ClientSession(connector=connector) as session:

        async def bare() -> AsyncIterator[str]:
            async with session.post(url + "/v1/chat/completions", json=body) as answer:
                held = b""
                async for data in answer.content.iter_any():
                    *events, held = (held + data).split(b"\n\n")
                    for event in events:
                        text = event.removeprefix(b"data: ")
                        if text != b"[DONE]":
                            yield json.loads(text)["choices"][0]["delta"]["content"]

        async def ours() -> AsyncIterator[str]:
            async with made.stream(request) as pieces:
                async for piece in pieces:
                    yield piece.text

        ways: dict[str, Pieces] = {"bare": bare, "gateway": ours}
        loads = {name: Load(pieces) for name, pieces in ways.items()}
        cpu_s = dict.fromkeys(ways, 0.0)
        rates: dict[str, float] = {}
        stream_s = args.pieces * args.gap_ms / 1e3
        for _ in range(args.turns):
            for name, load in loads.items():
                before = load.count
                began_s, cpu = time.monotonic(), time.process_time()
                await load.keep(args.streams, args.seconds / args.turns, stream_s)
                cpu_s[name] += time.process_time() - cpu
                rates[name] = (load.count - before) / (time.monotonic() - began_s)
        print(f"{'µs':10}{'streams':>9}{'at once':>9}{'tokens/s':>10}{'first p50':>11}{'p99':>9}"
              f"{'added p50':>11}{'added p99':>11}{'CPU/token':>11}")  # fmt: skip
        base = loads["bare"].overheads
        for name, load in loads.items():
            p50, p99 = us(load.overheads, 0.5), us(load.overheads, 0.99)
            print(f"{name:10}{len(load.overheads):9,}{load.most:9,}{rates[name]:10,.0f}{p50:11,.0f}"
                  f"{p99:9,.0f}{p50 - us(base, 0.5):11,.0f}{p99 - us(base, 0.99):11,.0f}"
                  f"{cpu_s[name] / load.count * 1e6:11,.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30.0, help="each way, all turns together")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--gap-ms", type=float, default=200.0)
    args = parser.parse_args()
    with upstream(pieces=args.pieces, gap_ms=args.gap_ms) as url:
        asyncio.run(run(args, url))


if __name__ == "__main__":
    main()
