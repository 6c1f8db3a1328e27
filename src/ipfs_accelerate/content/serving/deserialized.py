"""Files and folders as such, for browsers and tools that know nothing of blocks.

The client has to trust this server: it cannot verify what it gets. See `trustless` for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.dag import Kind
from ipfs_accelerate.content.reading import iter_file
from ipfs_accelerate.content.serving.context import disposition, is_unchanged
from ipfs_accelerate.content.serving.listing import listing_response
from ipfs_accelerate.content.serving.media_types import media_type_of
from ipfs_accelerate.content.serving.negotiation import Format
from ipfs_accelerate.content.serving.paths import header_path
from ipfs_accelerate.content.serving.resolving import resolve, unixfs_of
from ipfs_accelerate.content.serving.routes import FileRange, RefusedError, Response
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.serving.context import Context

__all__ = ["plain_response"]

_SNIFFED_BYTES = 1024
#: Pages get an origin of their own, so that they cannot read other content in the reader's name.
_SANDBOXED = frozenset({"text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"})
_PLAIN = {
    Codec.JSON: (Format.JSON, {Format.JSON, Format.DAG_JSON}),
    Codec.DAG_JSON: (Format.DAG_JSON, {Format.JSON, Format.DAG_JSON}),
    Codec.CBOR: (Format.CBOR, {Format.CBOR, Format.DAG_CBOR}),
    Codec.DAG_CBOR: (Format.DAG_CBOR, {Format.CBOR, Format.DAG_CBOR}),
}
_MEDIA = {
    Format.JSON: ("application/json", "inline", "json"),
    Format.DAG_JSON: ("application/vnd.ipld.dag-json", "inline", "json"),
    Format.CBOR: ("application/cbor", "attachment", "cbor"),
    Format.DAG_CBOR: ("application/vnd.ipld.dag-cbor", "attachment", "cbor"),
}


def plain_response(context: Context) -> Response:
    """What the path leads to, as a file, a listing or the bytes of one block.

    Raises:
        RefusedError: With status 406 where only a conversion would do.
    """
    cid, form = context.found.cid, context.wanted.format
    if cid.codec in _PLAIN:
        return _block(context)
    if form in {Format.DAG_JSON, Format.DAG_CBOR}:
        raise RefusedError(406, f"conversion to {form} is not offered: ask for ?format=raw")
    if cid.codec == Codec.RAW:
        return _file(context, cid)
    if cid.codec != Codec.DAG_PB:
        raise RefusedError(406, f"codec 0x{cid.codec:x} has no plain form: ask for ?format=raw")
    node, unix = unixfs_of(cid, context.blocks)
    if unix.kind in {Kind.DIRECTORY, Kind.HAMT}:
        return _folder(context)
    if unix.kind == Kind.SYMLINK:
        headers = {"Content-Type": "inode/symlink"}
        return context.respond(f'"{cid}"', headers, unix.data, label="file")
    return _file(context, cid, sum(unix.block_sizes) if node.links else len(unix.data))


def _block(context: Context) -> Response:
    cid, asked = context.found.cid, context.wanted.format
    own, possible = _PLAIN[Codec(cid.codec)]
    if asked not in {Format.PLAIN, *possible}:
        raise RefusedError(406, f"conversion of {own} to {asked} is not offered")
    media, shown, suffix = _MEDIA[own if asked is Format.PLAIN else asked]
    etag = f'"{cid}"' if asked is Format.PLAIN else f'"{cid}.{asked}"'
    filename = context.wanted.filename or f"{cid}.{suffix}"
    headers = {"Content-Type": media, "Content-Disposition": disposition(shown, filename)}
    return context.respond(etag, headers, context.blocks.body(cid), label="file")


def _folder(context: Context) -> Response:
    if context.wanted.format is not Format.JSON:
        if not context.path.is_folder:
            query = context.request.query
            place = header_path(context.request.path) + "/" + (f"?{query}" if query else "")
            raise RefusedError(301, "a folder's address ends with a slash", Location=place)
        try:
            index = resolve(context.found.cid, ["index.html"], context.blocks)
        except ContentNotFoundError:
            pass
        else:
            return _index(context, index.cid)
    return listing_response(context)


def _index(context: Context, cid: Cid) -> Response:
    _, unix = unixfs_of(cid, context.blocks) if cid.codec == Codec.DAG_PB else (None, None)
    if unix is not None and unix.kind not in {Kind.FILE, Kind.RAW}:
        return listing_response(context)
    size_bytes = None
    if unix is not None:
        size_bytes = sum(unix.block_sizes) or len(unix.data)
    return _file(context, cid, size_bytes, name="index.html")


def _file(context: Context, cid: Cid, size_bytes: int | None = None, *, name: str = "") -> Response:
    """A file; its Etag names what was asked for, which for an index page is the folder."""
    etag = f'"{context.found.cid}"'
    if is_unchanged(context.request, etag):
        return Response(304, {**context.headers, "Etag": etag}, label="file")
    headers = _headers(context, cid, name)
    if size_bytes is None:
        return context.respond(etag, headers, context.blocks.body(cid), label="file")
    path = context.blocks.whole_file(cid)
    if path is not None and size_bytes:
        return context.respond(etag, headers, FileRange(path, 0, size_bytes), label="file")
    return _assembled(context, cid, etag, headers, size_bytes)


def _assembled(
    context: Context, cid: Cid, etag: str, headers: dict[str, str], size_bytes: int
) -> Response:
    span = context.span(etag, size_bytes)
    start, end = (span.start, span.end) if span else (0, size_bytes)
    headers = {**context.headers, "Etag": etag, "Accept-Ranges": "bytes", **headers}
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    return Response(
        206 if span else 200,
        headers,
        iter_file(cid, context.blocks, start, end),
        size_bytes=end - start,
        label="file",
    )


def _headers(context: Context, cid: Cid, name: str) -> dict[str, str]:
    wanted = context.wanted
    name = wanted.filename or name or (context.path.segments or ("",))[-1]
    media = media_type_of(name, lambda: _head(context, cid))
    headers = {"Content-Type": media}
    if wanted.filename or wanted.is_download:
        kind = "attachment" if wanted.is_download else "inline"
        headers["Content-Disposition"] = disposition(kind, name or str(cid))
    if media.split(";", 1)[0] in _SANDBOXED:
        headers["Content-Security-Policy"] = "sandbox allow-scripts allow-popups"
    return headers


def _head(context: Context, cid: Cid) -> bytes:
    try:
        return b"".join(iter_file(cid, context.blocks, 0, _SNIFFED_BYTES))
    except ContentNotFoundError:
        return b"\0"
