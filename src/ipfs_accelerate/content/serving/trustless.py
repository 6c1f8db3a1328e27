"""Answers that a client verifies itself: raw blocks, CARs, signed records."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ipfs_accelerate.content.serving.car_body import car_pieces
from ipfs_accelerate.content.serving.context import Context, disposition, is_unchanged
from ipfs_accelerate.content.serving.routes import Request, Response

if TYPE_CHECKING:
    from ipfs_accelerate.content.serving.names import Resolution
    from ipfs_accelerate.content.serving.negotiation import Wanted

__all__ = ["car_response", "raw_response", "record_response"]


def raw_response(context: Context) -> Response:
    """One block."""
    cid = context.found.cid
    headers = {
        "Content-Type": "application/vnd.ipld.raw",
        "Content-Disposition": disposition("attachment", context.wanted.filename or f"{cid}.bin"),
    }
    return context.respond(f'"{cid}.raw"', headers, context.blocks.body(cid), label="raw")


def car_response(context: Context) -> Response:
    """A stream of blocks; its length is not known beforehand."""
    cid, form = context.found.cid, context.wanted.car
    made_of = (context.found.roots, context.found.on_path, form)
    etag = f'W/"{cid}.car.{_digest(ascii(made_of).encode())}"'
    headers = {
        **context.headers,
        "Etag": etag,
        "Content-Type": form.media_type,
        "Content-Disposition": disposition("attachment", context.wanted.filename or f"{cid}.car"),
        "Accept-Ranges": "none",
        "X-Stream-Output": "1",
    }
    if is_unchanged(context.request, etag):
        return Response(304, headers, label="car")
    pieces = car_pieces(context.found, form, context.blocks)
    return Response(200, headers, pieces, label="car")


def record_response(request: Request, wanted: Wanted, found: Resolution) -> Response:
    """The signed record of a name."""
    raw, name = found.record.raw, found.path.root
    etag = f'"{_digest(raw)}"'
    headers = {
        "Etag": etag,
        "Cache-Control": found.cache_control,
        "Content-Type": "application/vnd.ipfs.ipns-record",
        "Content-Disposition": disposition("attachment", wanted.filename or f"{name}.ipns-record"),
        "X-Content-Type-Options": "nosniff",
        "X-Ipfs-Path": f"/ipns/{name}",
        "Vary": "Accept",
    }
    if is_unchanged(request, etag):
        return Response(304, headers, label="ipns-record")
    return Response(200, headers, raw, label="ipns-record")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
