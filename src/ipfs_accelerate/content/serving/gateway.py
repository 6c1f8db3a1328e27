"""The gateway itself: from a request for content to a response. Plain functions on worker threads.

Source: specs.ipfs.tech/http-gateways (trustless-gateway, path-gateway).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.serving.blocks import ServedBlocks
from ipfs_accelerate.content.serving.context import Context
from ipfs_accelerate.content.serving.deserialized import plain_response
from ipfs_accelerate.content.serving.names import Names
from ipfs_accelerate.content.serving.negotiation import Format, Wanted, negotiate, parse_query
from ipfs_accelerate.content.serving.paths import ContentPath, header_path, parse_path
from ipfs_accelerate.content.serving.resolving import Resolved, resolve
from ipfs_accelerate.content.serving.routes import RefusedError, Request, Response, Route
from ipfs_accelerate.content.serving.trustless import car_response, raw_response, record_response
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.naming import RecordStore

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
        names: Records served under ``/ipns/``.
    """

    deserialized: bool | None = None
    cors_origins: tuple[str, ...] = ()
    fetch_missing: Callable[[Cid], bytes] | None = None
    is_denied: Callable[[Cid], bool] | None = None
    names: RecordStore | None = None


class Gateway:
    """Answers requests for content out of one store."""

    def __init__(self, store: BlockReader, options: Options, *, is_local: bool = True) -> None:
        asked = options.deserialized
        self._is_plain_offered = is_local if asked is None else asked
        self._local = ServedBlocks(store)
        self._blocks = ServedBlocks(store, options.fetch_missing)
        self._is_denied = options.is_denied
        self._names = Names(options.names)

    def routes(self) -> list[Route]:
        """What it serves."""
        return [Route("GET", "/ipfs/", self.serve_ipfs), Route("GET", "/ipns/", self.serve_ipns)]

    def serve_ipfs(self, request: Request) -> Response:
        """``/ipfs/{cid}[/path]``."""
        wanted = _wanted(request)
        if wanted.format is Format.IPNS_RECORD:
            raise RefusedError(400, "records are of names: ask for /ipns/{name}")
        path = parse_path(request.path)
        return _here(request, lambda: self._content(request, wanted, path, _FOREVER))

    def serve_ipns(self, request: Request) -> Response:
        """``/ipns/{name}[/path]``: the record, or what it points at."""
        wanted = _wanted(request)
        path = parse_path(request.path)
        if wanted.format is Format.IPNS_RECORD and path.segments:
            raise RefusedError(400, "a record has no parts: ask for /ipns/{name} alone")
        return _here(request, lambda: self._named(request, wanted, path))

    def _named(self, request: Request, wanted: Wanted, path: ContentPath) -> Response:
        if wanted.format is Format.IPNS_RECORD:
            return record_response(request, wanted, self._names.record(path))
        found = self._names.resolve(path)
        return self._content(request, wanted, found.path, found.cache_control)

    def _content(
        self, request: Request, wanted: Wanted, path: ContentPath, cache_control: str
    ) -> Response:
        blocks = self._local if _is_local(request) else self._blocks
        found = self._find(path, blocks)
        headers = {
            "Cache-Control": cache_control,
            "X-Ipfs-Path": header_path(request.path),
            "X-Ipfs-Roots": ",".join(str(cid) for cid in found.roots),
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept",
        }
        if wanted.is_by_header:
            joined = f"{header_path(request.query)}&" if request.query else ""
            headers["Content-Location"] = f"{headers['X-Ipfs-Path']}?{joined}format={wanted.format}"
        return self._answer(Context(request, path, wanted, found, headers, blocks))

    def _answer(self, context: Context) -> Response:
        form = context.wanted.format
        if form is Format.RAW:
            return raw_response(context)
        if form is Format.CAR:
            if not context.blocks.has(context.found.cid):
                raise ContentNotFoundError(f"{context.found.cid} is not here")
            return car_response(context)
        if not self._is_plain_offered:
            status = 406 if context.wanted.has_accept else 400
            raise RefusedError(status, "ask for raw blocks or CARs: ?format=raw or ?format=car")
        return plain_response(context)

    def _find(self, path: ContentPath, blocks: ServedBlocks) -> Resolved:
        found = resolve(Cid.parse(path.root), path.segments, blocks)
        if self._is_denied is not None and any(map(self._is_denied, found.roots)):
            raise RefusedError(410, f"{path.root} is not given away here")
        return found


def _wanted(request: Request) -> Wanted:
    return negotiate(parse_query(request.query), request.headers.get("accept", ""))


def _is_local(request: Request) -> bool:
    return "only-if-cached" in request.headers.get("cache-control", "")


def _here(request: Request, respond: Callable[[], Response]) -> Response:
    """The response; with ``Cache-Control: only-if-cached`` absence has a status of its own."""
    try:
        return respond()
    except ContentNotFoundError as error:
        if _is_local(request):
            raise RefusedError(412, f"not here: {error}") from error
        raise
