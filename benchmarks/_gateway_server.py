"""The gateway's server in a process of its own, for benchmarks: ``python _gateway_server.py URL``.

It prints its base URL and serves route ``m`` with token ``t`` until its input ends.
"""

from __future__ import annotations

import asyncio
import sys

from _gateway_load import MODEL, until_input_ends

from ipfs_accelerate.gateway import Candidate, Endpoint, Gateway, Route
from ipfs_accelerate.gateway.routes import Allowance
from ipfs_accelerate.gateway.server import GatewayServer

TOKEN = "t"


def gateway(url: str) -> Gateway:
    """One endpoint, whose limit of concurrency never holds anybody back."""
    endpoint = Endpoint("a", "vllm", url, allowance=Allowance(concurrent=10_000))
    return Gateway([endpoint], [Route("m", ((Candidate("a", MODEL),),))])


async def main() -> None:
    async with gateway(sys.argv[1]) as made, GatewayServer(made, token=TOKEN) as server:
        print(server.url, flush=True)
        await until_input_ends()


if __name__ == "__main__":
    asyncio.run(main())
