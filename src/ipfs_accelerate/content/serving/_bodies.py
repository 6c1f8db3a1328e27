"""Sending of bodies: what is in files goes through the kernel, the rest in large writes.

Pieces are pulled on a worker thread, a few at a time, as fast as the client takes them; so a
connection never holds more than a batch.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast

from ipfs_accelerate.content.serving.routes import FileRange, Piece

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Batch", "BodySender", "PieceSource"]

#: Ranges below this cost less read and written with what surrounds them than sent on their own.
_SENDFILE_BYTES = 64 * 1024
_BATCH_BYTES = 256 * 1024
_SLICE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent next: bytes, then a range of an open file.

    Attributes:
        data: Sent first.
        file: Sent after them, where there is one.
        span: The range of ``file``.
        is_last: Nothing follows.
    """

    data: bytes
    file: BinaryIO | None = None
    span: FileRange | None = None
    is_last: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of both parts."""
        return len(self.data) + (self.span.size_bytes if self.span else 0)


class PieceSource:
    """Turns a body into batches; the one file open at a time is closed with it. Thread-safe.

    Attributes:
        is_single: The body is one range of a file: nothing runs when it is closed.
    """

    def __init__(self, body: FileRange | Iterable[Piece]) -> None:
        self.is_single = isinstance(body, FileRange)
        self._pieces: Iterator[Piece] = iter((body,) if isinstance(body, FileRange) else body)
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._path: object = None
        self._failure: Exception | None = None

    def pull(self) -> Batch:
        """The next batch. What the pieces raise comes after all that they gave before."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            parts: list[bytes | memoryview] = []
            try:
                return self._fill(parts)
            except Exception as error:
                if not parts:
                    raise
                self._failure = error
                return Batch(b"".join(parts))

    def close(self) -> None:
        """Close the file and the generator behind the pieces."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()

    def _fill(self, parts: list[bytes | memoryview]) -> Batch:
        size_bytes = 0
        for piece in self._pieces:
            found = self._open(piece) if isinstance(piece, FileRange) else piece
            if isinstance(found, Batch):
                return Batch(b"".join(parts), found.file, found.span, is_last=self.is_single)
            if not found and parts:
                return Batch(b"".join(parts))
            parts.append(found)
            size_bytes += len(found)
            if size_bytes >= _BATCH_BYTES:
                return Batch(b"".join(parts))
        return Batch(b"".join(parts), is_last=True)

    def _open(self, span: FileRange) -> Batch | bytes:
        """A large range to be sent, or the bytes of a small one or of a file that is gone."""
        try:
            file = self._file_at(span.path)
        except FileNotFoundError:
            if span.instead is None:
                raise
            return span.instead()
        if os.fstat(file.fileno()).st_size < span.offset + span.size_bytes:
            raise OSError(f"{span.path} is shorter than what was to be sent of it")
        if span.size_bytes >= _SENDFILE_BYTES:
            return Batch(b"", file, span)
        return os.pread(file.fileno(), span.size_bytes, span.offset)

    def _file_at(self, path: Path) -> BinaryIO:
        if self._file is None or self._path != path:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._file = cast("BinaryIO", path.open("rb", buffering=0))
            self._path = path
        return self._file


class BodySender:
    """Writes batches to one transport, framed as chunks where the length is not known.

    Args:
        transport: Of the connection.
        drain: Waits until the write buffer has room.
        is_chunked: HTTP/1.1 chunks; the last, empty one is the caller's.
        stall_timeout_s: For each MiB.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        drain: Callable[[], Awaitable[None]],
        *,
        is_chunked: bool,
        stall_timeout_s: float,
    ) -> None:
        self._transport = transport
        self._drain = drain
        self._is_chunked = is_chunked
        self._stall_timeout_s = stall_timeout_s
        self._ending = b""

    async def send(self, batch: Batch) -> None:
        """Send a batch.

        Raises:
            TimeoutError: The client does not read.
            ConnectionError: It is gone.
        """
        if batch.size_bytes:
            framing = b"%s%x\r\n" % (self._ending, batch.size_bytes) if self._is_chunked else b""
            self._ending = b"\r\n" if self._is_chunked else b""
            await self._write(framing + batch.data if framing else batch.data)
            if batch.file is not None and batch.span is not None:
                await self._send_file(batch.file, batch.span)
        if batch.is_last and self._ending:
            await self._write(self._ending)

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        self._check_open()
        self._transport.write(data)
        async with asyncio.timeout(self._stall_timeout_s):
            await self._drain()

    async def _send_file(self, file: BinaryIO, span: FileRange) -> None:
        loop = asyncio.get_running_loop()
        at, end = span.offset, span.offset + span.size_bytes
        while at < end:
            self._check_open()
            async with asyncio.timeout(self._stall_timeout_s):
                count = min(_SLICE_BYTES, end - at)
                sent = await loop.sendfile(self._transport, file, at, count)
            if sent < count:
                raise OSError(f"{span.path} became shorter while it was sent")
            at += sent

    def _check_open(self) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
