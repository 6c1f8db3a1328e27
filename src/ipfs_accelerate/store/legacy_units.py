"""Units of legacy latencies: read from the name or a unit field, and held against throughput."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["in_milliseconds", "unit_conflict"]

_STEMS = ("latency", "avg_latency", "average_latency", "mean_latency")
_SUFFIXES = {
    "_s": 1e3, "_sec": 1e3, "_secs": 1e3, "_seconds": 1e3, "_us": 1e-3, "_ns": 1e-6,
    "_microseconds": 1e-3, "_nanoseconds": 1e-6, "_milliseconds": 1.0,
}  # fmt: skip
_OTHER_UNITS = {f"{stem}{end}": ms for stem in _STEMS for end, ms in _SUFFIXES.items()}
_BARE = ("avg_latency", "average_latency", "latency_avg", "latency")
_UNIT_FIELDS = ("latency_unit", "time_unit", "unit", "units")
_UNITS = {
    "ms": 1.0, "millisecond": 1.0, "milliseconds": 1.0, "s": 1e3, "sec": 1e3, "second": 1e3,
    "seconds": 1e3, "us": 1e-3, "µs": 1e-3, "microseconds": 1e-3, "ns": 1e-6, "nanoseconds": 1e-6,
}  # fmt: skip
_NAMED_MS = ("average_latency_ms", "avg_latency_ms", "latency_ms", "mean_latency_ms")
_EQUAL = 0.01
#: Concurrency makes throughput larger than one call suggests, waiting makes it smaller; by this
#: much, only a unit does.
_ONLY_A_UNIT = 300.0


def in_milliseconds(record: Mapping[str, object]) -> Mapping[str, object]:
    """The record with its latency under a name that says milliseconds.

    Raises:
        ValueError: Two latencies disagree, or a unit is unknown.
    """
    names = _names_with_units(tuple(record))
    if not names:
        return record
    found = {name: ms for name in names if (ms := _converted(record, name)) is not None}
    stated = {name: float(v) for name in _NAMED_MS if _is_number(v := record.get(name))}  # type: ignore[arg-type]
    values = list((found | stated).values())
    if not found:
        return record
    if any(abs(value - values[0]) > _EQUAL * abs(values[0]) for value in values):
        told = ", ".join(f"{name} {record[name]!r:.30}" for name in found | stated)
        raise ValueError(f"latencies of different size in different units: {told}")
    rest = {name: value for name, value in record.items() if name not in found}
    return rest if stated else {**rest, "latency_ms": values[0]}


def unit_conflict(
    latency_ms: float | None, throughput: float | None, batch_size: int
) -> str | None:
    """Why latency and throughput cannot both be in the units of their names."""
    if not latency_ms or not throughput:
        return None
    calls = latency_ms / 1e3 * throughput / batch_size
    if 1 / _ONLY_A_UNIT < calls < _ONLY_A_UNIT:
        return None
    return (
        f"{latency_ms:g} ms and {throughput:g} items/s at batch {batch_size} are "
        f"{calls:.3g} calls at once: one of them is in another unit"
    )


@lru_cache(maxsize=1024)
def _names_with_units(names: tuple[str, ...]) -> tuple[str, ...]:
    """Latencies that are not, or not surely, in milliseconds; files repeat few sets of names."""
    has_unit = any(name in _UNIT_FIELDS for name in names)
    return tuple(n for n in names if n in _OTHER_UNITS or (has_unit and n in _BARE))


def _converted(record: Mapping[str, object], name: str) -> float | None:
    value = record[name]
    if not _is_number(value):
        return None
    factor = _OTHER_UNITS.get(name) or _stated_unit(record)
    return None if factor is None else float(value) * factor  # type: ignore[arg-type]


def _stated_unit(record: Mapping[str, object]) -> float | None:
    stated = next((record[name] for name in _UNIT_FIELDS if record.get(name) is not None), None)
    if stated is None:
        return None
    if not isinstance(stated, str) or stated.strip().lower() not in _UNITS:
        raise ValueError(f"{stated!r:.40} is no unit of time")
    return _UNITS[stated.strip().lower()]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
