"""Formats of the wire without input and output: HTTP messages, server-sent events, JSON lines."""

from ipfs_accelerate.gateway.wire.duration import duration_s
from ipfs_accelerate.gateway.wire.http import HttpRequest, HttpResponse
from ipfs_accelerate.gateway.wire.ndjson import NdjsonParser
from ipfs_accelerate.gateway.wire.retry_after import retry_after_s
from ipfs_accelerate.gateway.wire.sse import SseEvent, SseParser

__all__ = [
    "HttpRequest",
    "HttpResponse",
    "NdjsonParser",
    "SseEvent",
    "SseParser",
    "duration_s",
    "retry_after_s",
]
