"""Durations as services write them into headers: ``1s``, ``120ms``, ``2m59.56s``, ``1h0m3s``."""

from __future__ import annotations

import re

__all__ = ["duration_s"]

_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(h|ms|m|s|us|µs|ns|d)", re.ASCII)
_SECONDS = {
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}


def duration_s(value: str | None) -> float | None:
    """Seconds; a bare number is seconds too. ``None`` when it is neither, or absent.

    Source: Go's ``time.ParseDuration``; OpenAI API and Groq API references, "Rate limits".
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text, re.ASCII):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
