"""Recall of injected 2 % shifts and false alarms on real noise, side by side with Apache Otava.

    python benchmarks/regression_recall.py           # 60 series of each kind, 2 minutes
    python benchmarks/regression_recall.py --full    # 10,000, some hours

Records many short runs of a small kernel on this machine, then makes series of runs: "spaced" takes
runs at random moments, as a nightly job does; "back to back" takes neighbours, which share what
happens to the machine for seconds. Every series is judged as it is and with a shift from a random
run on. A comparison is one place where a change could be reported. Both tools see the medians of
the runs, ours their intervals too; both ignore changes below 1 %. A shift counts as found when it
is reported in the right direction near its place. Thresholds of both are swept, and
the table gives the best recall at no more than the stated false alarms.

"planned" lets the planner see 60 other runs and choose how many it takes before and after the shift
(up to 400 on each side), draws that many at random moments, and counts at the threshold of the
product. There and above, near means within five runs, or a tenth of the series when that is more.

Apache Otava pins its own numpy, so it gets an environment of its own, `.venv-otava`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ipfs_accelerate.bench.intervals import interval_rows
from ipfs_accelerate.evidence.regressions import plan_runs
from ipfs_accelerate.evidence.regressions.detect import ALPHA, find_changes
from ipfs_accelerate.evidence.regressions.findings import THRESHOLD

ROOT = Path(__file__).resolve().parents[1]
OTAVA = ROOT / ".venv-otava"
VERSION = "apache-otava==0.8.0"
PEER = Path(__file__).with_name("_peer_otava.py")
RUNS = 40
SAMPLES = 128
SHIFT = 1.02
NEAR = 5
OURS = (0.1, 0.03, 0.01, 0.003, ALPHA, 1e-4, 1e-5, 1e-6, 1e-8)
THEIRS = (0.01, 0.001, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10)
PILOT = 60
MOST = 400
LIMITS = (1.0, 5.0, 20.0, 50.0)
Found = list[list[tuple[int, float]]]


def peer_python() -> Path:
    python = OTAVA / "bin" / "python"
    if not (OTAVA / ".installed").exists():
        print("setting up .venv-otava (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(OTAVA)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", VERSION], check=True)
        (OTAVA / ".installed").touch()
    return python


def record(seconds: float) -> np.ndarray:
    """Latencies of a small kernel, ns, ``(runs, samples)``."""
    block = np.random.default_rng(0).standard_normal((96, 96)).astype(np.float32)
    runs, end = [], time.perf_counter_ns() + round(seconds * 1e9)
    while time.perf_counter_ns() < end:
        run = np.empty(SAMPLES, dtype=np.int64)
        for i in range(SAMPLES):
            start = time.perf_counter_ns()
            np.sort(block, axis=1)
            run[i] = time.perf_counter_ns() - start
        runs.append(run)
    return np.array(runs)


def relative_errors(runs: np.ndarray) -> np.ndarray:
    """Standard error of each run's median, from its interval."""
    low, high, _ = interval_rows(runs.astype(np.float64), confidence=0.95)
    return np.log(high / low) / (2 * 1.959964)


def drawn(rng: np.random.Generator, total: int, series: int, kind: str) -> np.ndarray:
    """Which runs make up each series."""
    if kind == "spaced":
        return np.array([rng.choice(total, RUNS, replace=False) for _ in range(series)])
    return rng.integers(0, total - RUNS, (series, 1)) + np.arange(RUNS)


def ours(
    medians: Sequence[np.ndarray], errors: Sequence[np.ndarray], alphas: Sequence[float] = OURS
) -> list[Found]:
    return [
        [
            [
                (change.index, change.ratio - 1)
                for change in find_changes(row, error, alpha=alpha)
                if change.kind != "variance" and abs(np.log(change.ratio)) >= np.log1p(THRESHOLD)
            ]
            for row, error in zip(medians, errors, strict=True)
        ]
        for alpha in alphas
    ]


def theirs(medians: Sequence[np.ndarray]) -> list[Found]:
    rows = np.full((len(medians), max(map(len, medians))), np.nan)
    for row, values in zip(rows, medians, strict=True):
        row[: len(values)] = values
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        np.save(path, rows)
        command = [
            str(peer_python()), str(PEER), str(path), json.dumps(THEIRS), str(THRESHOLD),
        ]  # fmt: skip
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def alarms_per_10000(found: Found, comparisons: int) -> float:
    return 1e4 * sum(map(len, found)) / comparisons


