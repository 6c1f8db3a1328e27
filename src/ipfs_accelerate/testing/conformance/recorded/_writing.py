"""Writing bodies and streams."""

from __future__ import annotations

import json

__all__ = ["body", "error_body", "events", "lines"]

DONE = b"data: [DONE]\n\n"


def body(**fields: object) -> bytes:
    """A body of JSON."""
    return json.dumps(fields).encode()


def error_body(message: str, **fields: object) -> bytes:
    """An error in OpenAI's form."""
    return body(error={"message": message, **fields})


def events(*values: object, end: bytes = DONE) -> bytes:
    """Server-sent events of JSON."""
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + end


def lines(*values: object) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)
