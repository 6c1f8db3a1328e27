"""Every `accel evidence` command on a ledger of ten million raw samples, as a user runs it.

    python benchmarks/evidence_ten_million.py --ledger /tmp/ten_million.duckdb

Writes 100 synthetic runs of 100 cases with 1,000 samples each through the ledger's own API (kept
with `--ledger` and reused), then starts each command in a fresh process, in turns. Wall and
processor seconds are medians; the memory is the largest resident set of any repetition.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

BIN = Path(sys.executable).parent
START = datetime(2026, 1, 1, tzinfo=UTC)
MODELS, TARGETS, CASES, RUNS, SAMPLES = 10, 5, 2, 100, 1000
GOAL_S, GOAL_BYTES = 2.0, 10**9
HARDWARE = HardwareRecord("cpu", "cpu", "Synthetic CPU", "Linux", "6", "benchmark")


@dataclass
class Seen:
    """Repetitions of one command."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    resident_bytes: int = 0


def rows(rng: np.random.Generator, run: int, samples: int) -> list[MeasurementRecord]:
    """One run of every case; a tenth of the cases became 3 % slower in the middle."""
    found = []
    moment = START + timedelta(days=run)
    for case in range(MODELS * TARGETS * CASES):
        model, target = case % MODELS, case // MODELS % TARGETS
        level = 1e6 * (1 + case) * (1.03 if run >= RUNS // 2 and case % 10 == 3 else 1.0)
        level *= np.exp(0.004 * rng.standard_normal())
        values = np.round(level * rng.lognormal(0, 0.05, samples)).astype(np.int64)
        low, median, high = np.quantile(values, [0.47, 0.5, 0.53])
        found.append(
            MeasurementRecord(
                run_id=f"run-{run:03d}",
                model=ModelRecord(f"org/model-{model}", "v1", "bert", "text", "hub"),
                hardware=HARDWARE,
                target=("torch", "onnxruntime", "openvino", "webnn", "mlx")[target] + "/cpu/fp32",
                test_case=f"fill-mask/b{1 + case // (MODELS * TARGETS)}",
                task="fill-mask",
                batch_size=1,
                shapes={"sequence": 128},
                precision="fp32",
                origin=Origin.MEASURED,
                status=CaseStatus.OK,
                created_at=moment + timedelta(seconds=case),
                samples_ns=tuple(values.tolist()),
                latency_p50_ns=int(median),
                latency_low_ns=int(low),
                latency_high_ns=int(high),
                confidence=0.95,
                parity={"ok": True},
                metrics={"foreign_cpu_share": float(rng.random()), "stolen_cpu_share": 0.0},
                environment={"versions": {"torch": "2.13"}, "cores": 2, "kernel": "6.1"},
            )
        )
    return found


def fill(path: Path, samples: int) -> None:
    ledger, rng = Ledger(path), np.random.default_rng(0)
    for run in range(RUNS):
        moment = START + timedelta(days=run)
        ledger.record_run(RunRecord(f"run-{run:03d}", "bench run", "performance", moment))
        ledger.record_measurements(rows(rng, run, samples))


def commands(ledger: Path) -> dict[str, list[str]]:
    """What a user asks; the two results compared are neighbours in time of one case."""
    sql = """SELECT replace(result_id::VARCHAR, '-', '') FROM performance_history
        WHERE origin = 'measured' AND model_name = 'org/model-3' ORDER BY target, test_case,
        created_at DESC LIMIT 2"""
    pair = [str(row[0]) for row in Ledger(ledger, read_only=True).query(sql).rows]
    return {
        "summary": ["summary"],
        "summary --limit 200": ["summary", "--limit", "200"],
        "compare": ["compare", *pair],
        "aggregate --by model": ["aggregate", "--by", "model"],
        "aggregate --by test_run": ["aggregate", "--by", "test_run"],
        "correlate (3 measures)": ["correlate", "latency", "foreign_cpu_share", "interval_width"],
        "correlate --kind kendall": ["correlate", "latency", "iterations", "foreign_cpu_share",
                                     "--kind", "kendall"],
        "regressions": ["regressions"],
        "regressions, again": ["regressions"],
        "figure intervals": ["figure", "intervals", "-o", str(ledger.with_suffix(".html"))],
    }  # fmt: skip


#: Starts the command from a small process: a child's peak begins at the size of its parent.
WATCH = """
import json, os, subprocess, sys, time
start = time.perf_counter_ns()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({
    "wall_s": (time.perf_counter_ns() - start) / 1e9, "cpu_s": usage.ru_utime + usage.ru_stime,
    "resident_bytes": usage.ru_maxrss * 1024, "code": child.returncode,
}))
"""


def timed(command: list[str], seen: Seen) -> None:
    watch = [sys.executable, "-I", "-S", "-c", WATCH, *command]
    found = json.loads(subprocess.run(watch, check=True, stdout=subprocess.PIPE).stdout)
    seen.wall_s.append(found["wall_s"])
    seen.cpu_s.append(found["cpu_s"])
    seen.resident_bytes = max(seen.resident_bytes, found["resident_bytes"])
    if found["code"] not in {0, 1}:
        raise SystemExit(f"{' '.join(command)} failed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ledger", type=Path, help="keep the ledger here, or reuse it")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of each of 10,000 results")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        path = options.ledger or Path(folder) / "ledger.duckdb"
        if not path.exists():
            fill(path, options.samples)
        Ledger(path)  # brings an older one up to date
        found = measure(path, options.repeats)
        size = path.stat().st_size
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found, options.samples, size)
    return 0 if all(row["met"] for row in found) else 1


def measure(path: Path, repeats: int) -> list[dict[str, object]]:
    asked = commands(path)
    seen = {name: Seen() for name in asked}
    for _ in range(repeats):
        for name, words in asked.items():
            timed([str(BIN / "accel"), "evidence", *words, "--db", str(path), "--json"], seen[name])
    return [
        {
            "command": name,
            "wall_s": statistics.median(one.wall_s),
            "cpu_s": statistics.median(one.cpu_s),
            "resident_bytes": one.resident_bytes,
            "met": statistics.median(one.wall_s) < GOAL_S and one.resident_bytes < GOAL_BYTES,
        }
        for name, one in seen.items()
    ]


def show(found: list[dict[str, object]], samples: int, size: int) -> None:
    count = RUNS * MODELS * TARGETS * CASES * samples
    print(f"{count:,} samples, ledger of {size / 1e6:.0f} MB, {os.cpu_count()} cores")
    print(f"{'command':28s}{'wall s':>8s}{'cpu s':>8s}{'resident MB':>13s}  met")
    for row in found:
        print(
            f"{row['command']:28s}{row['wall_s']:8.2f}{row['cpu_s']:8.2f}"
            f"{row['resident_bytes'] / 1e6:13.0f}  {'yes' if row['met'] else 'NO'}"  # type: ignore[operator]
        )


if __name__ == "__main__":
    sys.exit(main())
