"""What is in a folder: a page for people, JSON for programs."""

from __future__ import annotations

import json
from html import escape
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from ipfs_accelerate.content.dag import Kind, hamt
from ipfs_accelerate.content.serving.context import is_unchanged
from ipfs_accelerate.content.serving.negotiation import Format
from ipfs_accelerate.content.serving.paths import header_path
from ipfs_accelerate.content.serving.resolving import unixfs_of
from ipfs_accelerate.content.serving.routes import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.dag import Link
    from ipfs_accelerate.content.serving.context import Context

__all__ = ["listing_response"]

_SHOWN = 10_000
#: Part of the Etag: changes when the page does.
_REVISION = "1"
_WEEK = "public, max-age=604800, stale-while-revalidate=2678400"


def listing_response(context: Context) -> Response:
    """The listing; of more than 10,000 entries the first."""
    cid = context.found.cid
    is_json = context.wanted.format is Format.JSON
    etag = f'"DirIndex-{_REVISION}{"j" if is_json else "h"}_CID-{cid}"'
    headers = {**context.headers, "Cache-Control": _WEEK, "Etag": etag}
    if is_unchanged(context.request, etag) or is_unchanged(context.request, f'"{cid}"'):
        return Response(304, headers, label="listing")
    entries = list(islice(_links(context), _SHOWN + 1))
    if is_json:
        headers["Content-Type"] = "application/json"
        return Response(200, headers, _json(context, entries), label="listing")
    headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(200, headers, _page(context, entries), label="listing")


def _links(context: Context) -> Iterator[Link]:
    node, unix = unixfs_of(context.found.cid, context.blocks)
    if unix.kind == Kind.HAMT:
        return hamt.iter_entries(node, unix, context.blocks)
    return iter(node.links)


def _json(context: Context, entries: list[Link]) -> bytes:
    made = {
        "cid": str(context.found.cid),
        "entries": [
            {"name": _text(link.name), "cid": str(link.cid), "dag_bytes": link.size_bytes}
            for link in entries[:_SHOWN]
        ],
        "is_complete": len(entries) <= _SHOWN,
    }
    return json.dumps(made).encode()


def _page(context: Context, entries: list[Link]) -> bytes:
    base = header_path(context.request.path).rstrip("/")
    title = f"Index of {escape(base)}/"
    above = f'<li><a href="{escape(base)}/..">..</a>' if context.path.segments else ""
    rows = "\n".join(_row(base, link) for link in entries[:_SHOWN])
    more = "<p>and more</p>" if len(entries) > _SHOWN else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:1rem/1.5 system-ui;margin:2rem}small{color:#666}</style></head>"
        f"<body><h1>{title}</h1><ul>{above}{rows}</ul>{more}</body></html>\n"
    ).encode()


def _row(base: str, link: Link) -> str:
    target = quote(link.name.encode("utf-8", "surrogateescape"), safe="")
    return (
        f'<li><a href="{escape(base)}/{target}">{escape(_text(link.name))}</a>'
        f" <small>{link.cid}, {link.size_bytes:,} bytes</small>"
    )


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
