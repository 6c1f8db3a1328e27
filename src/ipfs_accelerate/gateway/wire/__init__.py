"""Formats of the wire without input and output: HTTP messages, server-sent events, JSON lines."""

from ipfs_accelerate.gateway.wire.http import HttpRequest, HttpResponse

__all__ = ["HttpRequest", "HttpResponse"]
