"""The gateway itself: from a request for content to a response. Plain functions on worker threads.

Source: specs.ipfs.tech/http-gateways (trustless-gateway, path-gateway).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.serving.blocks import ServedBlocks
from ipfs_accelerate.content.serving.context import Context
from ipfs_accelerate.content.serving.negotiation import Format, negotiate, parse_query
from ipfs_accelerate.content.serving.paths import ContentPath, header_path, parse_path
from ipfs_accelerate.content.serving.resolving import Resolved, resolve
from ipfs_accelerate.content.serving.routes import RefusedError, Request, Response, Route
from ipfs_accelerate.content.serving.trustless import car_response, raw_response
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["Gateway", "Options"]

_FOREVER = "public, max-age=29030400, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a gateway offers.

    Attributes:
        deserialized: Also serve files and folders as such, for browsers and other tools; the
            client has to trust this server then. ``None``: when bound to loopback.
        cors_origins: Pages that may read: origins, or ``*``.
        fetch_missing: Gets a block that the store lacks (and may keep it); it is verified.
        is_denied: Content that is not given to anybody; answered with 410.
    """

    deserialized: bool | None = None
    cors_origins: tuple[str, ...] = ()
    fetch_missing: Callable[[Cid], bytes] | None = None
    is_denied: Callable[[Cid], bool] | None = None


class Gateway:
    """Answers requests for content out of one store."""

    def __init__(self, store: BlockReader, options: Options) -> None:
        self._local = ServedBlocks(store)
        self._blocks = ServedBlocks(store, options.fetch_missing)
        self._options = options

    def routes(self) -> list[Route]:
        """What it serves."""
        return [Route("GET", "/ipfs/", self.serve_ipfs)]

    def serve_ipfs(self, request: Request) -> Response:
        """``/ipfs/{cid}[/path]``."""
        path = parse_path(request.path)
        query = parse_query(request.query)
        wanted = negotiate(query, request.headers.get("accept", ""))
        is_local = "only-if-cached" in request.headers.get("cache-control", "")
        blocks = self._local if is_local else self._blocks
        try:
            found = self._find(path, blocks)
        except ContentNotFoundError as error:
            if is_local:
                raise RefusedError(412, f"not here: {error}") from error
            raise
        headers = {
            "Cache-Control": _FOREVER,
            "X-Ipfs-Path": header_path(request.path),
            "X-Ipfs-Roots": ",".join(str(cid) for cid in found.roots),
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept",
        }
        return self._answer(Context(request, path, wanted, found, headers, blocks))

    def _answer(self, context: Context) -> Response:
        form = context.wanted.format
        if form is Format.RAW:
            return raw_response(context)
        if form is Format.CAR:
            return car_response(context)
        raise RefusedError(406, "only raw blocks and CARs are offered: ?format=raw or ?format=car")

    def _find(self, path: ContentPath, blocks: ServedBlocks) -> Resolved:
        found = resolve(Cid.parse(path.root), path.segments, blocks)
        if self._options.is_denied and any(map(self._options.is_denied, found.roots)):
            raise RefusedError(410, f"{path.root} is not given away here")
        if not blocks.has(found.cid):
            raise ContentNotFoundError(f"{found.cid} is not here")
        return found
