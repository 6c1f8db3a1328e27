"""A node: a store that fetches with its team and serves it at the same time."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.exchange import Exchange, ExchangeSettings, FetchReport
from ipfs_accelerate.content.peers.core import RationSettings
from ipfs_accelerate.content.peers.discovery import Discovery
from ipfs_accelerate.content.peers.membership import (
    MembershipSettings,
    Standing,
)
from ipfs_accelerate.content.peers.overview import Holding, Overview, Seen
from ipfs_accelerate.content.peers.routes import peer_routes
from ipfs_accelerate.content.peers.swarm import Swarm
from ipfs_accelerate.content.peers.team import Team
from ipfs_accelerate.content.peers.watched import WatchedSource
from ipfs_accelerate.content.peers.wire import MAX_ROOTS
from ipfs_accelerate.content.serving import GatewayServer, Limits, Statistics
from ipfs_accelerate.telemetry import Clock, MonotonicClock

if TYPE_CHECKING:
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.exchange import FetchProgress
    from ipfs_accelerate.content.peers.announcements import Announcements
    from ipfs_accelerate.content.sources import Source

__all__ = ["Node", "NodeSettings", "NodeStatistics"]


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
        addresses = (getattr(source, "url", None) for source in origin_sources)
        self._team = Team(
            self.id,
            token,
            clock=self._clock,
            origins=frozenset(url for url in addresses if isinstance(url, str)),
            settings=self.settings.membership,
        )
        self._server = self._serve(host, port)
        self.url = self._team.url = (advertise or self._server.url).rstrip("/")
        for url in peers:
            self._team.know(url, is_configured=True)
        self._team.start()
        self._discovery: Discovery | None = None
        if discover:
            try:
                self._discovery = Discovery(self.id, self.url, found=self._team.know)
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
        swarm = self._new_swarm(cid)
        self._team.join(swarm)
        self._settle(str(cid))
        exchange = Exchange(
            self._store,
            [WatchedSource(source, swarm) for source in self._origins],
            settings=self.settings.exchange,
            gate=swarm.gate,
            clock=self._clock,
        )
        swarm.attach(exchange)
        self._team.begin(str(cid), exchange)
        try:
            report = exchange.fetch(cid, progress=progress, cancel=cancel)
            swarm.tick()  # a fetch that found all here may have ended before the first one
            return report
        finally:
            swarm.attach(None)
            self._team.end(str(cid))

    def share(self, root: Cid | str) -> None:
        """Tell the team that everything below ``root`` is here.

        Raises:
            ContentNotFoundError: Something of it is not here.
        """
        swarm = self._new_swarm(Cid.parse(root))
        swarm.share()
        self._team.join(swarm)

    def statistics(self) -> NodeStatistics:
        """Counts since the start."""
        members = self._team.members()
        return NodeStatistics(
            server=self._server.statistics(),
            members={m.url: m.standing for m in members},
            bans={m.url: tuple(m.evidence) for m in members if m.evidence},
        )

    def overview(self) -> Overview:
        """What it has, whom it knows and what it thinks of them."""
        shared = list(self._team.swarms.items())[-MAX_ROOTS:]
        return Overview(
            self.url,
            tuple(Holding(root, *swarm.announcements.held()) for root, swarm in shared),
            tuple(Seen(m.url, m.standing, m.bans) for m in self._team.members()),
        )

    def close(self) -> None:
        """Stop serving, fetching and listening; the store stays open. Idempotent."""
        if self._discovery is not None:
            self._discovery.close()
            self._discovery = None
        self._team.stop()
        self._server.close()
        for source in self._origins:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- beginning -------------------------------------------------------------------------------

    def _serve(self, host: str, port: int) -> GatewayServer:
        routes = peer_routes(
            greet=self._team.greeted,
            announcements=self._announcements,
            proof=lambda: (self._token, self._team.url),
            overview=self.overview,
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

    def _settle(self, root: str) -> None:
        """Wait until every peer answered or failed, and those interested have spoken."""
        begin_ns = self._clock.now_ns()
        end_ns = begin_ns + int(self.settings.settle_s * 1e9)
        pause = threading.Event()
        while self._clock.now_ns() < end_ns and not self._team.is_settled(root, begin_ns):
            pause.wait(0.01)

    def _announcements(self, root: str) -> Announcements | None:
        swarm = self._team.swarms.get(root)
        return swarm.announcements if swarm is not None else None
