"""Blocks that nobody was asked for yet, in the order they are to be asked for."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.parties import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.exchange.parties import Entry

__all__ = ["Pending"]


class Pending:
    """Urgent blocks first, then the others as they came; what was returned goes to the front.

    Attributes:
        size_bytes: Of all of them, as far as known.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self._urgent: OrderedDict[bytes, Entry] = OrderedDict()
        self._others: OrderedDict[bytes, Entry] = OrderedDict()

    def add(self, entry: Entry, *, is_first: bool = False) -> None:
        """Queue a block; nothing happens when it is queued."""
        queue = self._urgent if entry.is_urgent else self._others
        if entry.key in queue:
            return
        self.size_bytes += size_of(entry.want)
        queue[entry.key] = entry
        if is_first:
            queue.move_to_end(entry.key, last=False)

    def remove(self, entry: Entry) -> None:
        """Take a block out; nothing happens when it is not in."""
        queue = self._urgent if entry.is_urgent else self._others
        if queue.pop(entry.key, None) is not None:
            self.size_bytes -= size_of(entry.want)

    def __iter__(self) -> Iterator[Entry]:
        return chain(self._urgent.values(), self._others.values())

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)
