"""One form of bytes for a row of the ledger, so that a certificate can name it by its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import cbor

if TYPE_CHECKING:
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["RowHash", "row_document", "row_hash", "samples_cid"]

#: Raised when `row_document` changes; a certificate of another layout cannot be checked.
LAYOUT = 1
_PLAIN = (
    "run_id", "target", "test_case", "task", "batch_size", "precision", "executed_precision",
    "origin_reason", "latency_p50_ns", "latency_low_ns", "latency_high_ns", "confidence",
    "throughput_items_per_s", "tokens_per_s", "load_ns", "first_inference_ns",
    "peak_memory_bytes", "cpu_time_ns", "energy_j", "latency_mean_ns", "total_ns", "iterations",
    "warmup_iterations",
)  # fmt: skip
_MAPPINGS = ("shapes", "parity", "placement", "environment", "metrics", "error")
_MODEL = ("model_name", "version")
_DEVICE = ("hardware_type", "device_id", "device_name", "platform", "platform_version",
           "driver_version", "host")  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowHash:
    """What a certificate says of one row.

    Attributes:
        result_id: Its key.
        run_id: Its run.
        row: CID of everything but the raw samples.
        samples: CID of the raw samples.
    """

    result_id: str
    run_id: str
    row: str
    samples: str


def row_hash(record: MeasurementRecord) -> RowHash:
    """Hash a row read with its samples.

    Raises:
        ContentFormatError: It holds a value that has no canonical form, such as NaN.
    """
    row = Cid.of(cbor.encode(row_document(record)), codec=Codec.DAG_CBOR)
    return RowHash(record.result_id, record.run_id, str(row), str(samples_cid(record)))


def samples_cid(record: MeasurementRecord) -> Cid:
    """CID of the raw samples in order: ``{"samples_ns": […], "warmup_ns": […]}`` in DAG-CBOR."""
    series = {"samples_ns": list(record.samples_ns), "warmup_ns": list(record.warmup_ns)}
    return Cid.of(cbor.encode(series), codec=Codec.DAG_CBOR)


def row_document(record: MeasurementRecord) -> dict[str, object]:
    """Everything a row says but its samples; annotations of the model are not part of it."""
    values: dict[str, object] = {name: getattr(record, name) for name in _PLAIN}
    values |= {name: _plain(getattr(record, name)) for name in _MAPPINGS}
    return values | {
        "layout": LAYOUT,
        "result_id": record.result_id,
        "origin": record.origin.value,
        "status": record.status.value,
        "created_at": record.created_at.isoformat(),
        "flags": list(record.flags),
        "model": {name: getattr(record.model, name) for name in _MODEL},
        "device": {name: getattr(record.hardware, name) for name in _DEVICE},
    }


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
