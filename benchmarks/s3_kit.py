"""The S3 kit beside the bare client: `python benchmarks/s3_kit.py [--full]`.

Two questions, each answered within one run and in an order drawn anew every round. What the pool
costs per request over the bare client, with one endpoint. And how long a file takes from two
endpoints of which one is slow: the bare client at either, the pool with both routings.
The store is moto's server on loopback; its own speed is the ceiling of every row.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import obstore
from obstore.store import S3Store

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.content.objects import Endpoint, Keys, ObjectPool
from ipfs_accelerate.content.objects.transfers import PART_BYTES, TransferOptions, download
from ipfs_accelerate.testing.s3_server import S3Fault, S3Proxy, S3Server

BUCKET = "models"
SLOW_BYTES_PER_S = 4e6
RANGE_BYTES = 64 * 1024


def bare(url: str) -> S3Store:
    return S3Store(
        BUCKET,
        config={"endpoint": url, "region": "us-east-1", "virtual_hosted_style_request": False},
        client_options={"allow_http": True, "timeout": timedelta(seconds=600)},
        credential_provider=lambda: {
            "access_key_id": "id",
            "secret_access_key": "secret",
            "token": None,
            "expires_at": None,
        },
    )


def endpoint(name: str, url: str) -> Endpoint:
    return Endpoint(name, BUCKET, url=url, keys=Keys("id", "secret"))


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[int]]:
    """Nanoseconds of every call, by name, in a random order each round."""
    rng, names = np.random.default_rng(0), list(calls)
    found: dict[str, list[int]] = {name: [] for name in names}
    for turn in range(-1, rounds):
        for index in rng.permutation(len(names)):
            start = time.perf_counter_ns()
            calls[names[index]]()
            if turn >= 0:
                found[names[index]].append(time.perf_counter_ns() - start)
    return found


def show(title: str, found: dict[str, list[int]]) -> None:
    base = float(np.median(next(iter(found.values()))))
    print(f"\n{title}\n{'':<34}{'median ms':>11}{'95 % interval':>20}{'ratio':>8}")
    for name, samples in found.items():
        interval = median_interval(np.array(samples))
        low, median, high = (x / 1e6 for x in (interval.low, interval.median, interval.high))
        span = f"{low:.2f} – {high:.2f}"
        print(f"{name:<34}{median:>11.2f}{span:>20}{median * 1e6 / base:>8.3f}")


def request_overhead(server: S3Server, rounds: int) -> None:
    store = bare(server.url)
    with ObjectPool([endpoint("one", server.url)]) as pool:
        calls: dict[str, Callable[[], object]] = {
            "bare client": lambda: obstore.get_range(store, "file", start=0, end=RANGE_BYTES),
            "pool, one endpoint": lambda: pool.get("file", 0, RANGE_BYTES),
        }
        show(f"One range of {RANGE_BYTES // 1024} KiB", interleave(calls, rounds))


def slowed(server: S3Server) -> S3Proxy:
    proxy = server.proxy()
    proxy.fail(S3Fault(rate_bytes_per_s=SLOW_BYTES_PER_S), times=10**6, method="GET")
    return proxy


def two_endpoints(server: S3Server, size_bytes: int, rounds: int) -> None:
    fast, slow = server.proxy(), slowed(server)
    pools = {
        routing: ObjectPool(
            [endpoint("fast", fast.url), endpoint("slow", slow.url)], routing=routing
        )
        for routing in ("round_robin", "least_loaded")
    }
    options = TransferOptions(part_bytes=min(PART_BYTES, size_bytes // 16), parallelism=4)
    with tempfile.TemporaryDirectory() as folder:

        def through(pool: ObjectPool) -> None:
            path = Path(folder) / "file"
            path.unlink(missing_ok=True)
            download(pool, "file", path, options=options)

        calls: dict[str, Callable[[], object]] = {
            "bare client, fast endpoint": lambda: obstore.get(bare(fast.url), "file").bytes(),
            "bare client, slow endpoint": lambda: obstore.get(bare(slow.url), "file").bytes(),
            "pool of both, round_robin": lambda: through(pools["round_robin"]),
            "pool of both, least_loaded": lambda: through(pools["least_loaded"]),
        }
        title = f"A file of {size_bytes / 1e6:.0f} MB; the slow endpoint sends"
        show(f"{title} {SLOW_BYTES_PER_S / 1e6:.0f} MB/s per request", interleave(calls, rounds))
    for routing, pool in pools.items():
        shares = {row.name: row.read_bytes for row in pool.statistics()}
        total = sum(shares.values())
        print(f"{routing}: " + ", ".join(f"{n} sent {b / total:.0%}" for n, b in shares.items()))
        pool.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="a file of 256 MB and more rounds")
    full = parser.parse_args().full
    size_bytes = 256_000_000 if full else 16_000_000
    with S3Server([BUCKET]) as server:
        server.put(BUCKET, "file", np.random.default_rng(0).bytes(size_bytes))
        request_overhead(server, 200 if full else 40)
        two_endpoints(server, size_bytes, 7 if full else 5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
