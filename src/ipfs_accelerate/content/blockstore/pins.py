"""Pins: what must never be collected, under names; a second copy of them outlives the index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.errors import ContentNotFoundError, StoreCorruptError

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from ipfs_accelerate.content.blockstore.index import Index

__all__ = ["Pin", "Pins"]


class Pin(NamedTuple):
    """One pin.

    Attributes:
        cid: What is kept.
        name: Free text; the same CID may be pinned under several names.
        is_recursive: With everything below it; else the block alone.
    """

    cid: Cid
    name: str
    is_recursive: bool


class Pins:
    """The pins of a store."""

    def __init__(self, index: Index, copy: Path) -> None:
        self._index = index
        self._copy = copy

    def add(self, pin: Pin) -> None:
        """Pin; again with another mode changes the mode."""
        with self._index.transaction(is_durable=True) as writer:
            writer.execute(
                "INSERT OR REPLACE INTO pins VALUES (?, ?, ?)",
                (pin.name, pin.cid.raw, pin.is_recursive),
            )
            self._write_copy(writer)

    def remove(self, cid: Cid, name: str) -> None:
        """Unpin.

        Raises:
            ContentNotFoundError: There is no such pin.
        """
        with self._index.transaction(is_durable=True) as writer:
            gone = writer.execute("DELETE FROM pins WHERE name = ? AND cid = ?", (name, cid.raw))
            if not gone.rowcount:
                raise ContentNotFoundError(f"{cid} is not pinned under the name {name!r}")
            self._write_copy(writer)

    def all(self) -> list[Pin]:
        """Every pin, by name."""
        rows = self._index.rows("SELECT cid, name, is_recursive FROM pins ORDER BY name, cid")
        return [Pin(Cid(cid), name, bool(mode)) for cid, name, mode in rows]

    def restore(self) -> int:
        """Read the second copy into an index that lost them; returns how many.

        Raises:
            StoreCorruptError: The copy is damaged.
        """
        if not self._copy.exists():
            return 0
        try:
            listed = json.loads(self._copy.read_bytes())
            rows = [
                (str(p["name"]), Cid.parse(p["cid"]).raw, bool(p["is_recursive"])) for p in listed
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreCorruptError(
                f"the pins in {self._copy} cannot be read: {error}",
                hint="mend or remove that file, then rebuild again",
            ) from error
        with self._index.transaction() as writer:
            writer.executemany("INSERT OR REPLACE INTO pins VALUES (?, ?, ?)", rows)
        return len(rows)

    def _write_copy(self, writer: Connection) -> None:
        rows = writer.execute("SELECT cid, name, is_recursive FROM pins ORDER BY name, cid")
        listed = [
            {"cid": str(Cid(cid)), "name": name, "is_recursive": bool(mode)}
            for cid, name, mode in rows
        ]
        fresh = self._copy.with_suffix(".new")
        with os_faults(f"writing {fresh}"):
            fresh.write_text(json.dumps(listed, indent=1), encoding="utf-8")
            fresh.replace(self._copy)
