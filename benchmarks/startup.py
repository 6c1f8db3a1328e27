"""Start-up of the package and the command line: `python benchmarks/startup.py`.

Whole processes, interleaved with a bare interpreter whose time is shown beside them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "import ipfs_accelerate": ([sys.executable, "-c", "import ipfs_accelerate"], 150),
    "accel --help": ([str(BIN / "accel"), "--help"], 300),
    "accel devices list": ([str(BIN / "accel"), "devices", "list", "--no-record"], 2000),
}


def elapsed_ms(command: list[str]) -> float:
    start = time.perf_counter_ns()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter_ns() - start) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, (command, _) in COMMANDS.items():
            value = elapsed_ms(command)
            if turn:
                samples[name].append(value)
    print(f"{'command':<26}{'min ms':>9}{'median ms':>11}{'max ms':>9}{'goal ms':>9}  met")
    for name, (_, goal) in COMMANDS.items():
        values = samples[name]
        median = statistics.median(values)
        met = "" if goal is None else ("yes" if median < goal else "NO")
        print(
            f"{name:<26}{min(values):>9.0f}{median:>11.0f}{max(values):>9.0f}{goal or '':>9}  {met}"
        )


if __name__ == "__main__":
    main()
