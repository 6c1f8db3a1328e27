"""One root at one node: what others announced, what is asked of whom, what is told to others."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.peers.announcements import Announcements
from ipfs_accelerate.content.peers.core import Ration, RationSettings
from ipfs_accelerate.content.peers.leaves import LeafIndex
from ipfs_accelerate.content.peers.wire import Record, State
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.blocks import BlockReader
    from ipfs_accelerate.content.exchange import Exchange
    from ipfs_accelerate.content.sources import Want
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Swarm"]

_log = logging.getLogger(__name__)
#: Holders of a leaf the scheduler is told about at once; each costs it a round of decisions.
_ENOUGH_COPIES = 4


class Swarm:
    """Joins `Ration` (who may ask the origin), `Announcements` (what is told) and a fetch.

    The lock is never held while the exchange is called: it calls `gate` under a lock of its own.

    Args:
        root: What is fetched or shared.
        own_id: This node.
        reader: The store.
        origins: Names of the sources that are rationed.
        clock: Of the node.
    """

    def __init__(
        self,
        root: Cid,
        own_id: str,
        reader: BlockReader,
        *,
        origins: frozenset[str],
        clock: Clock,
        settings: RationSettings | None = None,
    ) -> None:
        self.root = root
        self.announcements = Announcements(is_member=True)
        self._own_id, self._reader, self._clock = own_id, reader, clock
        self._origins, self._settings = origins, settings
        self._lock = Lock()
        self._index: LeafIndex | None = None
        self._ration: Ration | None = None
        self._states: dict[str, State] = {}
        self._names: dict[str, str] = {}
        self._early: set[bytes] = set()
        self._granted: set[int] = set()
        self._granted_keys: set[bytes] = set()
        self._leaf_keys: frozenset[bytes] = frozenset()
        self._rationed = set(origins)
        self._asked: set[int] = set()
        self._exchange: Exchange | None = None
        self._news: dict[str, set[int]] = {}

    def attach(self, exchange: Exchange | None) -> None:
        """From now on this fetch is told what changes."""
        self._exchange = exchange

    def share(self) -> None:
        """Everything is here: tell so, as a seed.

        Raises:
            ContentNotFoundError: Something is not here.
        """
        index = LeafIndex.of(self.root, self._reader)
        missing = next((cid for cid in index.cids if not self._reader.has(cid)), None)
        if missing is not None:
            raise ContentNotFoundError(
                f"{self.root} cannot be shared: its block {missing} is not here",
                hint="fetch it first",
                details={"cid": str(missing)},
            )
        with self._lock:
            self._index = index
            self.announcements.know(np.ones(len(index.cids), dtype=np.bool_), is_member=False)

    # -- what peers say ----------------------------------------------------------------------

    def peer_said(self, peer: str, name: str, said: State | list[tuple[Record, int]]) -> bool:
        """A line came from a peer; says whether it can be asked for blocks from now on."""
        with self._lock:
            self._names[peer] = name
            if isinstance(said, State):
                self._states[peer] = said
                if not said.is_member:
                    self._rationed.add(name)
                self._rate(peer, said)
                return len(said.have) > 0
            fresh = self._useful(self._records(peer, said))
            if name not in self._rationed:
                self._tell_of(name, fresh)
        return False

    def _rate(self, peer: str, state: State) -> None:
        """Reckon with a peer, and tell the fetch what it has that is missing here."""
        if self._ration is None:
            return
        self._ration.state(peer, state, now_ns=self._clock.now_ns())
        name = self._names[peer]
        if name not in self._rationed:
            self._tell_of(name, self._ration.offered(peer))

    def _records(self, peer: str, records: list[tuple[Record, int]]) -> list[int]:
        state = self._states.get(peer)
        if state is None:
            return []
        for record, leaf in records:
            if leaf < len(state.have):
                state.have[leaf] |= record is Record.HAVE
                state.claims[leaf] = record is Record.CLAIM
        if self._ration is None:
            return []
        return self._ration.records(peer, records, now_ns=self._clock.now_ns())

    def _useful(self, leaves: list[int]) -> list[int]:
        """Those that are missing here and not to be had at several places already."""
        if not leaves or self._ration is None:
            return []
        copies, missing = self._ration.copies(), self._ration.missing_leaves()
        return [leaf for leaf in leaves if missing[leaf] and copies[leaf] <= _ENOUGH_COPIES]

    def peer_gone(self, peer: str) -> None:
        """A peer died, left or was banned."""
        with self._lock:
            self._states.pop(peer, None)
            name = self._names.pop(peer, None)
            if name is not None and name not in self._origins:
                self._rationed.discard(name)
            if self._ration is not None:
                leaves = self._ration.offered(peer)
                self._ration.gone(peer)
                self._tell_again(leaves)

    def has_heard(self, peer: str) -> bool:
        """Whether the peer has said what it has."""
        return peer in self._states

    def holds(self, peer: str, cid: Cid) -> bool:
        """Whether a peer announced a block; who knows the leaves has all nodes above them."""
        with self._lock:
            state = self._states.get(peer)
            if state is None or not len(state.have):
                return False
            if self._ration is None or self._index is None:
                return cid.codec != Codec.RAW or bool(state.have.all())
            leaf = self._index.number(cid)
            return leaf is None or self._ration.has(peer, leaf)

    # -- what the fetch asks and does --------------------------------------------------------

    def gate(self, name: str, want: Want) -> bool:
        """Whether a source may be asked for a block now; see `content.exchange.Gate`.

        The scheduler calls it for every pair of block and source, so it takes no lock: the sets it
        looks into are only ever replaced, or changed by single operations.
        """
        if name not in self._rationed:
            return True
        key = want.cid.raw
        if self._index is None:
            return want.file is None and want.cid.codec != Codec.RAW
        return key in self._granted_keys or key not in self._leaf_keys

    def is_rationed(self, name: str) -> bool:
        """Whether a source is the origin, or a peer that had the root before the team began."""
        return name in self._rationed

    def asked(self, wants: Sequence[Want]) -> None:
        """A rationed source is being asked."""
        with self._lock:
            self._asked.update(self._numbers(wants))

    def answered(self, wants: Sequence[Want]) -> None:
        """It was asked; what it did not deliver is released for others."""
        with self._lock:
            for leaf in self._numbers(wants) & self._granted:
                self._release(leaf)
            self._asked -= self._numbers(wants)

    def kept(self, want: Want) -> None:
        """A block has arrived and is in the store."""
        with self._lock:
            if self._ration is None or self._index is None:
                self._early.add(want.cid.multihash)
                return
            leaf = self._index.number(want.cid)
            if leaf is None:
                return
            self._forget_grant(leaf)
            if self._ration.done(leaf, now_ns=self._clock.now_ns()):
                self.announcements.add(Record.HAVE, leaf)
            granted = self._grant()
        self._poke(is_due=granted)

    def lacking(self, peer: str, cid: Cid) -> None:
        """A peer does not have what it announced."""
        with self._lock:
            leaf = self._index.number(cid) if self._index is not None else None
            if leaf is not None and self._ration is not None:
                self._ration.lacks(peer, leaf)
                self._tell_again([leaf])

    def tick(self) -> None:
        """Time has passed: number the leaves when all nodes are here, take over what is due."""
        if self._exchange is None:
            return
        is_new = self._ration is None and self._number_leaves()
        with self._lock:
            granted = self._grant() if self._ration is not None else False
            news, self._news = self._news, {}
            cids = self._index.cids if self._index is not None else ()
        if news and self._exchange is not None:
            self._exchange.announce_all(
                {name: [cids[leaf] for leaf in leaves] for name, leaves in news.items()}
            )
        else:
            self._poke(is_due=granted or is_new)

    def _tell_again(self, leaves: Sequence[int]) -> None:
        """Some holder is lost: tell the fetch also of those it did not need to know before."""
        assert self._ration is not None
        for peer, name in self._names.items():
            if name not in self._rationed:
                self._tell_of(name, [leaf for leaf in leaves if self._ration.has(peer, leaf)])

    def _tell_of(self, name: str, leaves: Sequence[int]) -> None:
        if leaves:
            self._news.setdefault(name, set()).update(leaves)

    def _poke(self, *, is_due: bool) -> None:
        exchange = self._exchange
        if is_due and exchange is not None:
            exchange.poke()

    def _number_leaves(self) -> bool:
        try:
            index = LeafIndex.of(self.root, self._reader)
        except ContentNotFoundError:
            return False
        have = np.array([self._reader.has(cid) for cid in index.cids], dtype=np.bool_)
        now_ns = self._clock.now_ns()
        with self._lock:
            early = [n for n, key in enumerate(index.keys) if key in self._early]
            have[early] = True
            self._leaf_keys = frozenset(cid.raw for cid in index.cids)
            self._index = index
            self._ration = Ration(
                index.keys, self._own_id, have=have, now_ns=now_ns, settings=self._settings
            )
            for peer, state in self._states.items():
                self._rate(peer, state)
            self.announcements.know(have, is_member=True)
        _log.debug("%s has %d leaves, %d are here", self.root, len(have), have.sum())
        return True

    def _grant(self) -> bool:
        """Claim what this node may ask the origin for; a claim nobody acts on is given back."""
        assert self._ration is not None
        assert self._index is not None
        now_ns = self._clock.now_ns()
        for leaf in self._ration.stale(now_ns=now_ns):
            if leaf in self._granted and leaf not in self._asked:
                self._release(leaf)
        leaves = self._ration.allowed(now_ns=now_ns).tolist()
        for leaf in leaves:
            self._ration.claim(leaf, now_ns=now_ns)
            self._granted.add(leaf)
            self._granted_keys.add(self._index.cids[leaf].raw)
            self.announcements.add(Record.CLAIM, leaf)
        return bool(leaves)

    def _release(self, leaf: int) -> None:
        assert self._ration is not None
        self._forget_grant(leaf)
        self._ration.release(leaf, now_ns=self._clock.now_ns())
        self.announcements.add(Record.RELEASE, leaf)

    def _forget_grant(self, leaf: int) -> None:
        assert self._index is not None
        self._granted.discard(leaf)
        self._granted_keys.discard(self._index.cids[leaf].raw)

    def _numbers(self, wants: Sequence[Want]) -> set[int]:
        if self._index is None:
            return set()
        found = (self._index.number(want.cid) for want in wants)
        return {leaf for leaf in found if leaf is not None}
