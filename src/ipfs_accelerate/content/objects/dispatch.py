"""One request through several endpoints: the next when one fails, again when none answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.content.objects._interruptible import PATIENT, Patience
from ipfs_accelerate.content.objects.failures import EndpointFailure, FailureKind, verdict

if TYPE_CHECKING:
    from ipfs_accelerate.content.objects._client import Client
    from ipfs_accelerate.content.objects.members import Member, Members
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Dispatcher"]

T = TypeVar("T")
_FIRST_WAIT_NS, _LONGEST_WAIT_NS = 200_000_000, 10_000_000_000


class Dispatcher:
    """Makes requests at the members of a pool.

    Args:
        members: Endpoints at work.
        clock: Waits.
        attempts: Rounds over the endpoints that do not answer.
    """

    def __init__(self, members: Members, clock: Clock, *, attempts: int) -> None:
        self._members = members
        self._clock = clock
        self._attempts = attempts

    def call(
        self,
        what: str,
        request: Callable[[Client], T],
        *,
        among: Iterable[str],
        size_bytes: int = 0,
        patience: Patience = PATIENT,
    ) -> T:
        """Make a request at one endpoint after the other until one gives a result.

        Args:
            what: Named in errors.
            request: May be repeated; raises `EndpointFailure`.
            among: Endpoints that may be asked.
            size_bytes: Bytes of the body, for the rate limit.
            patience: For silence and for the waits between.

        Raises:
            Interrupted: It was cancelled.
            AccelerateError: The verdict over all endpoints that were asked.
        """
        round_ = _Round(self._members, set(among), patience)
        for turn in range(self._attempts):
            for member in round_:
                try:
                    return self._members.run(member, request, patience, size_bytes=size_bytes)
                except EndpointFailure as failure:
                    round_.note(failure)
            wait_ns = max(_FIRST_WAIT_NS * 2**turn, self._members.rest_ns(round_.unsettled))
            if not round_.unsettled or turn + 1 == self._attempts or wait_ns > _LONGEST_WAIT_NS:
                break
            patience.sleep_ns(self._clock, wait_ns)
        raise verdict(what, round_.failures)

    def once(self, name: str, request: Callable[[Client], T]) -> T:
        """Make a request at one endpoint, without a second attempt.

        Raises:
            EndpointFailure: It failed, or the endpoint rests after failures.
        """
        member = self._members.acquire({name}, PATIENT)
        if member is None:
            raise _resting(name)
        return self._members.run(member, request, PATIENT)


class _Round:
    """Who failed how, and who may still be asked."""

    def __init__(self, members: Members, names: set[str], patience: Patience) -> None:
        self._members = members
        self._patience = patience
        self.unsettled = names
        self._failures: dict[str, EndpointFailure] = {}

    def __iter__(self) -> Iterator[Member]:
        """Each endpoint without a final answer, once, unless it rests."""
        left = set(self.unsettled)
        while left and (member := self._members.acquire(left, self._patience)):
            left.discard(member.endpoint.name)
            yield member
        for name in left:
            self._failures.setdefault(name, _resting(name))

    def note(self, failure: EndpointFailure) -> None:
        """Remember a failure; an endpoint that gave an answer is not asked again."""
        self._failures[failure.endpoint] = failure
        if failure.kind.is_answer:
            self.unsettled.discard(failure.endpoint)

    @property
    def failures(self) -> list[EndpointFailure]:
        """The last of each endpoint."""
        return list(self._failures.values())


def _resting(name: str) -> EndpointFailure:
    failure = EndpointFailure(FailureKind.UNREACHABLE, "left alone after failures in a row")
    failure.endpoint = name
    return failure
