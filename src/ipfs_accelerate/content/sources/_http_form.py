"""Files as the body of a request, streamed.

Source: RFC 7578 and docs.ipfs.tech/reference/kubo/rpc.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

__all__ = ["Form", "Part", "parts_of"]

_PIECE_BYTES = 256 * 1024

#: Name and content: bytes, a stream, or a path to a file, directory or symlink.
Part = tuple[str, "bytes | Path | BinaryIO"]


class Form:
    """A body of parts; iterating sends it.

    Attributes:
        media_type: For the header; holds a boundary that no content can foresee.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = parts
        self._boundary = secrets.token_hex(16)
        self.media_type = f"multipart/form-data; boundary={self._boundary}"

    def __iter__(self) -> Iterator[bytes]:
        for name, content in self._parts:
            head = (
                f"--{self._boundary}",
                f'Content-Disposition: form-data; name="file"; filename="{quote(name)}"',
                f"Content-Type: {_media_type(content)}",
                "\r\n",
            )
            yield "\r\n".join(head).encode()
            yield from _content(content)
            yield b"\r\n"
        yield f"--{self._boundary}--\r\n".encode()


def parts_of(path: Path) -> Iterator[Part]:
    """A file, or a directory and everything below it, in order; symlinks stay symlinks."""
    yield path.name, path
    if path.is_dir() and not path.is_symlink():
        for below in sorted(path.rglob("*")):
            yield f"{path.name}/{below.relative_to(path).as_posix()}", below


def _media_type(content: bytes | Path | BinaryIO) -> str:
    if isinstance(content, Path) and content.is_symlink():
        return "application/symlink"
    if isinstance(content, Path) and content.is_dir():
        return "application/x-directory"
    return "application/octet-stream"


def _content(content: bytes | Path | BinaryIO) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif not isinstance(content, Path):
        yield from _pieces(content)
    elif content.is_symlink():
        yield os.fsencode(content.readlink())
    elif content.is_file():
        with content.open("rb") as stream:
            yield from _pieces(stream)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece
