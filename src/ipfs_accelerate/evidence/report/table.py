"""A run as CSV: one row a case, raw units, every origin and status."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.summary import RunSummary
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["FIELDS", "render"]

FIELDS: tuple[str, ...] = (
    "model_name", "model_version", "weights", "test_case", "target", "origin", "origin_reason",
    "status", "rank", "latency_p50_ns", "latency_low_ns", "latency_high_ns", "confidence",
    "speedup", "throughput_items_per_s", "tokens_per_s", "precision", "executed_precision",
    "parity", "load_ns", "first_inference_ns", "peak_memory_bytes", "cpu_time_ns", "energy_j",
    "samples", "flags", "error",
)  # fmt: skip


def render(summary: RunSummary) -> str:
    """The rows with a header; a missing value is an empty cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    for group in summary.groups:
        for row in group.rows:
            speedup = f"{row.speedup.ratio:.4f}" if row.speedup else ""
            writer.writerow(_row(row.record) | {"rank": row.rank, "speedup": speedup})
        writer.writerows(_row(record) for record in group.others)
    writer.writerows(_row(record) for record in summary.failed)
    return stream.getvalue()


def _row(record: MeasurementRecord) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(record, name) for name in FIELDS if hasattr(record, name)
    }
    return row | {
        "model_name": record.model.model_name,
        "model_version": record.model.version,
        "weights": record.model.metadata.get("weights", ""),
        "origin": record.origin.value,
        "status": record.status.value,
        "samples": len(record.samples_ns),
        "flags": ";".join(record.flags),
        "parity": json.dumps(record.parity) if record.parity else "",
        "error": json.dumps(record.error) if record.error else "",
    }
