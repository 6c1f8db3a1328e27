"""What a node answers to its peers, as routes of its gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.content.peers.wire import (
    HAVE_PATH,
    HELLO_PATH,
    OVERVIEW_PATH,
    PROVE_PATH,
    Hello,
    proof_of,
)
from ipfs_accelerate.content.serving import Request, Response, Route, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.peers.announcements import Announcements
    from ipfs_accelerate.content.peers.overview import Overview

__all__ = ["peer_routes"]

_MAX_BODY_BYTES = 64 * 1024
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def peer_routes(
    *,
    greet: Callable[[Hello], Hello],
    announcements: Callable[[str], Announcements | None],
    proof: Callable[[], tuple[str | None, str]],
    overview: Callable[[], Overview],
    most_listeners: int,
) -> list[Route]:
    """The routes of the peer protocol.

    Args:
        greet: Takes a hello and answers with one.
        announcements: What is told about a root.
        proof: Token and own URL, for proving that the token is known here.
        overview: How this node sees its team.
        most_listeners: Streams of one root at once; each takes a worker thread.
    """

    def on_prove(request: Request) -> Response:
        token, own_url = proof()
        try:
            asked = json.loads(request.body)
            nonce, url = str(asked["nonce"])[:64], str(asked["url"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return text(400, "a nonce and an url are needed")
        if token is None or url.rstrip("/") != own_url:
            return text(403, "this node is not known under that address")
        return _json({"proof": proof_of(token, nonce=nonce, url=own_url)})

    def on_hello(request: Request) -> Response:
        return Response(200, _HEADERS, greet(Hello.from_json(request.body)).to_json(), label="peer")

    def on_overview(_request: Request) -> Response:
        return Response(200, _HEADERS, overview().to_json(), label="peer")

    def on_have(request: Request) -> Response:
        found = announcements(request.path.removeprefix(HAVE_PATH))
        if found is None:
            return text(404, "this node has nothing to say about that root")
        if found.listeners >= most_listeners:
            return text(429, f"{most_listeners} listen already", Retry_After="5")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        return Response(200, headers, found.listen(), label="peer")

    return [
        Route("POST", PROVE_PATH, on_prove, max_body_bytes=1024, needs_token=False),
        Route("POST", HELLO_PATH, on_hello, max_body_bytes=_MAX_BODY_BYTES),
        Route("GET", HAVE_PATH, on_have),
        Route("GET", OVERVIEW_PATH, on_overview),
    ]


def _json(value: object) -> Response:
    return Response(200, _HEADERS, json.dumps(value).encode(), label="peer")
