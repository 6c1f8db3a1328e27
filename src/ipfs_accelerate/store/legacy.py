"""One record of a legacy result file as a measurement, or a typed reason why it is none.

Nothing is guessed: a record without model, hardware, batch size or time is refused, and what has
no column of its own goes to ``metrics`` under its old name.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from ipfs_accelerate.store.legacy_units import in_milliseconds, unit_conflict
from ipfs_accelerate.store.records import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LegacyContext", "Refusal", "RefusedError", "legacy_measurement"]

UNKNOWN = "unknown"


class Refusal(StrEnum):
    """Why a legacy record or file was not imported."""

    UNREADABLE_FILE = "unreadable_file"
    NO_RECORDS = "no_records"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_MODEL = "missing_model"
    MISSING_HARDWARE = "missing_hardware"
    MISSING_BATCH_SIZE = "missing_batch_size"
    MISSING_TIME = "missing_time"
    MISSING_METRIC = "missing_metric"
    BAD_NUMBER = "bad_number"
    BAD_TEXT = "bad_text"
    BAD_TIME = "bad_time"
    MIXED_UNITS = "mixed_units"


class RefusedError(ValueError):
    """A record cannot be imported.

    Args:
        reason: Its class.
        message: What was found, with the offending value.
    """

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LegacyContext:
    """What all records of one file have in common.

    Attributes:
        run_id: The import they come with.
        source: The file's name, for the reason of their origin.
        batch_size: Taken for records that have none; ``None`` refuses them.
    """

    run_id: str
    source: str
    batch_size: int | None = None


_ALIASES = {
    "model": ("model_name", "model", "model_id"),
    "hardware": ("hardware_type", "hardware", "device", "hardware_platform"),
    "batch_size": ("batch_size", "batch"),
    "precision": ("precision", "dtype"),
    "latency_ms": (
        "average_latency_ms",
        "avg_latency_ms",
        "latency_ms",
        "avg_latency",
        "average_latency",
        "mean_latency_ms",
        "latency_avg",
    ),
    "throughput": (
        "throughput_items_per_second",
        "throughput_items_per_sec",
        "throughput",
        "items_per_second",
        "samples_per_second",
    ),
    "memory_mb": ("memory_peak_mb", "peak_memory_mb", "memory_usage_mb", "memory_mb"),
    "time": ("timestamp", "created_at", "datetime", "date"),
    "total_s": ("total_time_seconds", "total_time"),
    "iterations": ("iterations", "num_iterations"),
    "warmup": ("warmup_iterations", "warmup"),
    "load_ms": ("load_time_ms", "model_load_time_ms"),
    "first_ms": ("first_inference_ms",),
    "simulated": ("is_simulated", "simulated", "is_mock", "simulation_mode"),
    "simulation_reason": ("simulation_reason",),
    "family": ("model_family", "family"),
    "modality": ("modality",),
    "device_name": ("device_name", "hardware_name"),
    "platform": ("platform",),
    "host": ("hostname", "host"),
    "runtime": ("runtime", "framework", "backend"),
    "test_case": ("test_case", "test_name"),
    "task": ("task", "task_type"),
    "success": ("success",),
    "status": ("status",),
    "error": ("error", "error_message"),
}
_MEANING = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_RANK = {alias: rank for aliases in _ALIASES.values() for rank, alias in enumerate(aliases)}
_NOT_MEASURED = frozenset({"simulated", "predicted", "emulated"})
_SURROGATE = re.compile(r"\\ud[89a-f]")
_NESTED = ("metrics", "performance", "performance_metrics")


def legacy_measurement(record: object, context: LegacyContext) -> MeasurementRecord:
    """Turn one record of a legacy file into a row of origin ``imported`` or ``simulated``.

    Raises:
        RefusedError: It is not a result, or a value is outside its domain.
    """
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise RefusedError(Refusal.NOT_AN_OBJECT, f"a record is an object, this is {kind}")
    values, extra = _sort_out(record)
    model, hardware = _model(values), _hardware(values)
    batch_size = _batch_size(values, context)
    failed = _failed(values)
    numbers = _numbers(values, failed=failed)
    if why := unit_conflict(numbers["latency_ms"], numbers["throughput"], batch_size):
        raise RefusedError(Refusal.MIXED_UNITS, why)
    precision = _text(values, "precision")
    task = _text(values, "task")
    origin, reason = _origin(values, extra)
    return MeasurementRecord(
        run_id=context.run_id,
        model=model,
        hardware=hardware,
        target=f"{_text(values, 'runtime')}/{hardware.device_id}/{precision}",
        test_case=_text(values, "test_case", f"{task}/b{batch_size}"),
        task=task,
        batch_size=batch_size,
        shapes={},
        precision=precision,
        origin=origin,
        origin_reason=f"{reason} in {context.source}",
        status=CaseStatus.EXECUTION_ERROR if failed else CaseStatus.OK,
        created_at=_moment(values.get("time")),
        latency_mean_ns=_scaled(numbers["latency_ms"], 1e6),
        throughput_items_per_s=numbers["throughput"],
        peak_memory_bytes=_scaled(numbers["memory_mb"], 2**20),
        load_ns=_scaled(numbers["load_ms"], 1e6),
        first_inference_ns=_scaled(numbers["first_ms"], 1e6),
        total_ns=_scaled(numbers["total_s"], 1e9),
        iterations=_scaled(numbers["iterations"], 1),
        warmup_iterations=_scaled(numbers["warmup"], 1),
        metrics=extra,
        error={"message": str(values["error"])} if values.get("error") else None,
        imported_key=_key(record),
    )


def _sort_out(record: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Known values by their meaning, the better alias winning, and all the rest."""
    nested = [value for name in _NESTED if isinstance(value := record.get(name), dict)]
    if nested:
        others = {k: v for k, v in record.items() if not any(v is n for n in nested)}
        record = {k: v for part in (*nested, others) for k, v in part.items()}
    try:
        record = in_milliseconds(record)
    except ValueError as error:
        raise RefusedError(Refusal.MIXED_UNITS, str(error)) from error
    values: dict[str, object] = {}
    extra: dict[str, object] = {}
    for alias, meaning in _plan(tuple(record)):
        value = record[alias]
        if meaning is None or meaning in values:
            extra[alias] = value
        elif value is not None:
            values[meaning] = value
    return values, extra


