"""Which handler answers, and what the errors of the product mean in HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ipfs_accelerate.content.serving.routes import (
    Handler,
    RefusedError,
    Request,
    Response,
    Route,
    text,
)
from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    ConnectivityError,
    ContentNotFoundError,
    DeadlineExceededError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Router", "answer", "failure"]

_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[AccelerateError], int], ...] = (
    (UsageError, 400),
    (ContentNotFoundError, 404),
    (AccessDeniedError, 403),
    (ConnectivityError, 502),
    (DeadlineExceededError, 504),
)


class Router:
    """Finds the route of a request: the longest prefix, then the method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = sorted(routes, key=lambda route: -len(route.path_prefix))

    def find(self, request: Request) -> Route | Response:
        """The route, or the answer 404 or 405 where there is none."""
        asked = "GET" if request.method == "HEAD" else request.method
        allowed: set[str] = set()
        prefix = ""
        for route in self._routes:
            if not request.path.startswith(route.path_prefix):
                continue
            if allowed and route.path_prefix != prefix:
                break
            if route.method == asked:
                return route
            prefix = route.path_prefix
            allowed |= {"GET", "HEAD"} if route.method == "GET" else {route.method}
        if allowed:
            names = ", ".join(sorted(allowed))
            return text(405, f"{request.method} is not possible here, only {names}", Allow=names)
        return text(404, "nothing is served under this path: ask for /ipfs/{cid} or /ipns/{key}")


def answer(handler: Handler, request: Request) -> Response:
    """Run a handler; its errors become answers."""
    try:
        return handler(request)
    except Exception as error:  # noqa: BLE001 - the border of a request
        return failure(error)


def failure(error: Exception) -> Response:
    """The answer that says what went wrong; details of unexpected errors stay in the log."""
    if isinstance(error, RefusedError):
        return error.response
    if isinstance(error, AccelerateError):
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if status == 500:
            _log.warning("a request failed: %s", error)
        return text(status, str(error))
    _log.error("a request failed", exc_info=error)
    return text(500, "internal error; the server's log says more")
