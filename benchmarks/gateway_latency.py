"""Latency that the gateway adds to the bare HTTP client's own call.

    python benchmarks/gateway_latency.py [--calls 20000] [--rounds 20] [--rates 100 …]

Three ways to the same fast upstream, which runs in its own process: the bare client (aiohttp: body
written as JSON, answer read as JSON), `Gateway.chat` in this process, and a client of the gateway's
server in a third process. The ways take turns in short blocks. First one call at a time; then calls
that come by chance at a given rate (the same moments for each way), to find the highest rate at
which one core keeps the goal. *Added* is the difference of quantiles; *CPU* is the processor time
of this process for one call. At last, how far resident memory grew over the calls by chance.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np
from _gateway_load import HERE, MESSAGES, MODEL, Call, closed, process, quantile, upstream, us
from _gateway_server import TOKEN, gateway

from ipfs_accelerate.gateway import Message

GOAL_P50_US, GOAL_P99_US = 200.0, 1000.0


async def paced(call: Call, gaps_s: np.ndarray) -> tuple[list[int], float]:
    """Times in ns of calls begun after these gaps, and the rate that was reached."""
    taken: list[int] = []

    async def one() -> None:
        began = time.perf_counter_ns()
        await call()
        taken.append(time.perf_counter_ns() - began)

    loop = asyncio.get_running_loop()
    start = due = loop.time()
    async with asyncio.TaskGroup() as group:
        for gap_s in gaps_s:
            due += gap_s
            if (wait_s := due - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one())
    return taken, len(gaps_s) / (loop.time() - start)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def one_at_a_time(ways: dict[str, Call], calls: int, rounds: int) -> None:
    times: dict[str, list[int]] = {name: [] for name in ways}
    cpu_s = dict.fromkeys(ways, 0.0)
    block = max(1, calls // rounds)
    for _ in range(rounds):
        for name, call in ways.items():
            gc.collect()
            began_s = time.process_time()
            times[name] += await closed(call, block)
            cpu_s[name] += time.process_time() - began_s
    print(f"one at a time, {block * rounds:,} calls each way in {rounds} turns")
    print(f"{'µs':10}{'p50':>9}{'p99':>9}{'added p50':>11}{'added p99':>11}{'CPU':>8}{'ratio':>7}")
    base = times["bare"]
    for name, taken in times.items():
        p50, p99 = us(taken, 0.5), us(taken, 0.99)
        print(
            f"{name:10}{p50:9.0f}{p99:9.0f}{p50 - us(base, 0.5):11.0f}{p99 - us(base, 0.99):11.0f}"
            f"{cpu_s[name] / (block * rounds) * 1e6:8.0f}{p50 / us(base, 0.5):7.2f}"
        )


async def at_rates(ways: dict[str, Call], rates: list[int], seconds: float) -> None:
    generator = np.random.default_rng(0)
    print(f"\ncalls by chance at a rate, {seconds:g} s each way; µs")
    print(f"{'rate/s':>8}{'bare p50':>10}{'p99':>8}{'gateway p50':>13}{'p99':>8}{'added p50':>11}"
          f"{'added p99':>11}{'reached':>9}")  # fmt: skip
    best = None
    for rate in rates:
        found: dict[str, list[int]] = {"bare": [], "gateway": []}
        reached = []
        for _ in range(4):
            gaps_s = generator.exponential(1 / rate, max(1, round(rate * seconds / 4)))
            for name in found:
                gc.collect()
                times, at = await paced(ways[name], gaps_s)
                found[name] += times
                if name == "gateway":
                    reached.append(at)
        bare, ours = found["bare"], found["gateway"]
        p50, p99 = (us(ours, share) - us(bare, share) for share in (0.5, 0.99))
        share = quantile(reached, 0.5) / rate
        print(f"{rate:8,}{us(bare, 0.5):10.0f}{us(bare, 0.99):8.0f}{us(ours, 0.5):13.0f}"
              f"{us(ours, 0.99):8.0f}{p50:11.0f}{p99:11.0f}{share:9.0%}")  # fmt: skip
        if p50 <= GOAL_P50_US and p99 <= GOAL_P99_US and share > 0.95:
            best = rate
    told = f"{best:,} calls a second" if best else "none of these"
    print(f"highest rate with {GOAL_P50_US:.0f} µs added at p50, {GOAL_P99_US:.0f} at p99: {told}")


async def run(args: argparse.Namespace, url: str, server_url: str) -> None:
    body = {"model": MODEL, "messages": MESSAGES}
    messages = [Message("user", MESSAGES[0]["content"])]
    token = {"Authorization": f"Bearer {TOKEN}"}
    async with gateway(url) as made, aiohttp.ClientSession() as session:

        async def bare() -> None:
            async with session.post(url + "/v1/chat/completions", json=body) as answer:
                json.loads(await answer.read())

        async def ours() -> None:
            await made.chat("m", messages)

        async def served() -> None:
            async with session.post(
                server_url + "/chat/completions", json={**body, "model": "m"}, headers=token
            ) as answer:
                json.loads(await answer.read())

        ways: dict[str, Call] = {"bare": bare, "gateway": ours, "server": served}
        for call in ways.values():
            await closed(call, 500)
        await one_at_a_time(ways, args.calls, args.rounds)
        gc.collect()
        before = resident_bytes()
        await at_rates(ways, args.rates, args.seconds)
        gc.collect()
        grown = resident_bytes() - before
        print(f"\nresident memory {before / 2**20:.1f} MiB, grown by {grown / before:+.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=20)
    rates = [100, 200, 400, 600, 800, 1000, 1250, 1500, 2000]
    parser.add_argument("--rates", type=int, nargs="*", default=rates)
    parser.add_argument("--seconds", type=float, default=12.0, help="at each rate, each way")
    args = parser.parse_args()
    with (
        upstream() as url,
        process([sys.executable, str(HERE / "_gateway_server.py"), url]) as server_url,
    ):
        asyncio.run(run(args, url, server_url))


if __name__ == "__main__":
    main()
