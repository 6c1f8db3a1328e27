"""The blocks a server may hand out: those of its store, and what it was told to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.content.cid import Cid, Hash
from ipfs_accelerate.content.serving.routes import FileRange
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["ServedBlocks"]


class _Located(Protocol):
    @property
    def path(self) -> str | Path: ...
    @property
    def offset(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...


class ServedBlocks:
    """A `BlockReader` over a store; identity CIDs answer themselves.

    Args:
        store: Its ``locate`` and ``file_path``, where it has them, let the kernel send.
        fetch_missing: Gets a block that is not here; what it returns is verified.
    """

    def __init__(
        self, store: BlockReader, fetch_missing: Callable[[Cid], bytes] | None = None
    ) -> None:
        self._store = store
        self._fetch_missing = fetch_missing
        self._locate: Callable[[Cid], _Located | None] | None = getattr(store, "locate", None)
        self._file_path: Callable[[Cid], Path | None] | None = getattr(store, "file_path", None)

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`."""
        if cid.hash_code == Hash.IDENTITY:
            return cid.digest
        try:
            return self._store.get(cid)
        except ContentNotFoundError:
            if self._fetch_missing is None:
                raise
        data = self._fetch_missing(cid)
        cid.verify(data)
        return data

    def has(self, cid: Cid) -> bool:
        """See `BlockReader.has`."""
        if cid.hash_code == Hash.IDENTITY or self._store.has(cid):
            return True
        if self._fetch_missing is None:
            return False
        try:
            self.get(cid)
        except ContentNotFoundError:
            return False
        return True

    def body(self, cid: Cid) -> bytes | FileRange:
        """The block as something to send: a range of a file where it lies in one.

        Raises:
            ContentNotFoundError: It is not here.
        """
        place = self._locate(cid) if self._locate and cid.hash_code != Hash.IDENTITY else None
        if place is None:
            return self.get(cid)
        return FileRange(Path(place.path), place.offset, place.size_bytes, lambda: self.get(cid))

    def whole_file(self, root: Cid) -> Path | None:
        """Where all bytes of a UnixFS file lie in one file."""
        return self._file_path(root) if self._file_path else None
