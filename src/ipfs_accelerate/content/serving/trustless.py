"""Answers that a client verifies itself: raw blocks and CARs."""

from __future__ import annotations

import hashlib

from ipfs_accelerate.content.serving.car_body import car_pieces
from ipfs_accelerate.content.serving.context import Context, disposition, is_unchanged
from ipfs_accelerate.content.serving.routes import Response

__all__ = ["car_response", "raw_response"]


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
    made_of = (context.path.root, *context.path.segments, form.scope, form.span, form.media_type)
    digest = hashlib.sha256(ascii(made_of).encode()).hexdigest()[:16]
    etag = f'W/"{cid}.car.{digest}"'
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
