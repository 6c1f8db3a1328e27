"""What a simulation predicts, beside a real swarm of processes over shaped links.

The tolerances are part of the claim; `--log-cli-level=INFO` shows the errors found.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content.insight import Network, Strategy, run

logger = logging.getLogger(__name__)
BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "swarm.py"
NODES, MEGABYTES, MBIT, CHUNK_BYTES = 4, 16, 40.0, 256 * 1024
#: Real nodes pay for greetings, interior nodes and headers, which the simulation leaves out.
MAKESPAN_TOLERANCE = 0.35
ORIGIN_TOLERANCE = 0.1


def measure() -> dict[str, dict[str, float]]:
    command = [
        sys.executable, str(BENCHMARK), "--setting", "namespaces", "--json",
        "--nodes", str(NODES), "--mb", str(MEGABYTES), "--mbit", str(MBIT),
        "--chunk-kib", str(CHUNK_BYTES // 1024),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def predict(nodes: int, strategy: Strategy):
    rate = MBIT * 1e6 / 8
    network = Network(nodes, rate, rate, rate, latency_ns=500_000)
    return run(
        network,
        MEGABYTES * 1_000_000,
        leaf_bytes=CHUNK_BYTES,
        generator=np.random.default_rng(0),
        strategy=strategy,
    )


@pytest.mark.slow
@pytest.mark.needs("root", "linux")
def test_a_simulated_swarm_takes_about_as_long_as_a_real_one() -> None:
    measured = measure()
    for name, nodes, strategy in (("alone", 1, Strategy.ALONE), ("team", NODES, Strategy.OWNED)):
        found = predict(nodes, strategy)
        makespan_s = found.result.makespan_ns / 1e9
        error = makespan_s / measured[name]["fetch_s"] - 1
        origin_error = found.origin_share - measured[name]["origin_ratio"]
        line = (
            f"{name}: predicted {makespan_s:.2f} s, measured {measured[name]['fetch_s']:.2f} s"
            f" ({error:+.0%}); origin predicted {found.origin_share:.2f}, measured"
            f" {measured[name]['origin_ratio']:.2f} models"
        )
        logger.info(line)
        assert abs(error) <= MAKESPAN_TOLERANCE, line
        assert abs(origin_error) <= ORIGIN_TOLERANCE, line
