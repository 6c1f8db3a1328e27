"""Resident memory of a case's process over time, sampled from outside it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.bench import _tree
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["MemorySample", "MemorySampler"]

_INTERVAL_NS = 10 * 10**6
#: Once so many samples are held every other one is dropped and the interval doubles.
_MOST_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Memory at one moment.

    Attributes:
        at_ns: Since sampling began.
        phase: What the process was doing: ``load`` or ``run``.
        rss_bytes: Resident memory of its process tree.
    """

    at_ns: int
    phase: str
    rss_bytes: int


class MemorySampler:
    """Samples a process tree until the block ends.

    Args:
        pid: Root of the tree.
    """

    def __init__(self, pid: int) -> None:
        self.phase = "load"
        self.samples: list[MemorySample] = []
        self._pid = pid
        self._interval_ns = _INTERVAL_NS
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-sampler", daemon=True)
        self._clock = MonotonicClock()

    def __enter__(self) -> Self:
        self._began_ns = self._clock.now_ns()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(self._interval_ns / 1e9):
            used = _tree.resident_bytes(self._pid)
            if used:
                at_ns = self._clock.now_ns() - self._began_ns
                self.samples.append(MemorySample(at_ns, self.phase, used))
            if len(self.samples) >= _MOST_SAMPLES:
                self.samples[:] = self.samples[::2]
                self._interval_ns *= 2
