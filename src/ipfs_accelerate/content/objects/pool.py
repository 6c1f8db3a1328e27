"""Several endpoints used as one store: routed, limited, watched, and replaced when they fail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from ipfs_accelerate.content.objects._interruptible import PATIENT, Loop, Patience
from ipfs_accelerate.content.objects.dispatch import Dispatcher
from ipfs_accelerate.content.objects.failures import EndpointFailure, FailureKind, verdict
from ipfs_accelerate.content.objects.health import HealthPolicy
from ipfs_accelerate.content.objects.members import Member, Members
from ipfs_accelerate.content.objects.routing import router_named
from ipfs_accelerate.errors import ConfigurationError, ContentLimitError, UnknownNameError
from ipfs_accelerate.telemetry import Clock, MonotonicClock

if TYPE_CHECKING:
    from types import TracebackType

    from ipfs_accelerate.content.objects._client import Client, ObjectInfo
    from ipfs_accelerate.content.objects.endpoint import Endpoint
    from ipfs_accelerate.content.objects.statistics import EndpointStatistics

__all__ = ["ObjectPool"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
_MAX_WHOLE_BYTES = 64 * 2**20


class ObjectPool:
    """Endpoints that hold the same objects under the same keys, or some of them.

    A read goes to the endpoint the routing names; when that does not answer, or lacks the object,
    to the next, until one gives it. All methods may be called from many threads. Connections are
    made at the first request. Whole files go through `transfers.download` and `transfers.upload`.

    Args:
        endpoints: With their buckets; names differ.
        routing: ``round_robin`` (by weight) or ``least_loaded``.
        attempts: Rounds over the endpoints that do not answer, with a growing wait between them.
        policy: When an endpoint is left alone.
        clock: Measures and waits.

    Raises:
        ConfigurationError: No endpoint, two of one name, or one without a bucket.
        UnknownNameError: There is no such routing.

    Example:
        >>> from ipfs_accelerate.content.objects import Endpoint
        >>> pool = ObjectPool([Endpoint("a", "models", url="https://s3.example")])
        >>> [row.name for row in pool.statistics()]
        ['a']
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        routing: str = "round_robin",
        attempts: int = 3,
        policy: HealthPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check(endpoints)
        clock = clock or MonotonicClock()
        self._loop = Loop()
        by_name = {e.name: Member(e, policy or HealthPolicy(), self._loop) for e in endpoints}
        self._members = Members(by_name, router_named(routing), clock)
        self._dispatcher = Dispatcher(self._members, clock, attempts=attempts)

    @property
    def names(self) -> list[str]:
        """The endpoints."""
        return list(self._members.by_name)

    def endpoint(self, name: str) -> Endpoint:
        """The settings of an endpoint.

        Raises:
            UnknownNameError: There is none of this name.
        """
        if name not in self._members.by_name:
            raise UnknownNameError(name, self._members.by_name)
        return self._members.by_name[name].endpoint

    def head(self, key: str, *, endpoint: str | None = None) -> ObjectInfo:
        """Size, ETag and stated hash of an object at the first endpoint that has it.

        Raises:
            ContentNotFoundError: No endpoint has it.
            AccessDeniedError: None that may have it lets us in.
            ConnectivityError: None that may have it answers.
        """
        return self.call(f"head of {key!r}", lambda client: client.head(key), endpoint=endpoint)

    def holders(self, key: str) -> list[ObjectInfo]:
        """The object at every endpoint that has it and answers.

        Raises:
            AccelerateError: None does; see `head`.
        """
        found: list[ObjectInfo] = []
        failures: list[EndpointFailure] = []
        for name in self.names:
            try:
                found.append(self._dispatcher.once(name, lambda client: client.head(key)))
            except EndpointFailure as failure:
                failures.append(failure)
        if not found and any(not failure.kind.is_answer for failure in failures):
            return [self.head(key)]  # with its further attempts
        if not found:
            raise verdict(f"head of {key!r}", failures)
        return found

    def get(
        self,
        key: str,
        start: int = 0,
        end: int | None = None,
        *,
        at: Iterable[ObjectInfo] | None = None,
    ) -> memoryview:
        """Bytes of an object, in one request.

        Args:
            key: Path in the bucket.
            start: First byte.
            end: Byte behind the last; ``None`` reads to the end, at most 64 MiB.
            at: Ask only these endpoints, and only for these versions.

        Raises:
            IntegrityError: The object is shorter than ``end``, or changed since ``at`` was read.
            ContentLimitError: ``end`` is ``None`` and the object is too large.
            AccelerateError: See `head`.
        """
        if end is None:
            end = self._size_in_memory(key, start)
        if end <= start:
            return memoryview(b"")
        return self.get_from(key, (start, end), at=at)[0]

    def get_from(
        self,
        key: str,
        span: tuple[int, int],
        *,
        at: Iterable[ObjectInfo] | None = None,
        patience: Patience = PATIENT,
    ) -> tuple[memoryview, str]:
        """Like `get`, and who sent the bytes.

        Args:
            key: Path in the bucket.
            span: First byte and the one behind the last, which is above it.
            at: See `get`.
            patience: For silence; its cancel drops the connection.

        Raises:
            Interrupted: It was cancelled.
            AccelerateError: See `get`.
        """
        tags = None if at is None else {info.endpoint: info.etag for info in at}

        def request(client: Client) -> tuple[memoryview, str]:
            tag = None if tags is None else tags.get(client.name)
            data = client.get(key, span, etag=tag, cancel=patience.cancel)
            self._members.count(client.name, "read_bytes", len(data))
            if len(data) != span[1] - span[0]:
                reason = f"{len(data)} bytes where {span[1] - span[0]} were to be"
                raise EndpointFailure(FailureKind.CHANGED, reason)
            return data, client.name

        return self.call(
            f"get of {key!r}", request, among=tags, size_bytes=span[1] - span[0], patience=patience
        )

    def _size_in_memory(self, key: str, start: int) -> int:
        size_bytes = self.head(key).size_bytes
        if size_bytes - start > _MAX_WHOLE_BYTES:
            raise ContentLimitError(
                f"{key!r} has {size_bytes} bytes; at most {_MAX_WHOLE_BYTES} are read at once",
                hint="download it to a file, or read ranges of it",
            )
        return size_bytes

    def iter_objects(
        self, prefix: str = "", *, endpoint: str | None = None
    ) -> Iterator[ObjectInfo]:
        """Objects in the folder ``prefix`` and below, by key, as one endpoint knows them.

        Raises:
            AccelerateError: See `head`; also while iterating.
        """

        def begin(client: Client) -> tuple[str, Iterator[ObjectInfo], ObjectInfo | None]:
            rows = client.iter_list(prefix.strip("/"))
            return client.name, rows, next(rows, None)

        name, rows, row = self.call(f"list of {prefix!r}", begin, endpoint=endpoint)
        while row is not None:
            yield row
            try:
                row = next(rows, None)
            except EndpointFailure as failure:
                failure.endpoint = name
                raise verdict(f"list of {prefix!r}", [failure]) from failure

    def delete(self, key: str, *, endpoint: str | None = None) -> None:
        """Delete an object everywhere, or at one endpoint; not being there is no error.

        Raises:
            AccessDeniedError: An endpoint refuses.
            ConnectivityError: An endpoint does not answer.
        """
        for name in [endpoint] if endpoint else self.names:
            self.call(f"delete of {key!r}", lambda client: client.delete(key), endpoint=name)

    def call(
        self,
        what: str,
        request: Callable[[Client], T],
        *,
        endpoint: str | None = None,
        among: Iterable[str] | None = None,
        size_bytes: int = 0,
        patience: Patience = PATIENT,
    ) -> T:
        """Make a request of your own; see `Dispatcher.call`.

        Args:
            what: Named in errors.
            request: May be repeated; raises `EndpointFailure`.
            endpoint: Ask only this one.
            among: Ask only these; all when ``None``.
            size_bytes: Bytes of the body, for the rate limit.
            patience: For silence and for the waits between attempts.

        Raises:
            Interrupted: It was cancelled.
            UnknownNameError: There is no such endpoint.
            AccelerateError: The verdict over all endpoints that were asked.
        """
        names = [endpoint] if endpoint is not None else self.names if among is None else among
        names = [self.endpoint(name).name for name in names]
        return self._dispatcher.call(
            what, request, among=names, size_bytes=size_bytes, patience=patience
        )

    def count(self, name: str, what: str, amount: int) -> None:
        """Add to the statistics of an endpoint (``read_bytes``, ``written_bytes``)."""
        self._members.count(name, what, amount)

    def distrust(self, name: str) -> None:
        """Note that an endpoint gave bytes that are not what they should be."""
        logger.warning("endpoint %s gave wrong bytes", name)
        self._members.distrust(name)

    def statistics(self) -> list[EndpointStatistics]:
        """What happened at each endpoint so far."""
        return self._members.statistics()

    def close(self) -> None:
        """Drop the connections; what is in flight ends by itself."""
        for member in self._members.by_name.values():
            member.drop_clients()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _check(endpoints: Sequence[Endpoint]) -> None:
    names = [endpoint.name for endpoint in endpoints]
    if not names or len(set(names)) != len(names):
        raise ConfigurationError(f"a pool needs endpoints of different names, not {names}")
    for endpoint in endpoints:
        if not endpoint.bucket:
            raise ConfigurationError(
                f"endpoint {endpoint.name!r} has no bucket", hint="use Endpoint.with_bucket"
            )
