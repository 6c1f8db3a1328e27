"""The numbers of the reliability core, with what they rest on."""

from __future__ import annotations

from dataclasses import dataclass

from ipfs_accelerate.errors import ConfigurationError
from ipfs_accelerate.gateway.messages import Operation

__all__ = ["ReliabilitySettings"]


@dataclass(frozen=True, slots=True)
class ReliabilitySettings:
    """How patient, how careful and how fair the dispatcher is.

    Attributes:
        queue_size: Most calls that wait without having been tried.
        ageing_s: A waiting call rises by one priority in this time.
        spill_after_s: A call that has waited this long for busy candidates, or would have to wait
            longer for their allowance, may go to the next tier.
        concurrent_start: First limit of concurrency where no allowance names one.
        concurrent_most: Highest limit of concurrency where no allowance names one.
        failures_open: Failures in a row which open the circuit of an endpoint; a provider's opens
            after twice as many.
        failure_rate_open: Share of failures among the last calls which opens a circuit.
        failure_volume: Fewest calls of which a share is taken.
        probes: Calls let through at once by a half-open circuit; so many successes close it.
        open_s: First time a circuit stays open; doubles with each repeat.
        open_most_s: Longest time a circuit stays open.
        circuit_wait_s: A call waits for a circuit that half-opens within this time (and before
            its deadline); otherwise it ends at once.
        quarantine_s: First time a refused or spent key is left alone; doubles with each repeat.
        quarantine_most_s: Longest time of that.
        backoff_s: Mean of the first wait before a repeat is half of it.
        backoff_most_s: Longest wait before a repeat.
        retry_ratio: Repeats allowed for each call of a route.
        retry_reserve: Repeats a route may do above that ratio, after a quiet time.
        hedged: Operations which may run twice. By default all: a model service keeps nothing of
            a request, and calls no tools itself; what a second attempt costs is its price.
    """

    queue_size: int = 10_000
    ageing_s: float = 10.0
    spill_after_s: float = 1.0
    concurrent_start: int = 32
    concurrent_most: int = 4096
    failures_open: int = 5
    failure_rate_open: float = 0.5
    failure_volume: int = 20
    probes: int = 2
    open_s: float = 5.0
    open_most_s: float = 300.0
    circuit_wait_s: float = 10.0
    quarantine_s: float = 60.0
    quarantine_most_s: float = 3600.0
    backoff_s: float = 0.5
    backoff_most_s: float = 30.0
    retry_ratio: float = 0.2
    retry_reserve: int = 100
    hedged: frozenset[Operation] = frozenset(Operation)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ConfigurationError(
                    f"{name} is {value}, which is not a number from 0 on",
                    details={"setting": name},
                )
        for name in ("queue_size", "concurrent_start", "failures_open", "probes", "open_s"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be above 0", details={"setting": name})
