"""Ends connections which keep their place without asking anything.

aiohttp limits neither how long a first request's headers may take, nor how slowly they come. Here
one rule covers both, and a kept connection that nobody uses: whoever has no request in work for so
long is closed.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

__all__ = ["Idling"]


class Idling:
    """Watches the connections of one server.

    Args:
        limit_s: Longest time from connecting, or from the end of a request, until the headers of
            the next one are there; it is overrun by a tenth at most.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._working: set[web.RequestHandler] = set()
        self._since_s: dict[web.RequestHandler, float] = {}

    @contextmanager
    def working(self, connection: web.RequestHandler) -> Iterator[None]:
        """A request of the connection is answered meanwhile."""
        self._working.add(connection)
        try:
            yield
        finally:
            self._working.discard(connection)
            self._since_s.pop(connection, None)

    async def watch(self, server: web.Server) -> None:
        """Close whoever is late, until cancelled."""
        clock = asyncio.get_running_loop()
        while True:
            self._look(server.connections, clock.time())
            await asyncio.sleep(self._limit_s / 10)

    def _look(self, connections: list[web.RequestHandler], now_s: float) -> None:
        idle = [one for one in connections if one not in self._working]
        self._since_s = {one: self._since_s.get(one, now_s) for one in idle}
        for one, since_s in self._since_s.items():
            if now_s - since_s >= self._limit_s:
                one.force_close()
