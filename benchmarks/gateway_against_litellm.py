"""The gateway beside LiteLLM: its router in process and its proxy, one upstream, the same requests.

    python3 -m venv /tmp/litellm && /tmp/litellm/bin/pip install 'litellm[proxy]'
    python benchmarks/gateway_against_litellm.py --litellm /tmp/litellm/bin [--calls 2000]

The ways take turns in short blocks: the bare client (aiohttp), `Gateway.chat`, LiteLLM's
`Router.acompletion`, and the bare client through either server (one worker each; both want a
token). *Calls/s* is of a closed loop with ``--concurrency`` callers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from _gateway_load import HERE, MESSAGES, MODEL, Call, closed, process, upstream, us
from _gateway_server import TOKEN, gateway

from ipfs_accelerate.gateway import Message

PROXY_TOKEN = "sk-benchmark"
ENVIRON = {
    **os.environ,
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MASTER_KEY": PROXY_TOKEN,
}
Block = Callable[[int, int], Awaitable[list[int]]]


@contextmanager
def router(python: Path, url: str) -> Iterator[Block]:
    """LiteLLM's router in its own process."""
    child = subprocess.Popen(
        [str(python), str(HERE / "_peer_litellm.py"), url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=ENVIRON,
    )  # fmt: skip
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None

    def line_of(start: str) -> str:
        for line in stdout:
            if line.startswith(start):
                return line
        raise SystemExit("LiteLLM's router did not start")

    async def block(count: int, concurrency: int) -> list[int]:
        stdin.write(f"{count} {concurrency}\n")
        stdin.flush()
        found = json.loads(await asyncio.to_thread(line_of, "{"))
        return list(found["taken_ns"])

    try:
        line_of("ready")
        yield block
    finally:
        stdin.close()
        child.wait(20)
        stdout.close()


@contextmanager
def proxy(binary: Path, url: str, port: int) -> Iterator[str]:
    """LiteLLM's proxy with one worker."""
    model = {"model": f"openai/{MODEL}", "api_base": url + "/v1", "api_key": "k"}
    config = {"model_list": [{"model_name": "m", "litellm_params": model}]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"  # JSON is YAML
        file.write_text(json.dumps(config))
        child = subprocess.Popen(
            [str(binary), "--config", str(file), "--host", "127.0.0.1", "--port", str(port),
             "--num_workers", "1", "--telemetry", "False"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRON, cwd=folder,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            child.terminate()
            child.wait(30)


async def until_it_answers(call: Call, limit_s: float = 180.0) -> None:
    async with asyncio.timeout(limit_s):
        while True:
            try:
                return await call()  # type: ignore[return-value]
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.5)


def poster(session: aiohttp.ClientSession, url: str, token: str, model: str) -> Call:
    headers = {"Authorization": f"Bearer {token}"}
    body = {"model": model, "messages": MESSAGES}

    async def call() -> None:
        async with session.post(url + "/chat/completions", json=body, headers=headers) as answer:
            answer.raise_for_status()
            json.loads(await answer.read())

    return call


def in_process(call: Call) -> Block:
    async def block(count: int, concurrency: int) -> list[int]:
        gc.collect()
        return await closed(call, count, concurrency)

    return block


async def run(args: argparse.Namespace, url: str, servers: tuple[str, str], peer: Block) -> None:
    messages = [Message("user", MESSAGES[0]["content"])]
    async with gateway(url) as made, aiohttp.ClientSession() as session:
        through = poster(session, servers[1], PROXY_TOKEN, "m")
        await until_it_answers(through)
        ways: dict[str, Block] = {
            "bare client": in_process(poster(session, url + "/v1", "k", MODEL)),
            "gateway": in_process(lambda: made.chat("m", messages)),
            "litellm router": peer,
            "gateway server": in_process(poster(session, servers[0], TOKEN, "m")),
            "litellm proxy": in_process(through),
        }
        for block in ways.values():
            await block(50, 1)
        times: dict[str, list[int]] = {name: [] for name in ways}
        spent_s = dict.fromkeys(ways, 0.0)
        count = max(1, args.calls // args.rounds)
        for _ in range(args.rounds):
            for name, block in ways.items():
                times[name] += await block(count, 1)
        for _ in range(args.rounds):
            for name, block in ways.items():
                began_s = time.perf_counter()
                await block(count, args.concurrency)
                spent_s[name] += time.perf_counter() - began_s
    report(times, {name: count * args.rounds / spent for name, spent in spent_s.items()})


def report(times: dict[str, list[int]], rates: dict[str, float]) -> None:
    base = times["bare client"]
    print(f"{'µs':16}{'p50':>9}{'p99':>9}{'added p50':>11}{'added p99':>11}{'calls/s':>9}")
    added = {}
    for name, taken in times.items():
        p50, p99 = us(taken, 0.5), us(taken, 0.99)
        added[name] = p50 - us(base, 0.5)
        print(f"{name:16}{p50:9,.0f}{p99:9,.0f}{added[name]:11,.0f}{p99 - us(base, 0.99):11,.0f}"
              f"{rates[name]:9,.0f}")  # fmt: skip
    for peer, ours in (("litellm router", "gateway"), ("litellm proxy", "gateway server")):
        print(
            f"{peer} / {ours}: added p50 {added[peer] / added[ours]:.1f} times,"
            f" calls/s {rates[ours] / rates[peer]:.1f} times fewer"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--litellm", type=Path, required=True, help="bin of its environment")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--port", type=int, default=18_400, help="for LiteLLM's proxy")
    args = parser.parse_args()
    with (
        upstream() as url,
        process([sys.executable, str(HERE / "_gateway_server.py"), url]) as ours,
        proxy(args.litellm / "litellm", url, args.port) as theirs,
        router(args.litellm / "python", url) as peer,
    ):
        asyncio.run(run(args, url, (ours, theirs), peer))


if __name__ == "__main__":
    main()
