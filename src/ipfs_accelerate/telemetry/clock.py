"""The one clock of all measurements: monotonic, integer nanoseconds."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "FakeClock", "MonotonicClock"]


class Clock(Protocol):
    """Time as injected into everything that waits or measures."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary fixed point; never goes back."""
        ...

    def sleep_ns(self, duration_ns: int) -> None:
        """Wait for ``duration_ns`` nanoseconds of this clock."""
        ...


class MonotonicClock:
    """The machine's monotonic clock (``time.perf_counter_ns``)."""

    #: See `Clock.now_ns`; the function itself, as a call in between costs what it measures.
    now_ns = staticmethod(time.perf_counter_ns)

    def sleep_ns(self, duration_ns: int) -> None:
        """See `Clock.sleep_ns`."""
        time.sleep(max(0, duration_ns) / 1e9)


class FakeClock:
    """A clock that moves only when told; for tests of state machines."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return self._now_ns

    def sleep_ns(self, duration_ns: int) -> None:
        """Advance by ``duration_ns`` without waiting."""
        self.advance_ns(duration_ns)

    def advance_ns(self, duration_ns: int) -> None:
        """Move the clock forward by ``duration_ns`` nanoseconds."""
        if duration_ns < 0:
            raise ValueError(f"a clock cannot go back by {-duration_ns} ns")
        self._now_ns += duration_ns
