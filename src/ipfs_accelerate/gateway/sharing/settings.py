"""What callers of a gateway may share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SharingSettings"]


@dataclass(frozen=True, slots=True)
class SharingSettings:
    """What callers may share; nothing by default.

    Attributes:
        window_s: How long embedding and completion requests wait for others to join.
        most_texts: In a joined request; a service's own bound is kept in any case.
        is_single_flight: Equal requests at the same time become one. Text only at temperature 0.
        cache_bytes: Memory for answers; 0 keeps none.
        ttl_s: How long an answer is kept.
    """

    window_s: float | None = None
    most_texts: int = 64
    is_single_flight: bool = False
    cache_bytes: int = 0
    ttl_s: float = 300.0
