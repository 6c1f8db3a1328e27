"""The part of ``gateway_million.py`` that runs over real HTTP.

The service is a process of its own: one that counts the requests of each key in a sliding window,
refuses what is too much, and tells at ``/report`` what it saw. Its allowances are set to a part of
the rate that the gateway reaches without any, so that they, and nothing else, are the bound.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _gateway_load import WHOLE, Upstream, process, until_input_ends

from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.gateway import CallOptions, Candidate, Endpoint, Gateway, Key, Route
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.reliability import Dispatcher, ReliabilitySettings, events
from ipfs_accelerate.gateway.routes import Allowance, Priority

KEYS = ("key-0", "key-1", "key-2")
PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.NORMAL, Priority.LOW)
WINDOW_S = 20.0
CROWD = 16  #: at once for each key; so many times eight want an answer
SHARE_OF_RATE = 0.5
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


class Meter:
    """One key by the service's clock, as in `gateway_million.Meter`."""

    def __init__(self) -> None:
        self.log: deque[float] = deque()
        self.marks: list[float] = []
        self.used = self.refused = 0

    def admit(self, limit: int, now_s: float) -> bool:
        while self.log and self.log[0] <= now_s - WINDOW_S:
            self.log.popleft()
        if len(self.log) >= limit:
            self.refused += 1
            return False
        self.log.append(now_s)
        if self.used % limit == 0:
            self.marks.append(now_s)
        self.used += 1
        return True

    def report(self) -> dict[str, float | None]:
        marks = self.marks
        share = (len(marks) - 1) * WINDOW_S / (marks[-1] - marks[0]) if len(marks) > 2 else None
        return {"used": self.used, "refused": self.refused, "share": share}


class Service(Upstream):
    limit = 0
    meters: dict[str, Meter] = {}  # noqa: RUF012 - one service in its process

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            size = end + 4 + int(fields.get("content-length", 0))
            if len(self.data) < size:
                return
            self.data = self.data[size:]
            self.send(self.answer(head, fields.get("authorization", "").removeprefix("bearer ")))

    def answer(self, head: str, key: str) -> bytes:
        if head.startswith("GET /report "):
            found = {name: meter.report() for name, meter in self.meters.items()}
            body = json.dumps(found).encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        meter = self.meters.setdefault(key, Meter())
        return WHOLE if meter.admit(self.limit, time.monotonic()) else REFUSED


class Watched:
    """Looks at everything the dispatcher is told and orders: does anybody pass a better rank?"""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.handled = dispatcher.handle
        self.ageing_ns = round(ReliabilitySettings().ageing_s * 1e9)
        self.waiting: list[tuple[int, int]] = []
        self.ranks: dict[int, tuple[int, int]] = {}
        self.inversions = 0
        dispatcher.handle = self.handle  # type: ignore[method-assign]

    def handle(self, event: events.Event, now_ns: int) -> Sequence[events.Instruction]:
        if isinstance(event, events.Submit):
            rank = (now_ns + event.priority * self.ageing_ns, event.call_id)
            self.ranks[event.call_id] = rank
            heapq.heappush(self.waiting, rank)
        orders = self.handled(event, now_ns)
        for order in orders:
            if isinstance(order, events.Start):
                self.begun(self.ranks.pop(order.call_id, None))
            elif isinstance(order, events.GiveUp):
                self.ranks.pop(order.call_id, None)
        return orders

    def begun(self, rank: tuple[int, int] | None) -> None:
        if rank is None:
            return  # a repeat: it was first once
        while self.waiting and self.waiting[0] < rank:
            if self.waiting[0][1] in self.ranks:
                self.inversions += 1
                return
            heapq.heappop(self.waiting)


def gateway(url: str, limit: int | None) -> Gateway:
    allowance = Allowance(requests=limit, concurrent=CROWD, window_s=WINDOW_S)
    keys = tuple(Key(name, Secret(name), allowance) for name in KEYS)
    everything = Allowance(concurrent=CROWD * len(KEYS))
    endpoint = Endpoint("here", "vllm", url, keys=keys, allowance=everything)
    return Gateway([endpoint], [Route("m", ((Candidate("here", "real"),),))])


async def load(gate: Gateway, requests: int, memory: list[int]) -> Counter[str]:
    """So many calls, a crowd at a time; memory is read a hundred times meanwhile."""
    generator, left = np.random.default_rng(1), iter(range(1, requests + 1))
    outcomes: Counter[str] = Counter()

    async def caller() -> None:
        for number in left:
            options = CallOptions(priority=PRIORITIES[int(generator.random() * 4)])
            try:
                await gate.chat("m", "Hello", options=options)
                outcomes["ok"] += 1
            except AccelerateError as error:
                outcomes[error.code] += 1
            if number * 100 >= requests * (len(memory) + 1):
                memory.append(resident_bytes())

    await asyncio.gather(*(caller() for _ in range(CROWD * 8)))
    return outcomes


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def served(limit: int) -> list[str]:
    return [sys.executable, __file__, str(limit)]


def reported(url: str) -> dict[str, dict[str, float | None]]:
    with urllib.request.urlopen(url + "/report") as answer:
        return json.loads(answer.read())


async def reached_rate(requests: int) -> float:
    """Requests a second without any allowance."""
    with process(served(10**9)) as port:
        async with gateway(f"http://127.0.0.1:{port}", None) as gate:
            await load(gate, requests // 4, [])
            began_s = time.monotonic()
            await load(gate, requests, [])
            return requests / (time.monotonic() - began_s)


async def measured(requests: int) -> dict[str, object]:
    rate = await reached_rate(max(1000, min(20_000, requests // 20)))
    limit = max(10, int(rate * SHARE_OF_RATE * WINDOW_S / len(KEYS)))
    memory: list[int] = []
    with process(served(limit)) as port:
        url = f"http://127.0.0.1:{port}"
        async with gateway(url, limit) as gate:
            watched = Watched(gate.engine.dispatcher)
            began_s, cpu_s = time.monotonic(), time.process_time()
            outcomes = await load(gate, requests, memory)
            took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        keys = await asyncio.to_thread(reported, url)
    return {
        "origin": "measured",
        "requests": requests,
        "outcomes": dict(outcomes),
        "rate_free_per_s": rate,
        "rate_per_s": requests / took_s,
        "limit_per_key": limit,
        "window_s": WINDOW_S,
        "quota_used": {name: found["share"] for name, found in sorted(keys.items())},
        "refused": sum(int(found["refused"] or 0) for found in keys.values()),
        "inversions": watched.inversions,
        "memory_growth": sum(memory[-10:]) / sum(memory[9:19]) - 1,
        "memory_bytes": memory[-1],
        "cpu_us_per_request": cpu_s / requests * 1e6,
    }


def measure(requests: int) -> dict[str, object]:
    """Run it and tell what it showed."""
    return asyncio.run(measured(requests))


async def main() -> None:
    Service.limit = int(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_input_ends()


if __name__ == "__main__":
    asyncio.run(main())
