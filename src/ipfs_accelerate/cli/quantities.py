"""Options such as ``10s``, ``8GiB``, ``2%``, ``1,8``, moments. Each function is a click type."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["duration", "integers", "moment", "names", "share", "size"]

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z%]*)\s*\Z")
_NS = {"": 1e9, "ms": 1e6, "s": 1e9, "m": 60e9, "min": 60e9, "h": 3600e9}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "tb": 1e12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def duration(text: str) -> int:
    """Nanoseconds from ``500ms``, ``10s``, ``2m``, ``1h``; a bare number is seconds."""
    return round(_amount(text, _NS, example="10s"))


def size(text: str) -> int:
    """Bytes from ``8GiB``, ``500MB``; a bare number is bytes."""
    return round(_amount(text, _BYTES, example="8GiB"))


def share(text: str) -> float:
    """A fraction below 1 from ``2%`` or ``0.02``."""
    found = _amount(text, {"": 1.0, "%": 0.01}, example="2%")
    if found >= 1:
        raise click.BadParameter(f"{text!r} is not below 100 %")
    return found


def integers(text: str) -> tuple[int, ...]:
    """Positive integers from ``1,8``, in the order given, each once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{text!r} is not a list of positive integers such as 1,8")
    return tuple(dict.fromkeys(int(part) for part in parts))


def names(text: str) -> tuple[str, ...]:
    """Names from ``a,b``, in the order given, each once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise click.BadParameter(f"{text!r} has an empty name")
    return tuple(dict.fromkeys(parts))


def moment(text: str) -> datetime:
    """UTC from ``2026-01-31`` or a full ISO moment."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a moment such as 2026-01-31") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _amount(text: str, units: Mapping[str, float], *, example: str) -> float:
    match = _NUMBER.match(text)
    if not match or match[2].lower() not in units:
        known = ", ".join(unit for unit in units if unit)
        raise click.BadParameter(f"{text!r} is not of the form {example} (units: {known})")
    amount = float(match[1]) * units[match[2].lower()]
    if amount <= 0:
        raise click.BadParameter(f"{text!r} is not positive")
    return amount
