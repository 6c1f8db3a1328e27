"""What stands between a socket and the HTTP parser: how many connections, how long they may idle.

The parser's own protocol object gets every event passed on; a connection too many, or one that
dribbles its headers, never costs more than this object.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.serving.limits import Limits
    from ipfs_accelerate.content.serving.statistics import Counters

__all__ = ["Connection", "Connections"]

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class Connections:
    """All open connections of a server; touched by the event loop only."""

    def __init__(
        self, limits: Limits, counters: Counters, make_parser: Callable[[], asyncio.Protocol]
    ) -> None:
        self.limits = limits
        self.counters = counters
        self.make_parser = make_parser
        self._clients: Counter[str] = Counter()

    def __call__(self) -> Connection:
        return Connection(self)

    def admit(self, client: str) -> bool:
        """Count a new connection in, unless there are too many."""
        if self.counters.open_connections >= self.limits.connections:
            self.counters.rejections["connections"] += 1
            return False
        if self._clients[client] >= self.limits.connections_per_client:
            self.counters.rejections["connections_per_client"] += 1
            return False
        self._clients[client] += 1
        self.counters.connected()
        return True

    def leave(self, client: str) -> None:
        """Count a connection out."""
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
        self.counters.open_connections -= 1


class Connection(asyncio.Protocol):
    """One connection: passes events on and watches the time between requests."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._parser: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False
        self.client = ""
        #: The client will send no more, but may still read.
        self.is_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if peer else ""
        if not self._all.admit(self.client):
            self._transport.write(_FULL)
            self._transport.close()
            return
        self._parser = self._all.make_parser()
        self._parser.connection_made(transport)
        self.idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.busy()
        if self._parser is not None:
            self._all.leave(self.client)
            self._parser.connection_lost(exc)
            self._parser = None

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._parser is None:
            return
        if self._is_waiting:
            self._is_waiting = False
            self._arm(self._all.limits.header_timeout_s, "slow_headers")
        self._parser.data_received(data)

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        self.is_ended = True
        return not self._is_waiting and self._parser is not None

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._parser is not None:
            self._parser.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._parser is not None:
            self._parser.resume_writing()

    def busy(self) -> None:
        """A request is being answered: stop the timer."""
        self._is_waiting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def idle(self) -> None:
        """Wait for the next request, not for ever."""
        self._arm(self._all.limits.idle_timeout_s, "idle")
        self._is_waiting = True

    def _arm(self, delay_s: float, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_s, self._time_out, reason)

    def _time_out(self, reason: str) -> None:
        if reason != "idle":
            self._all.counters.rejections[reason] += 1
        if self._transport is not None:
            self._transport.abort()
