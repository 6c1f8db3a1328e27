"""How many requests may run at once: a limit that feels its way.

It doubles with each round trip at first (slow start), later grows by one; a refusal for load halves
it, latency that has risen above its long mean takes a tenth.

Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance",
Computer Networks and ISDN Systems 17 (1989); slow start: Jacobson, "Congestion avoidance and
control", SIGCOMM 1988; short against long mean of the latency: Gradient2Limit of Netflix's
concurrency-limits. The means are longer than there, as answers of models differ much in length.
"""

from __future__ import annotations

__all__ = ["Limit"]

_SHORT = 0.05
_LONG = 0.005
_INFLATED = 2.0
_SLOWER = 0.9
_HANGING = 4.0
_WARM = 20


class Limit:
    """The limit of one key, endpoint or provider.

    Args:
        start: First limit.
        ceiling: Highest limit; the floor is 1.
    """

    __slots__ = (
        "_is_slow_start",
        "_long_ns",
        "_quiet_until_ns",
        "_samples",
        "_short_ns",
        "ceiling",
        "in_flight",
        "value",
    )

    def __init__(self, start: int, ceiling: int) -> None:
        self.ceiling = max(1, ceiling)
        self.value = float(max(1, min(start, ceiling)))
        self.in_flight = 0
        self._is_slow_start = True
        self._short_ns = 0.0
        self._long_ns = 0.0
        self._samples = 0
        self._quiet_until_ns = 0

    @property
    def latency_ns(self) -> int | None:
        """Mean latency of late; ``None`` before the first answer."""
        return round(self._short_ns) if self._samples else None

    def grow(self) -> None:
        """A request began to be answered."""
        value = self.value
        if value < self.ceiling and self.in_flight * 2 >= value:
            self.value = min(self.ceiling, value + (1.0 if self._is_slow_start else 1.0 / value))

    def observe(self, latency_ns: int, now_ns: int) -> None:
        """Learn how long a service took until it answered."""
        self._samples += 1
        if self._samples == 1:
            self._short_ns = self._long_ns = float(latency_ns)
            return
        self._short_ns += _SHORT * (latency_ns - self._short_ns)
        self._long_ns += _LONG * (latency_ns - self._long_ns)
        if self._samples >= _WARM and self._short_ns > _INFLATED * self._long_ns:
            self._shrink(_SLOWER, now_ns)

    def halve(self, now_ns: int) -> None:
        """The service refused for load; at most once in a round trip."""
        self._shrink(0.5, now_ns)

    def is_hanging(self, elapsed_ns: int) -> bool:
        """Whether a request without an answer takes far longer than answers did, or none came."""
        return not self._samples or elapsed_ns > _HANGING * self._long_ns

    def _shrink(self, factor: float, now_ns: int) -> None:
        if now_ns < self._quiet_until_ns:
            return
        self._is_slow_start = False
        self.value = max(1.0, self.value * factor)
        self._quiet_until_ns = now_ns + round(self._short_ns)
