"""Who takes which block from the origin: decided alike by every node, without a leader.

Each missing leaf has an owner among the live nodes that fetch the same root: the one with the
highest score in rendezvous hashing. The owner asks the origin, the others wait until it announces
the leaf. Only these things move a leaf to the next in line:

- the owner died, left or was banned: it is no candidate any more;
- it gave up on the leaf;
- it claimed the leaf, and did not announce it within the others' patience, which doubles with
  every node that is stuck on the same leaf;
- it claimed nothing and announced nothing for as long, although it owns leaves;
- it is behind, and a node that has nothing left of its own takes over what nobody claimed.

A *seed* had the root before the team began. What only seeds have is rationed like the origin, so
that one machine that has a model gives it to fifteen others about once.

No input or output, no clock: events in with their time, decisions out.

Source: D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates",
IEEE/ACM Transactions on Networking 6(1), 1998 (highest random weight).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.content.peers.wire import Record, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Ration", "RationSettings"]

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RationSettings:
    """How long others are waited for.

    Attributes:
        first_patience_ns: Before any block from the origin was seen to arrive.
        patience_blocks: After that, in multiples of the slowest typical time of a block.
        least_patience_ns: Never less than this.
        origin_blocks: Blocks in flight from the origin, over the whole team.
        least_behind_ns: A queue that is expected to take less is left to its owner; it has to be
            long beside the time that news travels.
    """

    first_patience_ns: int = 30 * _SECOND_NS
    patience_blocks: int = 4
    least_patience_ns: int = 3 * _SECOND_NS
    origin_blocks: int = 8
    least_behind_ns: int = _SECOND_NS


@dataclass(slots=True)
class _Peer:
    """What is known of one node, itself included.

    ``claimed_ns`` is 0 where nothing is claimed; ``block_ns`` smooths claim to announcement.
    """

    scores: npt.NDArray[np.uint64]
    have: npt.NDArray[np.bool_]
    claimed_ns: npt.NDArray[np.int64]
    gave_up: npt.NDArray[np.bool_]
    is_member: bool
    progress_ns: int
    block_ns: float = 0.0
    lacks: set[int] = field(default_factory=set)


class Ration:
    """The leaves of one root, seen from one node.

    Args:
        leaves: Multihashes of all leaves of the root, sorted and without repetition.
        own_id: This node.
        have: Which leaves are here already.
        now_ns: The present.
    """

    def __init__(
        self,
        leaves: Sequence[bytes],
        own_id: str,
        *,
        have: npt.NDArray[np.bool_],
        now_ns: int,
        settings: RationSettings | None = None,
    ) -> None:
        self._keys = np.array([int.from_bytes(leaf[-8:]) for leaf in leaves], dtype=np.uint64)
        self._settings = settings or RationSettings()
        self._own_id = own_id
        self._peers: dict[str, _Peer] = {}
        self._own = self._new(own_id, State(True, have.copy(), np.zeros_like(have)), now_ns)
        self._peers[own_id] = self._own

    # -- events ----------------------------------------------------------------------------------

    def state(self, peer: str, state: State, *, now_ns: int) -> bool:
        """A peer said everything about itself; ``False`` when its leaves are not these.

        A peer that does not know the leaves yet has none, but owns its part already.
        """
        if not len(state.have):
            nothing = np.zeros(len(self._keys), dtype=np.bool_)
            state = State(state.is_member, nothing, nothing)
        if len(state.have) != len(self._keys):
            return False
        known = self._peers.get(peer)
        if known is None:
            self._peers[peer] = self._new(peer, state, now_ns)
            return True
        known.is_member, known.have, known.progress_ns = state.is_member, state.have.copy(), now_ns
        known.claimed_ns = np.where(
            state.claims, np.where(known.claimed_ns > 0, known.claimed_ns, now_ns), 0
        )
        known.lacks.clear()
        return True

    def records(
        self, peer: str, records: Sequence[tuple[Record, int]], *, now_ns: int
    ) -> list[int]:
        """What happened at a peer; returns the leaves that it has only now."""
        known = self._peers.get(peer)
        if known is None:
            return []
        fresh = []
        for record, leaf in records:
            if leaf >= len(self._keys):
                continue
            if record is Record.HAVE and not known.have[leaf]:
                fresh.append(leaf)
            self._apply(known, record, leaf, now_ns)
        return fresh

    def gone(self, peer: str) -> None:
        """A peer died, left or was banned: what it has and owns does not count any more."""
        if peer != self._own_id:
            self._peers.pop(peer, None)

    def lacks(self, peer: str, leaf: int) -> None:
        """A peer did not deliver what it had announced: it counts as lacking it."""
        known = self._peers.get(peer)
        if known is not None and peer != self._own_id:
            known.have[leaf] = False
            known.lacks.add(leaf)

    def claim(self, leaf: int, *, now_ns: int) -> None:
        """This node asks the origin for a leaf."""
        self._apply(self._own, Record.CLAIM, leaf, now_ns)

    def release(self, leaf: int, *, now_ns: int) -> None:
        """This node gave up asking for it."""
        self._apply(self._own, Record.RELEASE, leaf, now_ns)

    def done(self, leaf: int, *, now_ns: int) -> bool:
        """The leaf is here, verified; says whether it was not before."""
        is_new = not self._own.have[leaf]
        self._apply(self._own, Record.HAVE, leaf, now_ns)
        return bool(is_new)

    # -- decisions -------------------------------------------------------------------------------

    def allowed(self, *, now_ns: int) -> npt.NDArray[np.intp]:
        """Leaves this node may ask the origin for now, so many that the team keeps its bound."""
        if np.count_nonzero(self._own.claimed_ns) >= self._settings.origin_blocks:
            return np.zeros(0, dtype=np.intp)
        team = [peer for peer in self._peers.values() if peer.is_member]
        in_flight = [int(np.count_nonzero(peer.claimed_ns)) for peer in team]
        own = team.index(self._own)
        share = max(1, self._settings.origin_blocks // len(team)) - in_flight[own]
        if share <= 0:
            return np.zeros(0, dtype=np.intp)
        pending = self._pending(now_ns)
        owners = self._owners(team, pending, now_ns)
        queues = np.bincount(owners[pending], minlength=len(team))
        mine = np.flatnonzero(pending & (owners == own))
        if not len(mine):
            mine = self._left_behind(team, owners, pending)
        elif self._must_wait(own, queues, in_flight):
            return np.zeros(0, dtype=np.intp)
        by_score = np.argsort(self._own.scores[mine])[::-1]
        return mine[by_score][:share]

    def stale(self, *, now_ns: int) -> list[int]:
        """Own claims that others do not wait for any more."""
        claimed_ns = self._own.claimed_ns
        old = (claimed_ns > 0) & (now_ns - claimed_ns >= self.patience_ns())
        return [int(leaf) for leaf in np.flatnonzero(old)]

    def _must_wait(self, own: int, queues: npt.NDArray[np.int64], in_flight: Sequence[int]) -> bool:
        """Whether as many as may ask the origin do so or come first, longer queues before others.

        Everyone asking at once would get its first block only when all get theirs.
        """
        room = self._settings.origin_blocks - sum(in_flight)
        idle = [n for n, count in enumerate(in_flight) if not count and queues[n]]
        if in_flight[own] or own not in idle:
            return room <= 0
        names = [name for name, peer in self._peers.items() if peer.is_member]
        idle.sort(key=lambda n: (-queues[n], names[n]))
        return idle.index(own) >= room

    def is_rationed(self, peer: str) -> bool:
        """Whether the peer had the root before the team began, and is spared like the origin."""
        known = self._peers.get(peer)
        return known is not None and not known.is_member

    def holders(self, leaf: int) -> list[str]:
        """Peers that announced the leaf."""
        return [
            name for name, peer in self._peers.items() if peer.have[leaf] and peer is not self._own
        ]

    def has(self, peer: str, leaf: int) -> bool:
        """Whether the peer announced the leaf and was not found lacking it."""
        known = self._peers.get(peer)
        return known is not None and bool(known.have[leaf])

    def offered(self, peer: str) -> list[int]:
        """Leaves that are missing here and that the peer has."""
        known = self._peers.get(peer)
        if known is None or known is self._own:
            return []
        return [int(leaf) for leaf in np.flatnonzero(known.have & ~self._own.have)]

    def copies(self) -> npt.NDArray[np.int64]:
        """For each leaf: how many other nodes have it."""
        copies = np.zeros(len(self._keys), dtype=np.int64)
        for peer in self._peers.values():
            if peer is not self._own:
                copies += peer.have
        return copies

    def own_state(self) -> State:
        """What to tell others."""
        return State(True, self._own.have.copy(), self._own.claimed_ns > 0)

    def missing(self) -> int:
        """Leaves that are not here."""
        return len(self._keys) - int(np.count_nonzero(self._own.have))

    def missing_leaves(self) -> npt.NDArray[np.bool_]:
        """For each leaf: whether it is not here."""
        return ~self._own.have

    def patience_ns(self) -> int:
        """How long a claim, or an owner without a sign of progress, is waited for."""
        slowest = max(peer.block_ns for peer in self._peers.values())
        if slowest == 0:
            return self._settings.first_patience_ns
        return max(self._settings.least_patience_ns, int(slowest) * self._settings.patience_blocks)

    # -- inside ----------------------------------------------------------------------------------

    def _new(self, peer: str, state: State, now_ns: int) -> _Peer:
        return _Peer(
            scores=_scores(peer, self._keys),
            have=state.have.copy(),
            claimed_ns=np.where(state.claims, now_ns, 0),
            is_member=state.is_member,
            gave_up=np.zeros(len(self._keys), dtype=np.bool_),
            progress_ns=now_ns,
        )

    @staticmethod
    def _apply(peer: _Peer, record: Record, leaf: int, now_ns: int) -> None:
        peer.progress_ns = now_ns
        if record is Record.CLAIM:
            peer.claimed_ns[leaf] = max(now_ns, 1)
            return
        claimed_ns = int(peer.claimed_ns[leaf])
        peer.claimed_ns[leaf] = 0
        peer.gave_up[leaf] = record is Record.RELEASE
        if record is Record.HAVE:
            peer.have[leaf] = leaf not in peer.lacks
            if claimed_ns:
                took_ns = now_ns - claimed_ns
                peer.block_ns += (took_ns - peer.block_ns) * (0.3 if peer.block_ns else 1.0)

    def _pending(self, now_ns: int) -> npt.NDArray[np.bool_]:
        """Leaves that nobody has and nobody is fetching within its patience."""
        settled = self._own.have | (self._own.claimed_ns > 0)
        newest_ns = np.zeros(len(self._keys), dtype=np.int64)
        claims = np.zeros(len(self._keys), dtype=np.int64)
        for peer in self._peers.values():
            if peer.is_member:
                settled |= peer.have
            claims += peer.claimed_ns > 0
            np.maximum(newest_ns, peer.claimed_ns, out=newest_ns)
        patience_ns = self.patience_ns() << np.clip(claims - 1, 0, 10)
        settled |= (claims > 0) & (now_ns - newest_ns < patience_ns)
        return ~settled

    def _owners(
        self, team: list[_Peer], pending: npt.NDArray[np.bool_], now_ns: int
    ) -> npt.NDArray[np.int64]:
        """For each leaf: the place in ``team`` of the first in line that is not stuck."""
        oldest_ns = now_ns - self.patience_ns()
        everyone = np.stack([peer.scores for peer in team])
        able = everyone.copy()
        for row, peer in zip(able, team, strict=True):
            row[peer.gave_up] = 0
            if peer is not self._own:
                row[pending & (peer.claimed_ns > 0)] = 0
                row[:] *= np.uint64(peer.progress_ns >= oldest_ns)
        owners = np.where(able.any(axis=0), able.argmax(axis=0), everyone.argmax(axis=0))
        return np.asarray(owners, dtype=np.int64)

    def _left_behind(
        self, team: list[_Peer], owners: npt.NDArray[np.int64], pending: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.intp]:
        """For a node without leaves of its own: one of the longest queue, if it is next.

        The last of that queue is taken, as its owner begins at the other end; a queue of one is
        left alone.
        """
        queues = np.bincount(owners[pending], minlength=len(team))
        expected_ns = queues * np.array([peer.block_ns for peer in team])
        longest = int(expected_ns.argmax())
        if queues[longest] < 2 or expected_ns[longest] < self._settings.least_behind_ns:
            return np.zeros(0, dtype=np.intp)
        queue = np.flatnonzero(pending & (owners == longest))
        last = queue[np.argsort(team[longest].scores[queue])[: len(queue) // 2]]
        idle = [peer for peer, length in zip(team, queues, strict=True) if length == 0]
        best = np.stack([peer.scores[last] for peer in idle]).argmax(axis=0)
        return np.asarray(last[best == idle.index(self._own)][:1])


def _scores(peer: str, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Weights of one node for all leaves, never 0. Source of the mixer: splitmix64 (S. Vigna)."""
    seed = int.from_bytes(hashlib.blake2b(peer.encode(), digest_size=8).digest())
    mixed = keys ^ np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) | np.uint64(1), dtype=np.uint64)