@lru_cache(maxsize=1024)
def _plan(names: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Names with their meanings, better aliases first; files repeat the same few sets of names."""
    return [(n, _MEANING.get(n)) for n in sorted(names, key=lambda n: _RANK.get(n, 0))]


def _numbers(values: Mapping[str, object], *, failed: bool) -> dict[str, float | None]:
    names = ("latency_ms", "throughput", "memory_mb", "load_ms", "first_ms", "total_s",
             "iterations", "warmup")  # fmt: skip
    numbers = dict.fromkeys(names) | {n: _number(values, n) for n in names if n in values}
    for name in ("latency_ms", "throughput"):
        value = numbers[name]
        if value is not None and round(value * 1e6) == 0 and not failed:
            raise RefusedError(
                Refusal.BAD_NUMBER, f"{name} is {value:g}, which nothing can measure"
            )
    for name in ("iterations", "warmup"):
        value = numbers[name]
        if value is not None and value != round(value):
            raise RefusedError(Refusal.BAD_NUMBER, f"{name} is {value!r}, not a count")
    # These files write 0 for "not measured".
    numbers = {name: value or None for name, value in numbers.items()} | {
        "warmup": numbers["warmup"]
    }
    if not failed and not (numbers["latency_ms"] or numbers["throughput"] or numbers["memory_mb"]):
        raise RefusedError(Refusal.MISSING_METRIC, "neither latency nor throughput nor memory")
    return numbers


def _number(values: Mapping[str, object], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError(Refusal.BAD_NUMBER, f"{name} is {value!r:.60}, not a number")
    if not math.isfinite(value) or not 0 <= value < 1e12:
        raise RefusedError(Refusal.BAD_NUMBER, f"{name} is {value!r:.60}, not a finite amount")
    return value


def _origin(values: Mapping[str, object], extra: Mapping[str, object]) -> tuple[Origin, str]:
    """What the record says about itself; that it was measured is not believed."""
    said = str(extra.get("origin", "")).lower()
    if said in _NOT_MEASURED:
        return Origin(said), f"called {said}"
    reason = _text(values, "simulation_reason", "")
    if _flag(values, "simulated", default=bool(reason)):
        return Origin.SIMULATED, reason or "flagged as simulated"
    kind = extra.get("implementation_type")
    if isinstance(kind, str) and "mock" in kind.lower():
        return Origin.SIMULATED, f"implementation_type {kind!r:.60}"
    return Origin.IMPORTED, "found"


def _flag(values: Mapping[str, object], name: str, *, default: bool = False) -> bool:
    value = values.get(name, default)
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if value in (True, False, 0, 1):
        return bool(value)
    raise RefusedError(Refusal.BAD_TEXT, f"{name} is {value!r:.60}, not true or false")


def _failed(values: Mapping[str, object]) -> bool:
    if values.get("error") or not _flag(values, "success", default=True):
        return True
    return _text(values, "status").lower() in {"error", "failed", "failure", "timeout"}


def _batch_size(values: Mapping[str, object], context: LegacyContext) -> int:
    value = values.get("batch_size", context.batch_size)
    if value is None:
        raise RefusedError(Refusal.MISSING_BATCH_SIZE, "no batch_size")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise RefusedError(Refusal.BAD_NUMBER, f"batch_size is {value!r:.60}")
    return value


def _scaled(value: float | None, factor: float) -> int | None:
    return None if value is None else round(value * factor)


def _text(values: Mapping[str, object], name: str, default: str = UNKNOWN) -> str:
    value = values.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str) or len(value) > 500 or "\x00" in value:
        raise RefusedError(Refusal.BAD_TEXT, f"{name} is {value!r:.60}, not a name")
    return value


def _model(values: Mapping[str, object]) -> ModelRecord:
    name = _text(values, "model", "")
    if not name:
        raise RefusedError(Refusal.MISSING_MODEL, "no model or model_name")
    family, modality = _text(values, "family", "other"), _text(values, "modality", "other")
    return _model_record(name, family, modality)


@lru_cache(maxsize=4096)
def _model_record(name: str, family: str, modality: str) -> ModelRecord:
    return ModelRecord(name, UNKNOWN, family, modality, source="imported")


def _hardware(values: Mapping[str, object]) -> HardwareRecord:
    kind = _text(values, "hardware", "")
    if not kind:
        raise RefusedError(Refusal.MISSING_HARDWARE, "no hardware, hardware_type or device")
    names = (_text(values, name) for name in ("device_name", "platform", "host"))
    return _hardware_record(kind.lower(), *names)


@lru_cache(maxsize=4096)
def _hardware_record(kind: str, device_name: str, platform: str, host: str) -> HardwareRecord:
    return HardwareRecord(
        hardware_type=kind.split(":", maxsplit=1)[0],
        device_id=kind,
        device_name=device_name,
        platform=platform,
        platform_version=UNKNOWN,
        host=host,
    )


def _moment(value: object) -> datetime:
    if value is None:
        raise RefusedError(Refusal.MISSING_TIME, "no timestamp")
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise RefusedError(Refusal.BAD_TIME, f"timestamp is {value!r:.60}: {error}") from error
    raise RefusedError(Refusal.BAD_TIME, f"timestamp is {value!r:.60}")


_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False)


def _key(record: Mapping[str, object]) -> str:
    try:
        text = _CANONICAL.encode(record)
    except ValueError as error:
        raise RefusedError(
            Refusal.BAD_NUMBER, f"a value is not a finite number: {error}"
        ) from error
    if _SURROGATE.search(text):
        _require_text(record)
    return hashlib.sha256(b"imported\x1f" + text.encode()).hexdigest()[:32]


def _require_text(record: Mapping[str, object]) -> None:
    """Half of a surrogate pair is no text that a file could hold."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RefusedError(Refusal.BAD_TEXT, "a text holds half a surrogate pair") from error
