"""A node: a store that fetches with its team and serves it at the same time."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.exchange import Exchange, ExchangeSettings, FetchReport
from ipfs_accelerate.content.peers.control import Listener, PeerClient
from ipfs_accelerate.content.peers.core import RationSettings
from ipfs_accelerate.content.peers.discovery import Discovery
from ipfs_accelerate.content.peers.membership import (
    Member,
    Membership,
    MembershipSettings,
    Standing,
)
from ipfs_accelerate.content.peers.routes import peer_routes
from ipfs_accelerate.content.peers.swarm import Swarm
from ipfs_accelerate.content.peers.watched import WatchedSource
from ipfs_accelerate.content.peers.wire import Hello, Record, State
from ipfs_accelerate.content.serving import GatewayServer, Limits, Statistics
from ipfs_accelerate.content.sources._http import Cancelled
from ipfs_accelerate.content.sources.peer import PeerSource
from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.telemetry import Clock, MonotonicClock

if TYPE_CHECKING:
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.exchange import FetchProgress
    from ipfs_accelerate.content.peers.announcements import Announcements
    from ipfs_accelerate.content.sources import Source

__all__ = ["Node", "NodeSettings", "NodeStatistics"]

_log = logging.getLogger(__name__)
_TICK_S = 0.1
_GREETERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """How a node behaves.

    Attributes:
        settle_s: Longest wait, before the first block, for the known peers to say what they have.
        listeners: Peers that may listen to one root; each costs a thread.
        membership: When a peer counts as dead, how long bans last.
        ration: How many blocks the team has in flight from the origin, and its patience.
        exchange: Of fetches.
        limits: Of the server; threads for the listeners come on top.
    """

    settle_s: float = 5.0
    listeners: int = 64
    membership: MembershipSettings = field(default_factory=MembershipSettings)
    ration: RationSettings = field(default_factory=RationSettings)
    exchange: ExchangeSettings = field(
        default_factory=lambda: ExchangeSettings(
            max_requests=24, requests_per_source=1, stall_s=15.0, linger_s=30.0, tick_s=0.25
        )
    )
    limits: Limits = field(default_factory=lambda: Limits(workers=72))


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """What a node has done so far.

    Attributes:
        server: Of its gateway.
        members: Address → what is thought of the peer.
        bans: Address → evidence, one entry for each ban.
    """

    server: Statistics
    members: dict[str, Standing]
    bans: dict[str, tuple[str, ...]]


class Node:
    """Store, server, exchange and membership in one; starts at once.

    Args:
        store: What it has and where it keeps what it fetches; closing it is the caller's.
        peers: URLs of other nodes. The origin may be among them if it is a node too.
        token: Of the team: who sends it is served. ``None`` on loopback only.
        origin_sources: Asked for each block about once by the whole team; closed with the node.
        discover: Look for peers by mDNS and be found.
        host: Address to bind to.
        port: 0 takes a free one.
        advertise: URL others reach this node under; that of the server by default.
        settings: See `NodeSettings`.

    Raises:
        ConfigurationError: The address cannot be bound, or is open to others without a token.

    Example::

        with Node(store, peers=["http://10.0.0.2:8420"], token=token, host="10.0.0.1",
                  origin_sources=[GatewaySource("https://gateway.example")]) as node:
            node.fetch("bafybei…")
    """

    def __init__(  # noqa: PLR0913 - all but the store by name
        self,
        store: FileBlockStore,
        *,
        token: str | None,
        peers: Sequence[str] = (),
        origin_sources: Sequence[Source] = (),
        discover: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        advertise: str | None = None,
        settings: NodeSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.id = secrets.token_hex(16)
        self.settings = settings or NodeSettings()
        self._store, self._token, self._clock = store, token, clock or MonotonicClock()
        self._origins = tuple(origin_sources)
        self._lock = threading.RLock()
        self._membership = Membership(self.id, self.settings.membership)
        self._swarms: dict[str, Swarm] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._sources: dict[tuple[str, str], WatchedSource] = {}
        self._greeting: set[str] = set()
        self._round = 0
        self._stop, self._wake = threading.Event(), threading.Event()
        self._client = PeerClient(token, self._stop)
        self._server = self._serve(host, port)
        self.url = (advertise or self._server.url).rstrip("/")
        for url in peers:
            self._know(url, is_configured=True)
        self._greeters = ThreadPoolExecutor(_GREETERS, "peers-hello")
        self._thread = threading.Thread(target=self._run, name="peers-control", daemon=True)
        self._thread.start()
        self._discovery: Discovery | None = None
        if discover:
            try:
                self._discovery = Discovery(self.id, self.url, found=self._know)
            except BaseException:
                self.close()
                raise

    # -- for users -------------------------------------------------------------------------------

    def fetch(
        self,
        root: Cid | str,
        *,
        progress: Callable[[FetchProgress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> FetchReport:
        """Fetch everything below ``root`` with the team, and go on serving it.

        Raises:
            ContentNotFoundError: See `Exchange.fetch`, also for the other errors.
        """
        cid = Cid.parse(root)
        swarm = self._join(cid)
        self._settle(str(cid))
        origins = [WatchedSource(source, swarm) for source in self._origins]
        exchange = Exchange(
            self._store,
            origins,
            settings=self.settings.exchange,
            gate=swarm.gate,
            clock=self._clock,
        )
        swarm.attach(exchange)
        with self._lock:
            self._exchanges[str(cid)] = exchange
            known = [source for (_, about), source in self._sources.items() if about == str(cid)]
        for source in known:
            exchange.add_source(source)
        try:
            report = exchange.fetch(cid, progress=progress, cancel=cancel)
            swarm.tick()  # a fetch that found all here may have ended before the first one
            return report
        finally:
            swarm.attach(None)
            with self._lock:
                self._exchanges.pop(str(cid), None)

    def share(self, root: Cid | str) -> None:
        """Tell the team that everything below ``root`` is here.

        Raises:
            ContentNotFoundError: Something of it is not here.
        """
        cid = Cid.parse(root)
        swarm = self._new_swarm(cid)
        swarm.share()
        with self._lock:
            self._swarms[str(cid)] = swarm
        self._greet_all()

    def statistics(self) -> NodeStatistics:
        """Counts since the start."""
        with self._lock:
            members = self._membership.members()
            return NodeStatistics(
                server=self._server.statistics(),
                members={m.url: m.standing for m in members},
                bans={m.url: tuple(m.evidence) for m in members if m.evidence},
            )

    def close(self) -> None:
        """Stop serving, fetching and listening; the store stays open."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        if self._discovery is not None:
            self._discovery.close()
        self._thread.join()
        with self._lock:
            swarms, listeners = list(self._swarms.values()), list(self._listeners.values())
            sources = [*self._sources.values(), *self._origins]
        for swarm in swarms:
            swarm.announcements.close()
        for listener in listeners:
            listener.stop()
        self._greeters.shutdown(wait=True, cancel_futures=True)
        for listener in listeners:
            listener.join()
        self._server.close()
        for source in sources:
            source.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- beginning -------------------------------------------------------------------------------

    def _serve(self, host: str, port: int) -> GatewayServer:
        routes = peer_routes(
            greet=self._greeted,
            announcements=self._announcements,
            proof=lambda: (self._token, self.url),
            most_listeners=self.settings.listeners,
        )
        return GatewayServer(
            self._store,
            host=host,
            port=port,
            token=self._token,
            limits=self.settings.limits,
            routes=routes,
        )

    def _new_swarm(self, root: Cid) -> Swarm:
        return Swarm(
            root,
            self.id,
            self._store,
            origins=frozenset(source.name for source in self._origins),
            clock=self._clock,
            settings=self.settings.ration,
        )

    def _join(self, root: Cid) -> Swarm:
        swarm = self._new_swarm(root)
        with self._lock:
            before = self._swarms.get(str(root))
            self._swarms[str(root)] = swarm
        if before is not None:
            before.announcements.close()
        self._greet_all()
        return swarm

    def _settle(self, root: str) -> None:
        """Wait until every peer answered or failed, and those interested have spoken."""
        begin_ns = self._now()
        end_ns = begin_ns + int(self.settings.settle_s * 1e9)
        pause = threading.Event()
        while self._now() < end_ns and not self._is_settled(root, begin_ns):
            pause.wait(0.01)

    def _is_settled(self, root: str, begin_ns: int) -> bool:
        with self._lock:
            swarm = self._swarms[root]
            return all(
                member.standing is Standing.BANNED or member.greeted_ns >= begin_ns
                for member in self._membership.members()
            ) and all(swarm.has_heard(str(m.id)) for m in self._membership.live(root))

    # -- peers -----------------------------------------------------------------------------------

    def _know(self, url: str, *, is_configured: bool = False) -> None:
        with self._lock:
            if url.rstrip("/") == self.url:
                return
            if self._membership.know(url, now_ns=self._now(), is_configured=is_configured):
                self._wake.set()

    def _own_hello(self, root_filter: frozenset[str] | None = None) -> Hello:
        with self._lock:
            roots = tuple(self._swarms)[-200:]
            peers = tuple(
                Hello(m.id, m.url, tuple(m.roots))
                for m in self._membership.live()
                if m.id is not None and (root_filter is None or m.roots & root_filter)
            )
        return Hello(self.id, self.url, roots, peers)

    def _greeted(self, hello: Hello) -> Hello:
        """Answer a hello: its sender is a member of the team and belongs to the peers."""
        with self._lock:
            if hello.id != self.id:
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
                self._know(peer.url)
        finally:
            with self._lock:
                self._greeting.discard(url)
                if this_round != self._round:
                    member.next_try_ns = member.greeted_ns = 0
                    self._wake.set()

    def _listen(self, member: Member) -> None:
        for root in member.roots & self._swarms.keys():
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
            swarm = self._swarms[root]
        if swarm.peer_said(peer, f"peer:{url}", said):
            self._use(key, peer, swarm)

    def _use(self, key: tuple[str, str], peer: str, swarm: Swarm) -> None:
        """The peer has something: let fetches ask it. The origin is asked as an origin only."""
        url, root = key
        with self._lock:
            if key in self._sources or any(getattr(o, "url", None) == url for o in self._origins):
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
                swarm, exchange = self._swarms.get(key[1]), self._exchanges.get(key[1])
                if listener is not None:
                    listener.stop()
                if swarm is not None:
                    swarm.peer_gone(peer)
                if source is not None:
                    self._greeters.submit(self._retire, source, exchange)

    @staticmethod
    def _retire(source: WatchedSource, exchange: Exchange | None) -> None:
        if exchange is not None:
            exchange.remove_source(source.name, reason="the peer is gone")
        source.close()

    def _announcements(self, root: str) -> Announcements | None:
        with self._lock:
            swarm = self._swarms.get(root)
        return swarm.announcements if swarm is not None else None

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
            swarms = list(self._swarms.values())
        for member in due:
            self._greeters.submit(self._greet, member)
        for swarm in swarms:
            swarm.tick()

    def _now(self) -> int:
        return self._clock.now_ns()
