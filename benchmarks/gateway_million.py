"""A million requests through the dispatcher, against services that count and refuse.

The services are simulated, the dispatcher is the one of the gateway. Four routes are asked for more
than their keys allow, each with a service that counts differently (fixed windows, sliding windows,
token buckets; tokens instead of requests), with a clock of its own; a fifth meets failures, stalls,
deadlines, hedges and callers who go away.

- *Quota used*: the time in which the service's rule allows what was answered, over the time taken.
- *Refused*: answers 429, all of which would be our own fault.
- *Inversions*: starts of a call while one with a better rank waited for the same.
- *Memory*: resident, a mean of ten readings at the end over one after a tenth of the requests.
- *Overhead*: CPU time of the dispatcher alone for one call from submission to answer, the least of
  many short runs, with 1,000 calls in flight.

With ``--http``, requests are sent over real HTTP by the whole gateway to one route whose three keys
are counted in sliding windows by a process that refuses what is too much; times are then real, and
a key's allowance is a half of the rate reached without any, so the run is as long as the machine is
slow; three windows of 20 s are the least that shows the quota used.
The overhead of a call over HTTP is what ``gateway_latency.py`` measures.

Example: ``python benchmarks/gateway_million.py --requests 100000``
Example: ``python benchmarks/gateway_million.py --http --requests 100000``
"""

# ruff: noqa: D101, D102 - a script whose parts are told by their names

from __future__ import annotations

import argparse
import gc
import heapq
import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ipfs_accelerate.errors import ProviderFailedError, RateLimitedError, StreamStalledError
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import Operation, Usage
from ipfs_accelerate.gateway.reliability import Dispatcher, ReliabilitySettings, events
from ipfs_accelerate.gateway.routes import (
    Allowance,
    Candidate,
    Endpoint,
    Key,
    Priority,
    Route,
)

S = 1_000_000_000
WINDOW_S = 60.0
WINDOWS = 20
KEYS = 3
KINDS = ("fixed", "sliding", "bucket", "tokens")
MEAN_TOKENS = 400
CROWD = 400
PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.NORMAL, Priority.LOW)


class Meter:
    """How one key is used, by the service's clock: moments at which whole allowances were used."""

    def __init__(self, limit: int, skew: float, offset_s: float) -> None:
        self.limit = limit
        self.skew = skew
        self.offset_s = offset_s
        self.used = 0
        self.refused = 0
        self.marks: list[float] = []

    def admit(self, now_ns: int, amount: int) -> bool:
        now_s = now_ns / S * (1 + self.skew) + self.offset_s
        if not self.has_room(now_s, amount):
            self.refused += 1
            return False
        if self.used // self.limit >= len(self.marks):
            self.marks.append(now_s)
        self.used += amount
        return True

    def has_room(self, now_s: float, amount: int) -> bool:
        raise NotImplementedError

    @property
    def share(self) -> float | None:
        """Of the allowance; the first request of each allowance marks its time."""
        if len(self.marks) < 3:
            return None
        return (len(self.marks) - 1) * WINDOW_S / (self.marks[-1] - self.marks[0])


