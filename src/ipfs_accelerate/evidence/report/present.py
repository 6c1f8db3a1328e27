"""How values are written for people; one place, so that every format agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.evidence.summary import RankedRow
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["COLUMNS", "cells", "duration", "mebibytes", "parity_text"]

COLUMNS = (
    "rank", "target", "median", "95 % interval", "speed-up", "parity", "doubts", "items/s",
    "executed", "peak memory", "load", "first", "samples",
)  # fmt: skip
_NONE = "–"


def duration(value_ns: int | None) -> str:
    """Nanoseconds in the unit that leaves three significant digits."""
    if value_ns is None:
        return _NONE
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value_ns >= size:
            return (
                f"{value_ns / size:.3g} {unit}"
                if value_ns < 1000 * size
                else f"{value_ns / size:.0f} {unit}"
            )
    return f"{value_ns} ns"


def mebibytes(value_bytes: int | None) -> str:
    """Bytes as MiB."""
    return _NONE if value_bytes is None else f"{value_bytes / 2**20:,.0f} MiB"


def number(value: float | None, digits: int = 1) -> str:
    """A number, or a dash where there is none."""
    return _NONE if value is None else f"{value:,.{digits}f}"


def parity_text(parity: Mapping[str, object] | None) -> str:
    """Largest absolute difference and cosine to the reference."""
    if not parity:
        return "not checked"
    parts = []
    if isinstance(value := parity.get("max_abs"), int | float):
        parts.append(f"Δ {value:.1e}")
    if isinstance(value := parity.get("cosine"), int | float):
        parts.append(f"cos {value:.5f}")
    verdict = "" if parity.get("ok") else "wrong: "
    return verdict + ", ".join(parts) if parts else (verdict or "ok")


def interval_text(record: MeasurementRecord) -> str:
    """The interval of the median, or a dash."""
    if record.latency_low_ns is None or record.latency_high_ns is None:
        return _NONE
    return f"{record.latency_low_ns / 1e6:.2f}–{record.latency_high_ns / 1e6:.2f} ms"


def cells(row: RankedRow) -> tuple[str, ...]:
    """One ranked row as text, in the order of `COLUMNS`."""
    record = row.record
    return (
        str(row.rank),
        record.target,
        duration(record.latency_p50_ns),
        interval_text(record),
        _NONE if row.speedup is None else row.speedup.text,
        parity_text(record.parity),
        ", ".join(row.doubts) or _NONE,
        number(record.throughput_items_per_s),
        record.executed_precision or _NONE,
        mebibytes(record.peak_memory_bytes),
        duration(record.load_ns),
        duration(record.first_inference_ns),
        str(len(record.samples_ns)),
    )
