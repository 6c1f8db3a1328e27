"""The media type of a file: by its name, else by how it begins. Pure."""

from __future__ import annotations

import functools
import json
import mimetypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["media_type_of"]

_BINARY = "application/octet-stream"


def media_type_of(name: str, head: Callable[[], bytes]) -> str:
    """The type of a file.

    Args:
        name: May be empty.
        head: Reads its first bytes; called only where the name says nothing.
    """
    known, encoding = _table().guess_type(name, strict=True)
    if known is not None and encoding is None:
        return f"{known}; charset=utf-8" if known.startswith("text/") else known
    return _BINARY if encoding is not None else _sniffed(head())


@functools.cache
def _table() -> mimetypes.MimeTypes:
    """Built-in types only: what the machine has installed must not change answers."""
    made = mimetypes.MimeTypes()
    made.add_type("text/markdown", ".md")
    return made


def _sniffed(head: bytes) -> str:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return _BINARY
        text = head[: error.start].decode("utf-8")
    if any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        return _BINARY
    start = text.lstrip()[:15].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html; charset=utf-8"
    return (
        "application/json"
        if start[:1] in {"{", "["} and _is_json(text)
        else "text/plain; charset=utf-8"
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