class FixedWindows(Meter):
    window = -1
    count = 0

    def has_room(self, now_s: float, amount: int) -> bool:
        window = int(now_s // WINDOW_S)
        if window != self.window:
            self.window, self.count = window, 0
        self.count += amount
        return self.count <= self.limit


class SlidingWindow(Meter):
    def __init__(self, limit: int, skew: float, offset_s: float) -> None:
        super().__init__(limit, skew, offset_s)
        self.log: deque[tuple[float, int]] = deque()
        self.count = 0

    def has_room(self, now_s: float, amount: int) -> bool:
        while self.log and self.log[0][0] <= now_s - WINDOW_S:
            self.count -= self.log.popleft()[1]
        if self.count + amount > self.limit:
            return False
        self.log.append((now_s, amount))
        self.count += amount
        return True


class TokenBucket(Meter):
    level = -1.0
    filled_s = 0.0

    def has_room(self, now_s: float, amount: int) -> bool:
        if self.level < 0:
            self.level, self.filled_s = float(self.limit), now_s
        gained = (now_s - self.filled_s) * self.limit / WINDOW_S
        self.level, self.filled_s = min(float(self.limit), self.level + gained), now_s
        if self.level < amount:
            return False
        self.level -= amount
        return True


METERS = {
    "fixed": FixedWindows,
    "sliding": SlidingWindow,
    "bucket": TokenBucket,
    "tokens": SlidingWindow,
}


@dataclass
class Asked:
    """A call as the callers see it."""

    route: str
    rank: tuple[int, int]
    amount: int
    estimate: int
    is_waiting: bool = True


class World:
    """Callers, services and the network between them, driven by one heap of events."""

    def __init__(self, requests: int, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.draws: list[float] = []
        self.requests = requests
        self.heap: list[tuple[int, int, str, object]] = []
        self.number = 0
        self.settings = ReliabilitySettings()
        self.meters: dict[tuple[str, str], Meter] = {}
        endpoints = [self.service(kind) for kind in KINDS]
        endpoints += [Endpoint(f"flaky-{n}", "vllm", f"http://flaky-{n}") for n in range(3)]
        routes = [Route(kind, ((Candidate(kind),),), deadline_s=None) for kind in KINDS]
        tiers = ((Candidate("flaky-0", weight=2.0), Candidate("flaky-1")), (Candidate("flaky-2"),))
        routes.append(Route("flaky", tiers, hedge_after_s=2.0, deadline_s=8.0))
        self.dispatcher = Dispatcher(routes, endpoints, self.settings, self.generator)
        self.calls: dict[int, Asked] = {}
        self.running: dict[int, tuple[int, Asked]] = {}
        self.waiting: dict[str, list[tuple[tuple[int, int], Asked]]] = {k: [] for k in KINDS}
        self.submitted = self.ended = self.inversions = self.wake = 0
        self.outcomes: dict[str, int] = {}
        self.memory: list[int] = []

    def service(self, kind: str) -> Endpoint:
        limit = max(20, round(0.9 * self.requests / (len(KINDS) * KEYS * WINDOWS)))
        is_tokens = kind == "tokens"
        limit = limit * MEAN_TOKENS if is_tokens else limit
        allowance = Allowance(
            requests=None if is_tokens else limit,
            tokens=limit if is_tokens else None,
            concurrent=CROWD,
            window_s=WINDOW_S,
        )
        keys = tuple(Key(f"key-{n}", Secret("s"), allowance) for n in range(KEYS))
        for key in keys:
            skew, offset_s = self.generator.uniform(-0.001, 0.001), self.generator.uniform(0, 1e5)
            self.meters[kind, key.name] = METERS[kind](limit, float(skew), float(offset_s))
        allowance = Allowance(concurrent=CROWD * KEYS)
        return Endpoint(kind, "openai", f"http://{kind}", keys=keys, allowance=allowance)

    def run(self) -> None:
        for route in (*KINDS, "flaky"):
            for _ in range(CROWD * 2 if route != "flaky" else 100):
                self.submit(route, 0)
        while self.heap and self.ended < self.requests:
            now_ns, _, kind, what = heapq.heappop(self.heap)
            getattr(self, f"on_{kind}")(now_ns, what)
            if self.ended * 100 >= self.requests * (len(self.memory) + 1):
                self.memory.append(resident_bytes())

    def draw(self) -> float:
        if not self.draws:
            self.draws = self.generator.random(4096).tolist()
        return self.draws.pop()

    def at(self, moment_ns: int, kind: str, what: object) -> None:
        self.number += 1
        heapq.heappush(self.heap, (moment_ns, self.number, kind, what))

    def submit(self, route: str, now_ns: int) -> None:
        self.submitted += 1
        call_id = self.submitted
        priority = PRIORITIES[int(self.draw() * 4)]
        rank = (now_ns + priority * round(self.settings.ageing_s * S), call_id)
        is_tokens = route == "tokens"
        amount = int(MEAN_TOKENS * (0.5 + self.draw())) if is_tokens else 1
        asked = Asked(route, rank, amount, int(amount * (1 + 0.5 * self.draw())))
        self.calls[call_id] = asked
        if route in self.waiting:
            heapq.heappush(self.waiting[route], (rank, asked))
        self.tell(events.Submit(call_id, route, Operation.CHAT, priority, asked.estimate), now_ns)
        if route == "flaky" and self.draw() < 0.05:
            self.at(now_ns + int(3 * S * self.draw()), "leave", call_id)

    def tell(self, event: events.Event, now_ns: int) -> None:
        for order in self.dispatcher.handle(event, now_ns):
            if isinstance(order, events.Start):
                self.start(order, now_ns)
            elif isinstance(order, events.Abort):
                self.running.pop(order.attempt_id)
            elif isinstance(order, events.GiveUp):
                self.end(order.call_id, order.error.code, now_ns)
            else:
                self.wake += 1
                self.at(order.moment_ns, "tick", self.wake)

    def start(self, order: events.Start, now_ns: int) -> None:
        asked = self.calls[order.call_id]
        self.running[order.attempt_id] = (order.call_id, asked)
        self.check_order(asked)
        way_ns = int((0.005 + 0.055 * self.draw()) * S)
        self.at(now_ns + way_ns, "arrival", (order.attempt_id, order.candidate.endpoint, order.key))

    def check_order(self, asked: Asked) -> None:
        if asked.route not in self.waiting or not asked.is_waiting:
            return
        asked.is_waiting = False
        waiting = self.waiting[asked.route]
        while waiting and not waiting[0][1].is_waiting:
            heapq.heappop(waiting)
        if waiting and waiting[0][0] < asked.rank:
            self.inversions += 1

    def on_arrival(self, now_ns: int, what: tuple[int, str, str]) -> None:
        attempt_id, endpoint, key = what
        if attempt_id not in self.running:
            return
        _, asked = self.running[attempt_id]
        took_ns = int((0.3 + 1.4 * self.draw()) * S)
        answer: object = None
        if endpoint.startswith("flaky"):
            chance = self.draw()
            if chance < 0.04:
                answer = ProviderFailedError("500", details={"status": 500})
            elif chance < 0.05:
                answer, took_ns = StreamStalledError("silence"), 30 * S
        elif not self.meters[endpoint, key].admit(now_ns, asked.amount):
            answer = RateLimitedError("429", details={"status": 429, "retry_after_s": 5.0})
        self.at(now_ns + took_ns, "answer", (attempt_id, answer))

    def on_answer(self, now_ns: int, what: tuple[int, object]) -> None:
        attempt_id, error = what
        if attempt_id not in self.running:
            return
        call_id, asked = self.running.pop(attempt_id)
        if error is not None:
            self.tell(events.Failed(attempt_id, error), now_ns)
            return
        usage = Usage(asked.amount, 0) if asked.route == "tokens" else None
        self.tell(events.Succeeded(attempt_id, usage), now_ns)
        self.end(call_id, "ok", now_ns)

    def on_tick(self, now_ns: int, wake: int) -> None:
        if wake == self.wake:
            self.tell(events.Tick(), now_ns)

    def on_leave(self, now_ns: int, call_id: int) -> None:
        if call_id in self.calls:
            self.tell(events.Cancel(call_id), now_ns)
            self.end(call_id, "cancelled", now_ns)

    def end(self, call_id: int, outcome: str, now_ns: int) -> None:
        asked = self.calls.pop(call_id)
        asked.is_waiting = False
        self.ended += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.submit(asked.route, now_ns)


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def measure(requests: int, seed: int = 1) -> dict[str, object]:
    """Run the world and tell what it showed."""
    world = World(requests, seed)
    began_s = time.process_time()
    world.run()
    cpu_us = (time.process_time() - began_s) / requests * 1e6
    shares = {
        kind: [meter.share for (name, _), meter in world.meters.items() if name == kind]
        for kind in KINDS
    }
    known = {kind: [s for s in values if s is not None] for kind, values in shares.items()}
    return {
        "origin": "simulated",
        "requests": world.ended,
        "outcomes": world.outcomes,
        "quota_used": {kind: sum(s) / len(s) if s else None for kind, s in known.items()},
        "quota_used_least": min((s for values in known.values() for s in values), default=None),
        "refused": sum(meter.refused for meter in world.meters.values()),
        "inversions": world.inversions,
        "memory_growth": sum(world.memory[-10:]) / sum(world.memory[9:19]) - 1,
        "memory_bytes": world.memory[-1],
        "cpu_us_per_request": cpu_us,
        "overhead_us": overhead_us(),
    }


def overhead_us(in_flight: int = 1000, blocks: int = 200) -> float:
    """CPU time of the dispatcher for one call, from submission to answer."""
    allowance = Allowance(requests=10**9, concurrent=10**4)
    keys = tuple(Key(f"key-{n}", Secret("s"), allowance) for n in range(KEYS))
    endpoints = [Endpoint("a", "openai", keys=keys, allowance=allowance)]
    dispatcher = Dispatcher([Route("a", ((Candidate("a"),),))], endpoints)
    running: deque[int] = deque()
    least_s = float("inf")
    usage = Usage(100, 100)
    for block in range(blocks):
        began_s = time.process_time()
        for number in range(block * 100, block * 100 + 100):
            submit = events.Submit(number, "a", Operation.CHAT, tokens=200)
            orders = dispatcher.handle(submit, number * 1_000_000)
            running.extend(o.attempt_id for o in orders if isinstance(o, events.Start))
            if len(running) > in_flight:
                event = events.Succeeded(running.popleft(), usage)
                dispatcher.handle(event, number * 1_000_000)
        if len(running) == in_flight:
            least_s = min(least_s, time.process_time() - began_s)
    return least_s / 100 * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000, help="at least 1,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--http", action="store_true", help="over real HTTP, in real time")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.requests < 1000:
        parser.error("--requests: fewer than 1,000 tell nothing")
    if options.http:
        from _gateway_million_http import measure as measure_http

        found = measure_http(options.requests)
    else:
        found = measure(options.requests, options.seed)
    if options.json:
        print(json.dumps(found))
        return 0
    show(found)
    shares = [share for share in found["quota_used"].values() if share is not None]
    is_good = (
        found["refused"] == 0
        and found["inversions"] == 0
        and found["memory_growth"] < 0.01
        and (found.get("quota_used_least", min(shares, default=0)) or 0) >= 0.98
    )
    return 0 if is_good else 1


def show(found: dict[str, object]) -> None:
    """The table."""
    print(f"{found['requests']:,} {found['origin']} requests: {found['outcomes']}")
    if "rate_per_s" in found:
        print(
            f"{found['rate_per_s']:,.0f} a second within {found['limit_per_key']:,} for each of 3"
            f" keys in {found['window_s']:g} s; {found['rate_free_per_s']:,.0f} without a limit"
        )
    print(f"{'':32}{'found':>10}  must be")
    for kind, share in found["quota_used"].items():
        shown = "too short" if share is None else f"{share:.2%}"
        print(f"quota used, {kind:20}{shown:>10}  ≥ 98 %")
    print(f"{'refused by the services (429)':32}{found['refused']:>10}  0")
    print(f"{'priority inversions':32}{found['inversions']:>10}  0")
    print(f"{'growth of resident memory':32}{found['memory_growth']:>10.2%}  < 1 %")
    print(f"{'resident memory, MiB':32}{found['memory_bytes'] / 2**20:>10.1f}")
    print(f"{'CPU a request, driver incl.':32}{found['cpu_us_per_request']:>10.1f}  µs")
    if "overhead_us" in found:
        print(f"{'overhead of a call':32}{found['overhead_us']:>10.1f}  < 20 µs")


if __name__ == "__main__":
    sys.exit(main())