def recall(found: Found, places: Sequence[int], lengths: Sequence[int]) -> float:
    hits = [
        any(abs(index - place) <= max(NEAR, n // 10) and change > 0 for index, change in row)
        for row, place, n in zip(found, places, lengths, strict=True)
    ]
    return float(np.mean(hits))


def compare(rng: np.random.Generator, runs: np.ndarray, series: int, kind: str) -> None:
    medians, errors = np.median(runs, axis=1), relative_errors(runs)
    index = drawn(rng, len(runs), series, kind)
    places = rng.integers(RUNS // 4, RUNS - RUNS // 4 + 1, series)
    shifted = medians[index] * np.where(np.arange(RUNS) >= places[:, None], SHIFT, 1.0)
    tools = {
        "ours": (OURS, ours(medians[index], errors[index]), ours(shifted, errors[index])),
        "Otava": (THEIRS, theirs(medians[index]), theirs(shifted)),
    }
    print(f"\n{kind}: {series} series of {RUNS} runs of {SAMPLES} samples")
    print(f"{'tool':8s}{'threshold':>10s}{'false alarms per 10,000':>25s}{'recall %':>10s}")
    curves: dict[str, list[tuple[float, float]]] = {}
    for tool, (thresholds, quiet, moved) in tools.items():
        for threshold, none, some in zip(thresholds, quiet, moved, strict=True):
            point = (
                alarms_per_10000(none, series * (RUNS - 1)),
                100 * recall(some, places, [RUNS] * series),
            )
            curves.setdefault(tool, []).append(point)
            print(f"{tool:8s}{threshold:10.0e}{point[0]:25.2f}{point[1]:10.1f}")
    print(f"{'at most':>18s}{'ours %':>10s}{'Otava %':>10s}")
    for limit in LIMITS:
        best = [max((r for f, r in curves[tool] if f <= limit), default=0.0) for tool in tools]
        print(f"{limit:18.0f}{best[0]:10.1f}{best[1]:10.1f}")


def planned(rng: np.random.Generator, runs: np.ndarray, series: int) -> None:
    """Recall at the counts that the planner chooses from other runs, for each series anew."""
    medians, errors = np.median(runs, axis=1), relative_errors(runs)
    quiet, moved, error, places = [], [], [], []
    refused = 0
    for _ in range(series):
        order = rng.permutation(len(runs))
        pilot = order[:PILOT]
        side = plan_runs(medians[pilot], errors[pilot], runs.shape[1]).runs
        if side is None or side > min(MOST, (len(runs) - PILOT) // 2):
            refused += 1
            continue
        index = order[PILOT : PILOT + 2 * side]
        quiet.append(medians[index])
        moved.append(medians[index] * np.where(np.arange(2 * side) >= side, SHIFT, 1.0))
        error.append(errors[index])
        places.append(side)
    lengths = [len(row) for row in quiet]
    total = sum(lengths) - len(lengths)
    few, middle, many = np.quantile(places, [0.05, 0.5, 0.95])
    print(
        f"\nplanned: {len(places)} series, {middle:.0f} runs a side ({few:.0f} to {many:.0f})",
        end="",
    )
    print(f"; {refused} plans needed more than there are" if refused else "")
    none, some = (ours(rows, error, (ALPHA,))[0] for rows in (quiet, moved))
    alarms, at_all = alarms_per_10000(none, total), recall(some, places, [10 * n for n in lengths])
    print(f"ours at {ALPHA:g}: {alarms:.2f} false alarms per 10,000, recall ", end="")
    print(f"{100 * at_all:.1f} %, near its place {100 * recall(some, places, lengths):.1f} %")
    sample = slice(0, min(len(quiet), 1000))
    found = zip(THEIRS, theirs(quiet[sample]), theirs(moved[sample]), strict=True)
    total = sum(lengths[sample]) - len(lengths[sample])
    for threshold, none, some in found:
        near = recall(some, places[sample], lengths[sample])
        alarms = alarms_per_10000(none, total)
        print(f"Otava at {threshold:g}: {alarms:.2f} false alarms, near {100 * near:.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20.0, help="of recorded noise")
    parser.add_argument("--full", action="store_true", help="10,000 series, 10 minutes of noise")
    parser.add_argument("--noise", type=Path, help="keep the noise here, or reuse it (.npy)")
    arguments = parser.parse_args()
    series, seconds = (10_000, 600.0) if arguments.full else (arguments.series, arguments.seconds)
    if arguments.noise and arguments.noise.exists():
        runs = np.load(arguments.noise)
    else:
        runs = record(seconds)
        if arguments.noise:
            np.save(arguments.noise, runs)
    logs = np.log(np.median(runs, axis=1))
    core = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    far = np.mean(np.abs(logs - np.median(logs)) > 0.1)
    print(f"{len(runs)} runs: median {np.exp(np.median(logs)) / 1e3:.1f} µs, ", end="")
    print(f"spread between runs {100 * core:.2f} %, {100 * far:.0f} % off by more than a tenth")
    for kind in ("spaced", "back to back"):
        start = time.perf_counter()
        compare(np.random.default_rng(1), runs, series, kind)
        print(f"({time.perf_counter() - start:.0f} s)")
    planned(np.random.default_rng(2), runs, series)


if __name__ == "__main__":
    main()
