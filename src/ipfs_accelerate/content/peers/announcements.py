"""What this node tells others about each root, and who is listening."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.content.peers.wire import BEAT, BEAT_S, Record, State, records_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["Announcements"]

#: Gathering of records: longer the more listen, as each message costs every listener something.
_GATHER_S_PER_LISTENER = 0.0125
_LEAST_GATHER_S = 0.02
_MOST_GATHER_S = 0.25


class Announcements:
    """State of one root at this node; any thread may change it, any number may listen."""

    def __init__(self, *, is_member: bool) -> None:
        self._changed = Condition()
        self._is_member = is_member
        self._have: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._claims = self._have.copy()
        self._log: list[tuple[Record, int]] = []
        self._epoch = 0
        self._listeners = 0
        self._is_closed = False

    def know(self, have: npt.NDArray[np.bool_], *, is_member: bool) -> None:
        """The leaves are known, and which of them are here."""
        with self._changed:
            self._is_member = is_member
            self._have, self._claims = have.copy(), np.zeros_like(have)
            self._log.clear()
            self._epoch += 1
            self._changed.notify_all()

    def add(self, record: Record, leaf: int) -> None:
        """Something happened to a leaf."""
        with self._changed:
            self._claims[leaf] = record is Record.CLAIM
            self._have[leaf] |= record is Record.HAVE
            self._log.append((record, leaf))
            self._changed.notify_all()

    def held(self) -> tuple[int, int]:
        """How many leaves are here, of how many; 0 of 0 while they are not known."""
        with self._changed:
            return int(np.count_nonzero(self._have)), len(self._have)

    def close(self) -> None:
        """End all streams."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return self._listeners

    def listen(self) -> Iterator[bytes]:
        """Lines for one listener; after each, an empty piece that asks for sending at once."""
        with self._changed:
            self._listeners += 1
        try:
            epoch, position = -1, 0
            while True:
                line, epoch, position = self._next(epoch, position)
                if not line:
                    return
                yield line
                yield b""
        finally:
            with self._changed:
                self._listeners -= 1

    def _next(self, epoch: int, position: int) -> tuple[bytes, int, int]:
        """Wait for the next line; returns it with the place to go on from, empty at the end."""
        with self._changed:
            is_new = self._changed.wait_for(lambda: self._news(epoch, position), BEAT_S / 2)
            if is_new and not self._is_closed and epoch == self._epoch:
                gather_s = self._listeners * _GATHER_S_PER_LISTENER
                self._changed.wait_for(
                    lambda: self._is_closed, min(max(gather_s, _LEAST_GATHER_S), _MOST_GATHER_S)
                )
            if self._is_closed:
                return b"", epoch, position
            if epoch != self._epoch:
                state = State(self._is_member, self._have, self._claims)
                return state.to_line(), self._epoch, len(self._log)
            news = self._log[position:]
            return (records_line(news) if news else BEAT), epoch, len(self._log)

    def _news(self, epoch: int, position: int) -> bool:
        return self._is_closed or epoch != self._epoch or position < len(self._log)
