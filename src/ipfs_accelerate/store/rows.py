"""Records as columns: what goes into the tables, in Arrow."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from ipfs_accelerate.store.records import (
        AvailabilityRecord,
        CompatibilityRecord,
        HardwareRecord,
        MeasurementRecord,
        ModelRecord,
        RunRecord,
    )

__all__ = [
    "DETAIL_FIELDS",
    "RESULT_FIELDS",
    "SERIES_FIELDS",
    "availability_row",
    "compatibility_row",
    "hardware_row",
    "json_text",
    "model_row",
    "naive_utc",
    "result_row",
    "run_row",
    "series_id",
    "table",
]

#: Column → Arrow type name; what a series is told apart by.
SERIES_FIELDS = {
    "model_id": "string",
    "hardware_id": "string",
    "target": "string",
    "test_case": "string",
    "task": "string",
    "batch_size": "int32",
    "shapes": "string",
    "precision": "string",
    "executed_precision": "string",
}
#: Columns of ``results`` beside its keys, named as in `MeasurementRecord`.
RESULT_FIELDS = {
    "run_id": "string",
    "origin": "string",
    "origin_reason": "string",
    "status": "string",
    "created_at": "timestamp[us]",
    "latency_mean_ns": "int64",
    "latency_p50_ns": "int64",
    "latency_low_ns": "int64",
    "latency_high_ns": "int64",
    "confidence": "double",
    "throughput_items_per_s": "double",
    "tokens_per_s": "double",
    "load_ns": "int64",
    "first_inference_ns": "int64",
    "peak_memory_bytes": "int64",
    "cpu_time_ns": "int64",
    "energy_j": "double",
    "flags": "list<string>",
    "metrics": "string",
    "total_ns": "int64",
    "iterations": "int32",
    "warmup_iterations": "int32",
}
#: JSON columns of ``result_details``.
DETAIL_FIELDS = ("parity", "placement", "environment", "error")

_PLAIN = tuple(
    name
    for name in RESULT_FIELDS
    if name
    not in {
        "created_at",
        "flags",
        "metrics",
        "total_ns",
        "iterations",
        "warmup_iterations",
        "latency_mean_ns",
    }
)


_plain_values = attrgetter(*_PLAIN)


def naive_utc(moment: datetime) -> datetime:
    """A moment as the ledger stores it: UTC without zone; without a zone it is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def json_text(value: Mapping[str, object] | None) -> str | None:
    """Compact JSON with sorted keys; ``None`` for nothing to say.

    Raises:
        InputError: A value is not JSON, or not a finite number.
    """
    if not value:
        return None
    try:
        return json.dumps(dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"cannot store {dict(value)!r}: {error}",
            hint="facts of a row are JSON; a number that does not exist is None, not NaN",
        ) from error


@lru_cache(maxsize=2**16)
def series_id(*parts: object) -> str:
    """Hash of the values of `SERIES_FIELDS`, in that order."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def table(rows: Sequence[Mapping[str, object]], types: Mapping[str, str]) -> pa.Table:
    """Rows as an Arrow table of exactly these columns.

    Raises:
        InputError: A value does not fit its column.
    """
    import pyarrow as pa

    columns = {}
    for name, kind in types.items():
        values = [row[name] for row in rows]
        try:
            columns[name] = pa.array(values, arrow_type(kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InputError(
                f"a value of {name!r} does not fit a column of {kind}: {error}",
                details={"column": name, "values": [repr(v)[:100] for v in values[:5]]},
            ) from error
    return pa.table(columns)


def arrow_type(kind: str) -> pa.DataType:
    """An Arrow type by its name in this module."""
    import pyarrow as pa

    if kind.startswith("list<"):
        return pa.list_(arrow_type(kind[5:-1]))
    return pa.timestamp("us") if kind.startswith("timestamp") else pa.type_for_alias(kind)


def result_row(record: MeasurementRecord) -> dict[str, object]:
    """One measurement as the flat row of which `writing` makes series, result and details."""
    row: dict[str, object] = dict(zip(_PLAIN, _plain_values(record), strict=True))
    samples = record.samples_ns
    mean = round(sum(samples) / len(samples)) if samples else record.latency_mean_ns
    row |= {
        "model_id": record.model.model_id,
        "hardware_id": record.hardware.hardware_id,
        "target": record.target,
        "test_case": record.test_case,
        "task": record.task,
        "batch_size": record.batch_size,
        "shapes": json_text(record.shapes) or "{}",
        "precision": record.precision,
        "executed_precision": record.executed_precision,
    }
    row["series_id"] = series_id(*(row[name] for name in SERIES_FIELDS))
    row |= {
        "result_id": record.result_id,
        "created_at": naive_utc(record.created_at),
        "flags": list(record.flags) or None,
        "metrics": json_text(record.metrics),
        "latency_mean_ns": mean,
        "total_ns": sum(samples) if samples else record.total_ns,
        "iterations": len(samples) if samples else record.iterations,
        "warmup_iterations": len(record.warmup_ns) if samples else record.warmup_iterations,
        "samples_ns": list(samples),
        "warmup_ns": list(record.warmup_ns),
    }
    for name in DETAIL_FIELDS:
        row[name] = json_text(getattr(record, name))
    return row


def model_row(record: ModelRecord) -> dict[str, object]:
    """A row of ``models`` but for ``created_at``."""
    return _columns(record, "model_id", _MODEL)


def hardware_row(record: HardwareRecord) -> dict[str, object]:
    """A row of ``hardware_platforms`` but for ``created_at``."""
    return _columns(record, "hardware_id", _HARDWARE)


def run_row(record: RunRecord) -> dict[str, object]:
    """A row of ``test_runs`` but for ``created_at``."""
    return _columns(record, "run_id", _RUN)


def availability_row(record: AvailabilityRecord) -> dict[str, object]:
    """A row of ``hardware_availability_log``."""
    return {
        "log_id": record.log_id,
        "hardware_id": record.hardware.hardware_id,
        "is_available": record.is_available,
        "detection_timestamp": naive_utc(record.detected_at),
        "reason": record.reason,
        "detected_on_host": record.host,
    }


def compatibility_row(record: CompatibilityRecord) -> dict[str, object]:
    """A row of ``hardware_compatibility``."""
    row = _columns(record, "compatibility_id", _COMPATIBILITY)
    return row | {
        "model_id": record.model.model_id,
        "hardware_id": record.hardware.hardware_id,
    }


_MODEL = (
    "model_name", "model_family", "modality", "source", "version", "architecture",
    "parameters_million", "metadata",
)  # fmt: skip
_HARDWARE = (
    "hardware_type", "device_id", "device_name", "platform", "platform_version",
    "driver_version", "memory_gb", "compute_units", "host", "metadata",
)  # fmt: skip
_RUN = (
    "test_name", "test_type", "started_at", "completed_at", "success", "git_commit",
    "git_branch", "command_line", "metadata",
)  # fmt: skip
_COMPATIBILITY = (
    "run_id", "target", "is_compatible", "detection_success", "initialization_success",
    "error_message", "error_type", "suggested_fix", "workaround_available",
    "compatibility_score", "metadata", "origin", "origin_reason", "created_at",
)  # fmt: skip


def _columns(record: object, key: str, names: Iterable[str]) -> dict[str, object]:
    row: dict[str, object] = {key: getattr(record, key)}
    row |= {name: getattr(record, name) for name in names}
    for name, value in row.items():
        if isinstance(value, datetime):
            row[name] = naive_utc(value)
    row["metadata"] = json_text(getattr(record, "metadata"))  # noqa: B009 (a record of any kind)
    return row
