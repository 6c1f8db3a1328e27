"""What a server has done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Counters", "Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the start.

    Attributes:
        requests: Requests answered, refused ones included.
        by_status: Answers by HTTP status.
        sent_bytes: Bytes of bodies really sent, by ``raw``, ``car``, ``file``, ``listing``,
            ``ipns-record``, ``message`` and the labels of own routes.
        hits: Content that was here.
        misses: Content that was not.
        rejections: What was refused, by reason.
        cut: Answers that were broken off.
        open_connections: Now.
        peak_connections: Most at once.
    """

    requests: int
    by_status: Mapping[int, int]
    sent_bytes: Mapping[str, int]
    hits: int
    misses: int
    rejections: Mapping[str, int]
    cut: int
    open_connections: int
    peak_connections: int


class Counters:
    """The numbers behind `Statistics`; only the event loop's thread writes them."""

    def __init__(self) -> None:
        self.requests = 0
        self.by_status: Counter[int] = Counter()
        self.sent_bytes: Counter[str] = Counter()
        self.rejections: Counter[str] = Counter()
        self.hits = 0
        self.misses = 0
        self.cut = 0
        self.open_connections = 0
        self.peak_connections = 0

    def connected(self) -> None:
        """A connection was opened."""
        self.open_connections += 1
        self.peak_connections = max(self.peak_connections, self.open_connections)

    def answered(self, status: int, label: str) -> None:
        """An answer was sent or broken off."""
        self.requests += 1
        self.by_status[status] += 1
        if label not in {"message", "other"} and status < 400:
            self.hits += 1
        elif status in {404, 412}:
            self.misses += 1

    def snapshot(self) -> Statistics:
        """The numbers now; safe from any thread."""
        return Statistics(
            requests=self.requests,
            by_status=dict(self.by_status),
            sent_bytes=dict(self.sent_bytes),
            hits=self.hits,
            misses=self.misses,
            rejections=dict(self.rejections),
            cut=self.cut,
            open_connections=self.open_connections,
            peak_connections=self.peak_connections,
        )
