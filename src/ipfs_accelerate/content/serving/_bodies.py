"""Sending of bodies: what is in files goes through the kernel, the rest in large writes.

Pieces are pulled on a worker thread, a few at a time, as fast as the client takes them; so a
connection never holds more than a batch.
"""

from __future__ import annotations

import asyncio
import os
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from ipfs_accelerate.content.serving.routes import FileRange, Piece

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Batch", "BodySender", "PieceSource"]

#: Ranges below this cost less read and written with what surrounds them than sent on their own.
_SENDFILE_BYTES = 64 * 1024
#: Bytes in memory, bytes in all and ranges of files after which a batch is full.
_BATCH_BYTES = 256 * 1024
_BATCH_SENT_BYTES = 4 * 2**20
_BATCH_PARTS = 16
#: What a client must take within the time limit; more at once for those who take it fast.
_SLICE_BYTES = 2**20
_LONGEST_SLICE_BYTES = 8 * 2**20


class Part(NamedTuple):
    """Bytes, then a range of an open file.

    Attributes:
        data: Sent first.
        file: Sent after them, where there is one.
        span: The range of ``file``.
    """

    data: bytes
    file: BinaryIO | None = None
    span: FileRange | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of both."""
        return len(self.data) + (self.span.size_bytes if self.span else 0)


class Batch(NamedTuple):
    """What is read at once and sent before more is read.

    Attributes:
        parts: In order.
        is_last: Nothing follows.
    """

    parts: list[Part]
    is_last: bool = False


class PieceSource:
    """Turns a body into batches; files stay open until the next batch is asked for. Thread-safe.

    Attributes:
        is_single: The body is one range of a file: nothing runs when it is closed.
    """

    def __init__(self, body: FileRange | Iterable[Piece]) -> None:
        self.is_single = isinstance(body, FileRange)
        self._pieces: Iterator[Piece] = iter((body,) if isinstance(body, FileRange) else body)
        self._lock = Lock()
        self._files: dict[Path, BinaryIO] = {}
        self._last: Path | None = None
        self._failure: Exception | None = None

    def pull(self) -> Batch:
        """The next batch. What the pieces raise comes after all that they gave before."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._close_all_but(self._last)
            batch = _Filling(is_single=self.is_single)
            try:
                while not batch.is_full and (piece := next(self._pieces, None)) is not None:
                    batch.add(self._open(piece) if isinstance(piece, FileRange) else piece)
                return batch.made(is_last=not batch.is_full)
            except Exception as error:
                if not batch.size_bytes:
                    raise
                self._failure = error
                return batch.made(is_last=False)

    def close(self) -> None:
        """Close the files and the generator behind the pieces."""
        with self._lock:
            self._close_all_but(None)
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()

    def _open(self, span: FileRange) -> Part | bytes:
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
            return Part(b"", file, span)
        return os.pread(file.fileno(), span.size_bytes, span.offset)

    def _file_at(self, path: Path) -> BinaryIO:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = cast("BinaryIO", path.open("rb", buffering=0))
        self._last = path
        return file

    def _close_all_but(self, kept: Path | None) -> None:
        for path in [path for path in self._files if path != kept]:
            self._files.pop(path).close()


class _Filling:
    """A batch on its way."""

    def __init__(self, *, is_single: bool) -> None:
        self.size_bytes = 0
        self._is_single = is_single
        self._parts: list[Part] = []
        self._data: list[bytes | memoryview] = []
        self._data_bytes = 0
        self._is_due = False

    @property
    def is_full(self) -> bool:
        """Whether it is time to send."""
        return (
            self._is_due
            or self._data_bytes >= _BATCH_BYTES
            or self.size_bytes >= _BATCH_SENT_BYTES
            or len(self._parts) >= _BATCH_PARTS
        ) and not self._is_single

    def add(self, found: Part | bytes | memoryview) -> None:
        """Put bytes behind what is there, or a range of a file behind both."""
        if isinstance(found, Part):
            self._parts.append(Part(b"".join(self._data), found.file, found.span))
            self._data, self._data_bytes = [], 0
            self.size_bytes += found.size_bytes
        else:
            self._data.append(found)
            self._data_bytes += len(found)
            self.size_bytes += len(found)
            self._is_due = not found and self.size_bytes > 0  # an empty piece asks for sending

    def made(self, *, is_last: bool) -> Batch:
        """The batch."""
        if self._data:
            self._parts.append(Part(b"".join(self._data)))
        return Batch(self._parts, is_last)


class BodySender:
    """Writes parts to one transport, framed as chunks where the length is not known.

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

    async def send(self, part: Part) -> None:
        """Send one part.

        Raises:
            TimeoutError: The client does not read.
            ConnectionError: It is gone.
        """
        if self._is_chunked and part.size_bytes:
            await self._write(b"%s%x\r\n%s" % (self._ending, part.size_bytes, part.data))
            self._ending = b"\r\n"
        else:
            await self._write(part.data)
        if part.file is not None and part.span is not None:
            await self._send_file(part.file, part.span)

    async def finish(self) -> None:
        """Send what must stand behind the last part."""
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
        at, end, slice_bytes = span.offset, span.offset + span.size_bytes, _SLICE_BYTES
        while at < end:
            self._check_open()
            begun_s, count = loop.time(), min(slice_bytes, end - at)
            async with asyncio.timeout(self._stall_timeout_s):
                sent = await loop.sendfile(self._transport, file, at, count)
            if sent < count:
                raise OSError(f"{span.path} became shorter while it was sent")
            at += sent
            is_fast = loop.time() - begun_s < self._stall_timeout_s / 32
            slice_bytes = min(2 * slice_bytes, _LONGEST_SLICE_BYTES) if is_fast else _SLICE_BYTES

    def _check_open(self) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
