"""What the gateway's benchmarks share: a fast upstream in its own process, load, quantiles.

The standard library alone, so that a peer's interpreter can import it too. Run as a program, it is
the upstream: it prints its port and serves until its input ends. A whole chat is answered at once,
a streamed one in ``--pieces`` after ``--gap-ms`` each; its first piece tells the moments when the
request had come and when the piece was written, by the clock that all processes share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
MODEL = "real"
USAGE = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
MESSAGES = [{"role": "user", "content": "Which of these requests is the shortest?"}]


def whole() -> bytes:
    message = {"role": "assistant", "content": "This one, and it is answered at once."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps(
        {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL,
         "choices": [choice], "usage": USAGE}
    ).encode()  # fmt: skip
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


WHOLE = whole()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def piece(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [choice]}  # fmt: skip
    return chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """The least HTTP that clients accept, so that it is nowhere the bottleneck."""

    pieces, gap_s = 20, 0.2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            body, self.data = self.data[end + 4 : end + 4 + length], self.data[end + 4 + length :]
            if b'"stream":true' in body or b'"stream": true' in body:
                self.stream(time.monotonic_ns())
            else:
                self.transport.write(WHOLE)  # type: ignore[attr-defined]

    def stream(self, came_ns: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time() + self.gap_s
        loop.call_at(began_s, self.first, came_ns)
        for number in range(1, self.pieces):
            loop.call_at(began_s + number * self.gap_s, self.send, piece(f" {number}"))
        ending = piece("", "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        loop.call_at(began_s + self.pieces * self.gap_s, self.send, ending)

    def first(self, came_ns: int) -> None:
        self.send(HEAD + piece(f"{came_ns} {time.monotonic_ns()}"))

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)  # type: ignore[attr-defined]


@contextmanager
def process(arguments: Sequence[str], environ: dict[str, str] | None = None) -> Iterator[str]:
    """Run a server that prints a line when it listens, and ends when its input does."""
    child = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{' '.join(arguments)} did not start")
        yield line
    finally:
        child.stdin.close()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


@contextmanager
def upstream(*, pieces: int = 20, gap_ms: float = 200.0) -> Iterator[str]:
    """Its address, without a path."""
    options = ["--pieces", str(pieces), "--gap-ms", str(gap_ms)]
    with process([sys.executable, str(HERE / "_gateway_load.py"), *options]) as port:
        yield f"http://127.0.0.1:{port}"


Call = Callable[[], Awaitable[object]]


async def closed(call: Call, count: int, concurrency: int = 1) -> list[int]:
    """Times in ns of ``count`` calls, so many at once, each begun when one before has ended."""
    left, taken = iter(range(count)), []

    async def caller() -> None:
        for _ in left:
            began = time.perf_counter_ns()
            await call()
            taken.append(time.perf_counter_ns() - began)

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def us(values: Sequence[float], share: float) -> float:
    return quantile(values, share) / 1e3


async def until_input_ends() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--gap-ms", type=float, default=200.0)
    args = parser.parse_args()
    Upstream.pieces, Upstream.gap_s = args.pieces, args.gap_ms / 1e3
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_input_ends()


if __name__ == "__main__":
    asyncio.run(main())
