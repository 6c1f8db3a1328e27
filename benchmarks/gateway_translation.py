"""Time to translate: write a small chat, read its answer, read one piece of its stream.

    python benchmarks/gateway_translation.py [--number 20000] [--repeat 9]

Processor time of the thread, the least of the repetitions, next to the time that the JSON library
alone takes for the same bytes.
"""

import argparse
import json
import time
import timeit
from collections.abc import Callable

from ipfs_accelerate.gateway.wire import HttpResponse
from ipfs_accelerate.testing.conformance.provider_case import CHAT
from ipfs_accelerate.testing.conformance.recorded import cases

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--number", type=int, default=20_000)
parser.add_argument("--repeat", type=int, default=9)
args = parser.parse_args()


def least_us(run: Callable[[], object]) -> float:
    taken = timeit.repeat(run, number=args.number, repeat=args.repeat, timer=time.thread_time)
    return min(taken) / args.number * 1e6


def rows() -> list[tuple[str, float, float, float, float, float]]:
    found = []
    for name, case in cases().items():
        if case.chat is None or case.stream is None:
            continue
        provider, chat = case.provider, case.chat
        end = b"\n" if name == "ollama" else b"\n\n"
        pieces = [piece + end for piece in case.stream.split(end) if b"is." in piece]
        first = case.stream.split(end)[: 3 if name == "anthropic" else 1]
        chunks = provider.chunks(CHAT)
        list(chunks.feed(end.join([*first, b""])))
        response, piece = HttpResponse(200, {}, chat), pieces[0]
        body = json.loads(provider.build(CHAT, key="k").body)
        found.append(
            (
                name,
                least_us(lambda p=provider: p.build(CHAT, key="k")),
                least_us(lambda b=body: json.dumps(b)),
                least_us(lambda p=provider, r=response: p.parse(CHAT, r)),
                least_us(lambda b=chat: json.loads(b)),
                least_us(lambda c=chunks, b=piece: list(c.feed(b))),
            )
        )
    return found


print(f"{'us':10} {'build':>8} {'(dumps)':>8} {'parse':>8} {'(loads)':>8} {'piece':>8}")
for name, *figures in rows():
    print(f"{name:10} " + " ".join(f"{figure:8.2f}" for figure in figures))
