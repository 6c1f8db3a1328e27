"""Who waits for which block: the book-keeping of bitswap, without threads, sockets or clock.

Bitswap names a block by nothing but its bytes. Bytes that hash to no wanted name are either late
(wanted before, then cancelled) and dropped, or wrong, and everyone who waits hears of them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources._bitswap_wire import Answer, Ask
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from threading import Event

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.sources.protocol import Deliver, Want

__all__ = ["Round", "Waiter", "WantList"]

#: Names of blocks that may still be on their way after nobody waits for them.
_REMEMBERED = 8192


@dataclass(eq=False)
class Waiter:
    """One call that waits.

    Attributes:
        tell: Takes its answers.
        is_have: It asks for presence, not for bytes.
        wanted: What it still waits for, by multihash.
    """

    tell: Callable[[Answer], None]
    is_have: bool = False
    wanted: dict[bytes, Cid] = field(default_factory=dict)

    def is_content_with(self, answer: Answer) -> bool:
        """Whether the answer ends the wait for its block."""
        return self.is_have or answer.data is not None or not answer.is_present


class WantList:
    """What one connection wants, for all its waiters. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._recent: OrderedDict[bytes, None] = OrderedDict()

    @property
    def waiters(self) -> Sequence[Waiter]:
        """Everyone who waits."""
        return tuple(self._waiters.values())

    def ask(self, waiter: Waiter, cids: Iterable[Cid]) -> list[Ask]:
        """Begin to wait; returns what to tell the other side."""
        self._waiters[id(waiter)] = waiter
        asks = []
        for cid in cids:
            waiter.wanted[cid.multihash] = cid
            self._recent[cid.multihash] = None
            self._recent.move_to_end(cid.multihash)
            asks.append(Ask(cid, is_have=waiter.is_have))
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return asks

    def is_wanted(self, cid: Cid) -> bool:
        """Whether anyone waits for its bytes."""
        return any(not w.is_have and cid.multihash in w.wanted for w in self._waiters.values())

    def leave(self, waiter: Waiter) -> list[Ask]:
        """End a wait; returns what to cancel at the other side."""
        self._waiters.pop(id(waiter), None)
        return self._cancels(waiter.wanted)

    def take(self, answers: Iterable[Answer]) -> list[Ask]:
        """Hand answers to those who wait; returns what to cancel at the other side.

        A cancel follows each answer: without it Helia sends no block twice within five seconds.
        """
        done: dict[bytes, Cid] = {}
        for answer in answers:
            waiting = [w for w in self._waiters.values() if answer.multihash in w.wanted]
            for waiter in waiting:
                if waiter.is_content_with(answer):
                    done[answer.multihash] = waiter.wanted.pop(answer.multihash)
                waiter.tell(answer)
            if not waiting and answer.data is not None and answer.multihash not in self._recent:
                for waiter in self._waiters.values():
                    if not waiter.is_have:
                        waiter.tell(answer)
        return self._cancels(done)

    def _cancels(self, names: dict[bytes, Cid]) -> list[Ask]:
        wanted = {name for waiter in self._waiters.values() for name in waiter.wanted}
        return [Ask(cid, is_cancel=True) for name, cid in names.items() if name not in wanted]


class Round:
    """One `fetch`: what is still to be asked for, what is under way, what arrived.

    Args:
        wants: What the caller wants; a block wanted twice is asked for once.
        window_blocks: Blocks under way at once.
    """

    def __init__(self, wants: Sequence[Want], window_blocks: int) -> None:
        self._window_blocks = window_blocks
        self._under_way: dict[bytes, list[Want]] = {}
        grouped: dict[bytes, list[Want]] = {}
        for want in wants:
            grouped.setdefault(want.cid.multihash, []).append(want)
        self._ahead = deque(grouped.items())

    @property
    def is_open(self) -> bool:
        """Whether anything is missing."""
        return bool(self._ahead or self._under_way)

    def next_cids(self) -> list[Cid]:
        """Blocks to ask for now: the window is filled up when half of it has arrived."""
        if len(self._under_way) > self._window_blocks // 2:
            return []
        cids = []
        while self._ahead and len(self._under_way) < self._window_blocks:
            name, wants = self._ahead.popleft()
            self._under_way[name] = wants
            cids.append(wants[0].cid)
        return cids

    def take(self, answer: Answer, deliver: Deliver, cancel: Event) -> None:
        """Hand bytes on.

        Raises:
            ContentNotFoundError: The other side says that it lacks the block.
        """
        if answer.data is None:
            self._take_presence(answer)
            return
        wants = self._under_way.pop(answer.multihash, None)
        if wants is None:  # wrong bytes: the receiver refuses them, whatever they were meant as
            wants = next(iter(self._under_way.values()), [])[:1]
        for want in wants:
            if not cancel.is_set():
                deliver(want, answer.data)

    def _take_presence(self, answer: Answer) -> None:
        wants = self._under_way.get(answer.multihash)
        if wants and not answer.is_present:
            cid = str(wants[0].cid)
            raise ContentNotFoundError(f"the node does not have {cid}", details={"cid": cid})
