"""A process that writes numbered batches to a ledger until it is killed or runs out of space.

Usage: writer_process.py LEDGER FIRST BATCHES ROWS SAMPLES [MAX_FILE_BYTES]

Prints ``ready``, then the number of every batch the ledger has acknowledged.
"""

from __future__ import annotations

import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from ipfs_accelerate.errors import DiskFullError
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

MODEL = ModelRecord("org/tiny", "v1", "embedding", "text", "hub")
CPU = HardwareRecord("cpu", "cpu", "A CPU", "linux", "6.1", "host-a")
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def batch(number: int, rows: int, samples: int) -> list[MeasurementRecord]:
    return [
        MeasurementRecord(
            run_id="run-1",
            model=MODEL,
            hardware=CPU,
            target="onnxruntime/cpu/fp32",
            test_case=f"batch-{number}/row-{row}",
            task="feature-extraction",
            batch_size=1,
            shapes={},
            precision="fp32",
            origin=Origin.MEASURED,
            status=CaseStatus.OK,
            created_at=WHEN,
            samples_ns=tuple((i * 7919 * (number + 1)) % 2**40 for i in range(samples)),
            environment={"batch": number},
        )
        for row in range(rows)
    ]


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    path = Path(arguments[0])
    first, batches, rows, samples = map(int, arguments[1:5])
    ledger = Ledger(path)
    ledger.record_run(RunRecord("run-1", "writer", "performance", WHEN))
    tell("ready")
    if len(arguments) > 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(arguments[5]), resource.RLIM_INFINITY))
    for number in range(first, first + batches):
        try:
            ledger.record_measurements(batch(number, rows, samples))
        except DiskFullError as error:
            tell("full", error.code)
            return 0
        tell(number)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
