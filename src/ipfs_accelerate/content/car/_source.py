"""A stream that is read with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.content.cid import read_varint
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BoundedSource"]

_SKIP_BYTES = 64 * 1024


class BoundedSource:
    """Counts what is taken from a stream and never reads past ``limit``.

    Attributes:
        position: Bytes taken so far.
        limit: Position that must not be passed; ``None`` for the end of the stream.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read: Callable[[int], bytes] = stream.read
        self.position = 0
        self.limit: int | None = None

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, which the caller has bounded.

        Raises:
            ContentFormatError: There are fewer.
        """
        if self.limit is not None and size > self.limit - self.position:
            raise ContentFormatError(
                f"a CAR claims {size} bytes at {self.position}, but its data ends at {self.limit}"
            )
        parts: list[bytes] = []
        missing = size
        while missing:
            part = self._read(missing)
            if not part:
                raise ContentFormatError(
                    f"a CAR is cut short: {missing} bytes are missing at {self.position}"
                )
            parts.append(part)
            missing -= len(part)
            self.position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self, size: int) -> None:
        """Read and drop ``size`` bytes."""
        while size:
            size -= len(self.take(min(size, _SKIP_BYTES)))

    def varint(self) -> int | None:
        """An unsigned varint; ``None`` where the data ends instead.

        Raises:
            ContentFormatError: It is cut short, too long or not in its shortest form.
        """
        if self.position == self.limit:
            return None
        raw = self._read(1)
        self.position += len(raw)
        if not raw:
            if self.limit is not None:
                raise ContentFormatError(f"a CAR is cut short at {self.position} of {self.limit}")
            return None
        while raw[-1] & 0x80 and len(raw) < 9:
            raw += self.take(1)
        return read_varint(raw, 0)[0]
