"""The peers of a node: greeting them, hearing them, using and dropping them as sources."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ipfs_accelerate.content.peers.control import Listener, PeerClient
from ipfs_accelerate.content.peers.membership import Member, Membership, Standing
from ipfs_accelerate.content.peers.watched import WatchedSource
from ipfs_accelerate.content.peers.wire import Hello, Record, State
from ipfs_accelerate.content.sources._http import Cancelled
from ipfs_accelerate.content.sources.peer import PeerSource
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from ipfs_accelerate.content.exchange import Exchange
    from ipfs_accelerate.content.peers.membership import MembershipSettings
    from ipfs_accelerate.content.peers.swarm import Swarm
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Team"]

_log = logging.getLogger(__name__)
_TICK_S = 0.1
_GREETERS = 8


class Team:
    """Everything a node knows and does about others, on threads of its own once started.

    Args:
        own_id: Id of the node.
        token: Of the team.
        clock: Of the node.
        origins: Addresses that are asked as the origin, never as a peer.
        settings: Of the membership.

    Attributes:
        url: Of the node; set before `start`.
        swarms: By root; those the node fetches or shares.
    """

    def __init__(
        self,
        own_id: str,
        token: str | None,
        *,
        clock: Clock,
        origins: frozenset[str],
        settings: MembershipSettings,
    ) -> None:
        self.url = ""
        self.swarms: dict[str, Swarm] = {}
        self._id, self._token, self._clock, self._origins = own_id, token, clock, origins
        self._lock = threading.RLock()
        self._membership = Membership(own_id, settings)
        self._exchanges: dict[str, Exchange] = {}
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._sources: dict[tuple[str, str], WatchedSource] = {}
        self._greeting: set[str] = set()
        self._round = 0
        self._stop, self._wake = threading.Event(), threading.Event()
        self._client = PeerClient(token, self._stop)
        self._greeters = ThreadPoolExecutor(_GREETERS, "peers-hello")
        self._thread = threading.Thread(target=self._run, name="peers-control", daemon=True)

    def start(self) -> None:
        """Begin to greet and to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End every thread and every connection; idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        self._thread.join()
        with self._lock:
            swarms, listeners = list(self.swarms.values()), list(self._listeners.values())
            sources = list(self._sources.values())
        for swarm in swarms:
            swarm.announcements.close()
        for listener in listeners:
            listener.stop()
        self._greeters.shutdown(wait=True, cancel_futures=True)
        for listener in listeners:
            listener.join()
        for source in sources:
            source.close()
        self._client.close()

    def members(self) -> list[Member]:
        """Everybody known, by address."""
        with self._lock:
            return self._membership.members()

    def join(self, swarm: Swarm) -> None:
        """The node fetches or shares a root from now on: tell everyone."""
        root = str(swarm.root)
        with self._lock:
            before = self.swarms.get(root)
            self.swarms[root] = swarm
        if before is not None:
            before.announcements.close()
        self._greet_all()

    def begin(self, root: str, exchange: Exchange) -> None:
        """A fetch wants the peers as sources."""
        with self._lock:
            self._exchanges[root] = exchange
            known = [source for (_, about), source in self._sources.items() if about == root]
        for source in known:
            exchange.add_source(source)

    def end(self, root: str) -> None:
        """The fetch is over."""
        with self._lock:
            self._exchanges.pop(root, None)

    def is_settled(self, root: str, begin_ns: int) -> bool:
        """Whether everybody known answered or failed since then, and has spoken if interested."""
        with self._lock:
            swarm = self.swarms[root]
            return all(
                member.standing is Standing.BANNED or member.greeted_ns >= begin_ns
                for member in self._membership.members()
            ) and all(swarm.has_heard(str(m.id)) for m in self._membership.live(root))

    def know(self, url: str, *, is_configured: bool = False) -> None:
        """An address was configured, discovered or told."""
        with self._lock:
            if url.rstrip("/") == self.url:
                return
            if self._membership.know(url, now_ns=self._now(), is_configured=is_configured):
                self._wake.set()

    def _own_hello(self, root_filter: frozenset[str] | None = None) -> Hello:
        with self._lock:
            roots = tuple(self.swarms)[-200:]
            peers = tuple(
                Hello(m.id, m.url, tuple(m.roots))
                for m in self._membership.live()
                if m.id is not None and (root_filter is None or m.roots & root_filter)
            )
        return Hello(self._id, self.url, roots, peers)

    def greeted(self, hello: Hello) -> Hello:
        """Answer a hello: its sender is a member of the team and belongs to the peers."""
        with self._lock:
            if hello.id != self._id:
                self._membership.know(hello.url, now_ns=self._now(), is_configured=False)
                self._answered(hello.url, hello)
        return self._own_hello(frozenset(hello.roots))

    def _answered(self, url: str, hello: Hello) -> None:
        with self._lock:
            before = self._membership.member(url)
            old_id = before.id if before is not None else None
            member = self._membership.answered(
                url, hello.id, frozenset(hello.roots), now_ns=self._now()
            )
            if member is not None and old_id not in {None, hello.id}:
                self._drop(url, old_id or "")
            if member is not None:
                self._listen(member)

    def _greet_all(self) -> None:
        """Tell everyone about a new root, also those who are just being greeted without it."""
        with self._lock:
            self._round += 1
            for member in self._membership.members():
                if member.standing is not Standing.BANNED:
                    member.next_try_ns = 0
        self._wake.set()

    def _greet(self, member: Member) -> None:
        url, this_round = member.url, self._round
        try:
            hello = self._client.hello(
                url, self._own_hello(frozenset()), is_trusted=member.is_configured
            )
        except Cancelled:
            return
        except AccelerateError as error:
            _log.debug("greeting %s failed: %s", url, error.message)
            with self._lock:
                self._membership.failed(url, now_ns=self._now())
        else:
            self._answered(url, hello)
            for peer in hello.peers:
                self.know(peer.url)
        finally:
            with self._lock:
                self._greeting.discard(url)
                if this_round != self._round:
                    member.next_try_ns = member.greeted_ns = 0
                    self._wake.set()

    def _listen(self, member: Member) -> None:
        for root in member.roots & self.swarms.keys():
            key = (member.url, root)
            if key in self._listeners or self._stop.is_set() or member.id is None:
                continue
            listener = self._listeners[key] = Listener(
                self._client,
                member.url,
                root,
                take=lambda said, key=key, peer=member.id: self._heard(key, peer, said),  # type: ignore[misc]
                at_end=lambda why, key=key, peer=member.id: self._ended(key, peer, why),  # type: ignore[misc]
            )
            listener.start()

    def _heard(
        self, key: tuple[str, str], peer: str, said: State | list[tuple[Record, int]]
    ) -> None:
        url, root = key
        with self._lock:
            self._membership.heard(url, now_ns=self._now())
            swarm = self.swarms[root]
        if swarm.peer_said(peer, f"peer:{url}", said):
            self._use(key, peer, swarm)

    def _use(self, key: tuple[str, str], peer: str, swarm: Swarm) -> None:
        """The peer has something: let fetches ask it. The origin is asked as an origin only."""
        url, root = key
        with self._lock:
            if key in self._sources or url in self._origins:
                return
            source = PeerSource(url, token=self._token, holds=lambda cid: swarm.holds(peer, cid))
            watched = self._sources[key] = WatchedSource(
                source, swarm, peer=peer, on_wrong=lambda why: self._ban(url, why)
            )
            exchange = self._exchanges.get(root)
        if exchange is not None:
            exchange.add_source(watched)

    def _ended(self, key: tuple[str, str], peer: str, why: str) -> None:
        with self._lock:
            self._listeners.pop(key, None)
            if why:
                _log.debug("%s is not heard any more: %s", key[0], why)
                self._membership.failed(key[0], now_ns=self._now())
        if not self._stop.is_set():
            self._drop(key[0], peer)
        self._wake.set()

    def _ban(self, url: str, evidence: str) -> None:
        with self._lock:
            self._membership.ban(url, evidence, now_ns=self._now())
            member = self._membership.member(url)
        _log.warning("peer %s is banned: %s", url, evidence)
        if member is not None and member.id is not None:
            self._drop(url, member.id)

    def _drop(self, url: str, peer: str) -> None:
        """Ask a peer no more and forget what it said."""
        with self._lock:
            keys = [key for key in {*self._sources, *self._listeners} if key[0] == url]
            for key in keys:
                source, listener = self._sources.pop(key, None), self._listeners.get(key)
                swarm, exchange = self.swarms.get(key[1]), self._exchanges.get(key[1])
                if listener is not None:
                    listener.stop()
                if swarm is not None:
                    swarm.peer_gone(peer)
                if source is not None and not self._stop.is_set():
                    self._greeters.submit(self._retire, source, exchange)

    @staticmethod
    def _retire(source: WatchedSource, exchange: Exchange | None) -> None:
        if exchange is not None:
            exchange.remove_source(source.name, reason="the peer is gone")
        source.close()

    # -- the control thread ----------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            try:
                self._tick()
            except Exception:  # noqa: BLE001 - the border of a thread; logged with its trace
                _log.exception("a tick of the control thread failed")

    def _tick(self) -> None:
        now_ns = self._now()
        with self._lock:
            for member in self._membership.tick(now_ns=now_ns):
                if member.standing is Standing.SUSPECT and member.id is not None:
                    self._drop(member.url, member.id)
            due = [m for m in self._membership.due(now_ns=now_ns) if m.url not in self._greeting]
            self._greeting.update(member.url for member in due)
            for member in self._membership.live():
                self._listen(member)
            swarms = list(self.swarms.values())
        for member in due:
            self._greeters.submit(self._greet, member)
        for swarm in swarms:
            swarm.tick()

    def _now(self) -> int:
        return self._clock.now_ns()
