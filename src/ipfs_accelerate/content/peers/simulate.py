"""A swarm without machines: the real decisions over a model of links, deaths and lies.

Every simulated node runs `Ration`, the code that decides in real nodes; links are the model: a
transfer gets the lesser of an equal share of the sender's uplink and of the receiver's downlink,
and never more than one connection carries, recomputed when a transfer begins or ends, plus one
latency. Results carry the origin ``simulated``
and never stand beside measured ones unmarked.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.content.peers.core import Ration, RationSettings
from ipfs_accelerate.content.peers.wire import Record, State
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ORIGIN", "SimulatedNode", "SimulatedSwarm", "Strategy", "SwarmResult", "simulate"]

#: The origin as a sender.
ORIGIN = -1
_TICK_NS = 100_000_000
_GATHER_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """One machine: its link and its fate.

    Attributes:
        up_bytes_per_s: What it can send.
        down_bytes_per_s: What it can receive.
        latency_ns: One way, to any other.
        dies_ns: When it falls silent; ``None`` for never.
        is_liar: It announces everything and sends wrong bytes.
        flow_bytes_per_s: Most that one connection to it carries, as with loss.
    """

    up_bytes_per_s: float
    down_bytes_per_s: float
    latency_ns: int = 1_000_000
    dies_ns: int | None = None
    is_liar: bool = False
    flow_bytes_per_s: float = math.inf


class Strategy(StrEnum):
    """How nodes decide what to ask the origin for."""

    #: As real nodes do: every block has an owner, who asks for it (`Ration`).
    OWNED = "owned"
    #: Whoever misses a block asks a peer that has it, or else the origin at once.
    GREEDY = "greedy"
    #: Everybody asks the origin for everything.
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class SimulatedSwarm:
    """The whole setting.

    Attributes:
        nodes: All begin at once and want the same.
        leaves: Blocks of the model.
        leaf_bytes: Size of each.
        origin_bytes_per_s: What the origin can send.
        notice_ns: From a death to its being known.
        limit_ns: The simulation ends here at the latest.
        downloads: Blocks one node has in flight from peers; ``uploads`` likewise to them.
        uploads: A peer that sends so many is passed over.
        strategy: What the nodes do.
    """

    nodes: tuple[SimulatedNode, ...]
    leaves: int
    leaf_bytes: int = 2**20
    origin_bytes_per_s: float = 12.5e6
    notice_ns: int = 3_000_000_000
    limit_ns: int = 3_600_000_000_000
    downloads: int = 8
    uploads: int = 8
    settings: RationSettings | None = None
    strategy: Strategy = Strategy.OWNED


@dataclass(frozen=True, slots=True)
class SwarmResult:
    """What came of it.

    Attributes:
        makespan_ns: Until the last honest living node was whole; ``None`` if one never was.
        origin_bytes: Sent by the origin.
        peer_bytes: Sent by peers, wrong ones included.
        wrong_blocks: Refused.
        bans: Pairs (who banned, whom).
        duplicates: Blocks the origin sent beyond the first of each.
        unfinished: Honest living nodes that were not whole at the end.
        edges: Sender and receiver → blocks that arrived; the origin is `ORIGIN`.
        done_ns: When each node was whole; ``None`` for those that never were.
    """

    makespan_ns: int | None
    origin_bytes: int
    peer_bytes: int
    wrong_blocks: int
    bans: frozenset[tuple[int, int]]
    duplicates: int
    unfinished: tuple[int, ...]
    edges: Mapping[tuple[int, int], int] = field(default_factory=dict)
    done_ns: tuple[int | None, ...] = ()
    origin: Origin = Origin.SIMULATED


@dataclass(slots=True, eq=False)
class _Flow:
    source: int
    target: int
    leaf: int
    left_bytes: float
    rate: float = 0.0
    since_ns: int = 0
    version: int = 0


@dataclass(slots=True, eq=False)
class _Node:
    plan: SimulatedNode
    ration: Ration
    banned: set[int] = field(default_factory=set)
    wanted: set[int] = field(default_factory=set)
    news: list[tuple[Record, int]] = field(default_factory=list)
    is_dead: bool = False
    is_gathering: bool = False
    done_ns: int | None = None


class _Links:
    """Transfers in flight and their rates."""

    def __init__(self, swarm: SimulatedSwarm, events: _Events) -> None:
        self._swarm, self._events = swarm, events
        self.by_source: dict[int, set[_Flow]] = {}
        self.by_target: dict[int, set[_Flow]] = {}
        self.asked: dict[int, int] = {}

    def start(self, flow: _Flow, then: Callable[[_Flow], None]) -> None:
        flow.since_ns = self._events.now_ns
        self.by_source.setdefault(flow.source, set()).add(flow)
        self.by_target.setdefault(flow.target, set()).add(flow)
        self._share(flow, then)

    def stop(self, flow: _Flow, then: Callable[[_Flow], None]) -> None:
        flow.version += 1
        self.by_source[flow.source].discard(flow)
        self.by_target[flow.target].discard(flow)
        self._share(flow, then)

    def _share(self, changed: _Flow, then: Callable[[_Flow], None]) -> None:
        touched = self.by_source[changed.source] | self.by_target[changed.target]
        for flow in sorted(touched, key=lambda f: (f.source, f.target, f.leaf)):
            rate = min(
                self._swarm.nodes[flow.target].flow_bytes_per_s,
                self._up(flow.source) / len(self.by_source[flow.source]),
                self._swarm.nodes[flow.target].down_bytes_per_s / len(self.by_target[flow.target]),
            )
            if rate != flow.rate:
                self._reschedule(flow, rate, then)

    def _reschedule(self, flow: _Flow, rate: float, then: Callable[[_Flow], None]) -> None:
        now_ns = self._events.now_ns
        flow.left_bytes -= flow.rate * (now_ns - flow.since_ns) / 1e9
        flow.rate, flow.since_ns, flow.version = rate, now_ns, flow.version + 1
        version = flow.version
        rest_ns = int(max(flow.left_bytes, 0) / rate * 1e9) + 1
        self._events.after(rest_ns, lambda: then(flow) if flow.version == version else None)

    def _up(self, source: int) -> float:
        if source == ORIGIN:
            return self._swarm.origin_bytes_per_s
        return self._swarm.nodes[source].up_bytes_per_s


class _Events:
    """What happens next."""

    def __init__(self) -> None:
        self.now_ns = 1
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now_ns + delay_ns, self._count, action))

    def run(self, limit_ns: int, is_over: Callable[[], bool]) -> None:
        while self._heap and self.now_ns < limit_ns and not is_over():
            self.now_ns, _, action = heapq.heappop(self._heap)
            action()


class _Simulation:
    def __init__(self, swarm: SimulatedSwarm, generator: np.random.Generator) -> None:
        self.swarm, self._generator = swarm, generator
        self._events = _Events()
        self._links = _Links(swarm, self._events)
        self._counts = dict.fromkeys(("origin", "peer", "wrong"), 0)
        self._bans: set[tuple[int, int]] = set()
        self._edges: Counter[tuple[int, int]] = Counter()
        keys = sorted(hashlib.sha256(f"leaf {i}".encode()).digest() for i in range(swarm.leaves))
        self._nodes = [self._node(number, plan, keys) for number, plan in enumerate(swarm.nodes)]

    def run(self) -> SwarmResult:
        for number, node in enumerate(self._nodes):
            self._introduce(number)
            if node.plan.dies_ns is not None:
                self._events.after(node.plan.dies_ns, lambda n=number: self._die(n))  # type: ignore[misc]
            if not node.plan.is_liar:
                self._events.after(node.plan.latency_ns, lambda n=number: self._tick(n))  # type: ignore[misc]
        self._events.run(self.swarm.limit_ns, self._is_over)
        return self._result()

    def _node(self, number: int, plan: SimulatedNode, keys: list[bytes]) -> _Node:
        nothing = np.zeros(self.swarm.leaves, dtype=np.bool_)
        ration = Ration(keys, str(number), have=nothing, now_ns=1, settings=self.swarm.settings)
        return _Node(plan, ration)

    def _introduce(self, number: int) -> None:
        everything = np.full(self.swarm.leaves, self._nodes[number].plan.is_liar)
        for other in self._others(number):
            state = State(True, everything.copy(), np.zeros_like(everything))
            other.ration.state(str(number), state, now_ns=1)

    def _others(self, number: int) -> list[_Node]:
        return [node for other, node in enumerate(self._nodes) if other != number]

    def _is_over(self) -> bool:
        return all(
            node.done_ns is not None or node.is_dead or node.plan.is_liar for node in self._nodes
        )

    def _tick(self, number: int) -> None:
        node = self._nodes[number]
        if node.done_ns is None and not node.is_dead:
            self._act(number)
            self._events.after(_TICK_NS, lambda: self._tick(number))

    def _act(self, number: int) -> None:
        node = self._nodes[number]
        if node.is_dead or node.done_ns is not None:
            return
        if self.swarm.strategy is not Strategy.OWNED:
            self._act_alone(number)
            return
        for leaf in node.ration.allowed(now_ns=self._events.now_ns).tolist():
            if leaf not in node.wanted:
                node.ration.claim(leaf, now_ns=self._events.now_ns)
                self._tell(number, Record.CLAIM, leaf)
                self._begin(ORIGIN, number, leaf)
        self._ask_peers(number)

    def _act_alone(self, number: int) -> None:
        """Without owners: whatever is missing and, with peers, nobody offers."""
        node = self._nodes[number]
        if self.swarm.strategy is Strategy.GREEDY:
            self._ask_peers(number)
        missing = ~node.ration.own_state().have
        if self.swarm.strategy is Strategy.GREEDY:
            missing &= node.ration.copies() == 0
        wanted = [leaf for leaf in np.flatnonzero(missing).tolist() if leaf not in node.wanted]
        room = self.swarm.downloads - len(node.wanted)
        for leaf in self._generator.permutation(wanted)[: max(room, 0)].tolist():
            self._begin(ORIGIN, number, int(leaf))

    def _ask_peers(self, number: int) -> None:
        node = self._nodes[number]
        room = self.swarm.downloads - len(node.wanted)
        if room <= 0 or self.swarm.strategy is Strategy.ALONE:
            return
        copies = node.ration.copies()
        own = node.ration.own_state()
        wanted = [leaf for leaf in np.flatnonzero(~own.have & (copies > 0)).tolist()
                  if leaf not in node.wanted]  # fmt: skip
        ties = self._generator.random(len(wanted))
        for _, _, leaf in sorted(zip(copies[wanted].tolist(), ties, wanted, strict=True)):
            source = self._source(number, leaf)
            if source is not None:
                self._begin(source, number, leaf)
                room -= 1
            if room == 0:
                return

    def _source(self, number: int, leaf: int) -> int | None:
        """The least busy holder."""
        loads = {
            holder: self._links.asked.get(holder, 0)
            for holder in map(int, self._nodes[number].ration.holders(leaf))
            if not self._nodes[holder].is_dead
        }
        free = [holder for holder, load in loads.items() if load < self.swarm.uploads]
        return min(free, key=lambda holder: (loads[holder], holder)) if free else None

    def _begin(self, source: int, target: int, leaf: int) -> None:
        self._nodes[target].wanted.add(leaf)
        self._links.asked[source] = self._links.asked.get(source, 0) + 1
        flow = _Flow(source, target, leaf, float(self.swarm.leaf_bytes))
        latency_ns = self.swarm.nodes[target].latency_ns
        self._events.after(latency_ns, lambda: self._flow(flow))

    def _flow(self, flow: _Flow) -> None:
        if self._nodes[flow.target].is_dead:
            return
        if flow.source != ORIGIN and self._nodes[flow.source].is_dead:
            self._failed(flow)
        else:
            self._links.start(flow, self._arrived)

    def _failed(self, flow: _Flow) -> None:
        node = self._nodes[flow.target]
        node.wanted.discard(flow.leaf)
        self._links.asked[flow.source] -= 1
        node.ration.lacks(str(flow.source), flow.leaf)

    def _arrived(self, flow: _Flow) -> None:
        self._links.stop(flow, self._arrived)
        self._links.asked[flow.source] -= 1
        node = self._nodes[flow.target]
        node.wanted.discard(flow.leaf)
        self._counts["origin" if flow.source == ORIGIN else "peer"] += 1
        self._edges[flow.source, flow.target] += 1
        if flow.source != ORIGIN and self.swarm.nodes[flow.source].is_liar:
            self._counts["wrong"] += 1
            self._ban(flow.target, flow.source)
        elif node.ration.done(flow.leaf, now_ns=self._events.now_ns):
            self._tell(flow.target, Record.HAVE, flow.leaf)
            if not node.ration.missing():
                node.done_ns = self._events.now_ns
        if flow.source == ORIGIN:
            self._act(flow.target)
        elif not node.is_dead and node.done_ns is None:
            self._ask_peers(flow.target)

    def _ban(self, number: int, liar: int) -> None:
        node = self._nodes[number]
        node.banned.add(liar)
        self._bans.add((number, liar))
        node.ration.gone(str(liar))
        for flow in [f for f in self._links.by_target[number] if f.source == liar]:
            self._links.stop(flow, self._arrived)
            self._failed(flow)

    def _tell(self, number: int, record: Record, leaf: int) -> None:
        node = self._nodes[number]
        node.news.append((record, leaf))
        if not node.is_gathering:
            node.is_gathering = True
            self._events.after(_GATHER_NS + node.plan.latency_ns, lambda: self._deliver(number))

    def _deliver(self, number: int) -> None:
        node = self._nodes[number]
        news, node.news, node.is_gathering = node.news, [], False
        if node.is_dead:
            return
        for other, listener in enumerate(self._nodes):
            if other != number and number not in listener.banned and not listener.plan.is_liar:
                fresh = listener.ration.records(str(number), news, now_ns=self._events.now_ns)
                if fresh and not listener.is_dead and listener.done_ns is None:
                    self._ask_peers(other)

    def _die(self, number: int) -> None:
        self._nodes[number].is_dead = True
        for flow in [*self._links.by_target.get(number, ())]:
            self._links.stop(flow, self._arrived)
            self._failed(flow)
        for flow in [*self._links.by_source.get(number, ())]:
            self._links.stop(flow, self._arrived)
            self._failed(flow)
        self._events.after(self.swarm.notice_ns, lambda: self._noticed(number))

    def _noticed(self, number: int) -> None:
        for other in self._others(number):
            other.ration.gone(str(number))

    def _result(self) -> SwarmResult:
        honest = {n: v for n, v in enumerate(self._nodes) if not v.plan.is_liar and not v.is_dead}
        unfinished = tuple(number for number, node in honest.items() if node.done_ns is None)
        done = [node.done_ns for node in honest.values() if node.done_ns is not None]
        return SwarmResult(
            makespan_ns=None if unfinished else max(done, default=0),
            origin_bytes=self._counts["origin"] * self.swarm.leaf_bytes,
            peer_bytes=self._counts["peer"] * self.swarm.leaf_bytes,
            wrong_blocks=self._counts["wrong"],
            bans=frozenset(self._bans),
            duplicates=max(0, self._counts["origin"] - self.swarm.leaves),
            unfinished=unfinished,
            edges=dict(self._edges),
            done_ns=tuple(node.done_ns for node in self._nodes),
        )


def simulate(swarm: SimulatedSwarm, *, generator: np.random.Generator) -> SwarmResult:
    """Run the swarm to its end.

    Args:
        swarm: The setting.
        generator: Breaks ties; the same one gives the same result.

    Example:
        >>> import numpy as np
        >>> node = SimulatedNode(up_bytes_per_s=12.5e6, down_bytes_per_s=12.5e6)
        >>> swarm = SimulatedSwarm(nodes=(node,) * 4, leaves=40)
        >>> result = simulate(swarm, generator=np.random.default_rng(0))
        >>> result.origin_bytes <= 1.1 * 40 * 2**20
        True
    """
    return _Simulation(swarm, generator).run()
