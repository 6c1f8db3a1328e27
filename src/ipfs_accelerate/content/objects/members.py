"""Endpoints at work: who may be asked now, who is asked, and what came of it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.content.objects._client import Client
from ipfs_accelerate.content.objects.failures import EndpointFailure, FailureKind
from ipfs_accelerate.content.objects.health import Health, HealthPolicy, State
from ipfs_accelerate.content.objects.limits import TokenBucket
from ipfs_accelerate.content.objects.routing import Candidate
from ipfs_accelerate.content.objects.statistics import EndpointStatistics
from ipfs_accelerate.errors import AccessDeniedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.objects._interruptible import Loop, Patience
    from ipfs_accelerate.content.objects.endpoint import Endpoint
    from ipfs_accelerate.content.objects.routing import Router
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Member", "Members"]

T = TypeVar("T")
_MAX_CLIENTS = 8
_POLL_S = 0.05


class Member:
    """One endpoint with its client, health, limits and counts, which `Members` guards."""

    def __init__(self, endpoint: Endpoint, policy: HealthPolicy, loop: Loop) -> None:
        self.endpoint = endpoint
        self._loop = loop
        self.health = Health(policy)
        self.requests = TokenBucket(endpoint.requests_per_s)
        self.traffic = TokenBucket(endpoint.bytes_per_s)
        self.counts: Counter[str] = Counter()
        self.in_flight = 0
        self._clients: dict[float | None, Client] = {}
        self._lock = threading.Lock()

    def client(self, read_timeout_s: float | None = None) -> Client:
        """The client for this patience, made when first used."""
        with self._lock:
            if read_timeout_s not in self._clients:
                if len(self._clients) >= _MAX_CLIENTS:
                    self._clients.clear()
                try:
                    client = Client(self.endpoint, self._loop, read_timeout_s=read_timeout_s)
                except AccessDeniedError as error:  # others may have credentials
                    raise EndpointFailure(
                        FailureKind.DENIED, error.message, hint=error.hint
                    ) from error
                self._clients[read_timeout_s] = client
            return self._clients[read_timeout_s]

    def drop_clients(self) -> None:
        """Close idle connections."""
        with self._lock:
            self._clients.clear()

    @property
    def candidate(self) -> Candidate:
        """What a router sees."""
        return Candidate(
            self.endpoint.name, self.endpoint.weight, self.in_flight, self.health.latency_ns
        )

    def statistics(self) -> EndpointStatistics:
        """Its counts."""
        return EndpointStatistics(
            self.endpoint.name,
            self.health.state.value,
            in_flight=self.in_flight,
            latency_ns=self.health.latency_ns,
            **self.counts,
        )


class Members:
    """All endpoints of a pool; thread-safe.

    Args:
        members: By name.
        router: Chooses among those that may be asked.
        clock: Measures and waits.
    """

    def __init__(self, members: dict[str, Member], router: Router, clock: Clock) -> None:
        self.by_name = members
        self._router = router
        self._clock = clock
        self._changed = threading.Condition()

    def acquire(self, allowed: set[str], patience: Patience) -> Member | None:
        """Choose one and count a request in flight; waits while all that would do are busy.

        Returns:
            ``None`` when every one allowed is resting after failures.

        Raises:
            Interrupted: Cancelled while waiting.
        """
        with self._changed:
            while True:
                now_ns = self._clock.now_ns()
                asked = [m for name, m in self.by_name.items() if name in allowed]
                healthy = [m for m in asked if m.health.admits(now_ns)]
                free = [m for m in healthy if m.in_flight < m.endpoint.max_concurrency]
                if free:
                    return self._begin(self._router.choose([m.candidate for m in free]))
                is_probed = any(m.health.state is State.HALF_OPEN for m in asked)
                if not healthy and not is_probed:
                    return None
                patience.check()
                self._changed.wait(_POLL_S if patience.cancel is not None else None)

    def rest_ns(self, allowed: set[str]) -> int:
        """Time until the first of those that rest may be asked again."""
        with self._changed:
            now_ns = self._clock.now_ns()
            waits = [self.by_name[name].health.wait_ns(now_ns) for name in allowed]
        return min(waits, default=0)

    def run(
        self,
        member: Member,
        request: Callable[[Client], T],
        patience: Patience,
        *,
        size_bytes: int = 0,
    ) -> T:
        """Make a request that `acquire` admitted, within the limits, and learn from its end.

        Args:
            member: As acquired; released on return.
            request: Raises `EndpointFailure`; anything else says nothing about the endpoint.
            patience: For silence and for the limits.
            size_bytes: Bytes of its body.
        """
        try:
            client = member.client(patience.read_timeout_s)
            patience.sleep_ns(self._clock, self._pace_ns(member, size_bytes))
            start_ns = self._clock.now_ns()
            result = request(client)
        except EndpointFailure as failure:
            failure.endpoint = member.endpoint.name
            self._end(member, failure, None)
            raise
        except BaseException:
            self._end(member, None, None)
            raise
        self._end(member, None, self._clock.now_ns() - start_ns)
        return result

    def count(self, name: str, what: str, amount: int = 1) -> None:
        """Add to a count of `EndpointStatistics`."""
        with self._changed:
            self.by_name[name].counts[what] += amount

    def distrust(self, name: str) -> None:
        """Note that an endpoint gave wrong bytes; counts as a failure."""
        with self._changed:
            member = self.by_name[name]
            member.counts["wrong_bytes"] += 1
            member.health.failed(self._clock.now_ns())

    def statistics(self) -> list[EndpointStatistics]:
        """The counts of all."""
        with self._changed:
            return [member.statistics() for member in self.by_name.values()]

    def _begin(self, name: str) -> Member:
        member = self.by_name[name]
        member.in_flight += 1
        member.counts["requests"] += 1
        member.health.begin()
        return member

    def _pace_ns(self, member: Member, size_bytes: int) -> int:
        with self._changed:
            now_ns = self._clock.now_ns()
            return max(member.requests.take(1, now_ns), member.traffic.take(size_bytes, now_ns))

    def _end(self, member: Member, failure: EndpointFailure | None, latency_ns: int | None) -> None:
        with self._changed:
            member.in_flight -= 1
            now_ns = self._clock.now_ns()
            if failure is not None and not failure.kind.is_answer:
                member.health.failed(now_ns)
                member.counts["failures"] += 1
                member.counts["throttled"] += failure.kind is FailureKind.THROTTLED
            elif failure is not None:
                member.counts["missing"] += failure.kind is FailureKind.MISSING
                member.counts["denied"] += failure.kind is FailureKind.DENIED
                member.health.answered(None)
            elif latency_ns is not None:
                member.health.answered(latency_ns)
            else:
                member.health.abandoned(now_ns)
            self._changed.notify_all()
