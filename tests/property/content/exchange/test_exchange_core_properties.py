"""For any sources the scheduler ends, keeps each block once, and asks nobody it must not ask."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.exchange.core import Core
from ipfs_accelerate.content.exchange.messages import (
    Ask,
    AskFailed,
    Availability,
    Ban,
    BlockArrived,
    BlockBad,
    BlockKept,
    Cancel,
    Done,
    Evidence,
    ExchangeSettings,
    Failed,
    Keep,
    Request,
    RequestEnded,
    RequestFailed,
    SourceAdded,
    Tick,
    WantsAdded,
)
from ipfs_accelerate.content.sources import SourceKind, Want

MS = 1_000_000
#: Blocks in all.
N = 24
CIDS = [Cid.of(f"block {i}".encode()) for i in range(N)]
SETTINGS = ExchangeSettings(silence_s=3.0, stall_s=0.5, max_failures=3, max_retry_after_s=20.0)


@dataclass
class Behaviour:
    """A simulated source."""

    kind: SourceKind
    latency_ms: int
    block_ms: int
    lacks: frozenset[int] = frozenset()
    corrupts: frozenset[int] = frozenset()
    fails_first: int = 0
    is_dead: bool = False
    stalls_at: int | None = None
    retry_after_s: float | None = None
    tells: bool = False
    loses_questions: bool = False
    lies_about_missing: bool = False

    @property
    def is_honest(self) -> bool:
        return not (
            self.corrupts
            or self.is_dead
            or self.fails_first
            or self.stalls_at is not None
            or self.lies_about_missing
            or self.loses_questions
        )


@dataclass
class World:
    """Plays the sources against the scheduler in virtual time and checks the promises."""

    behaviours: list[Behaviour]
    blocks: int
    urgent: int
    now_ns: int = 0
    kept: list[int] = field(default_factory=list)
    banned: set[str] = field(default_factory=set)
    outcome: Done | Failed | None = None

    def __post_init__(self) -> None:
        self.core = Core(SETTINGS, np.random.default_rng(1))
        self.queue: list[tuple[int, int, object]] = []
        self.order = itertools.count()
        self.running: dict[int, tuple[str, list[int]]] = {}
        self.failures = [b.fails_first for b in self.behaviours]
        self.denied: set[tuple[str, int]] = set()
        self.asked_after: list[tuple[str, int]] = []

    def run(self) -> None:
        for index, behaviour in enumerate(self.behaviours):
            self.tell(SourceAdded(str(index), behaviour.kind))
        first = max(1, self.urgent)
        self.tell(WantsAdded(tuple(self.want(i) for i in range(first)), is_urgent=True))
        for _ in range(60_000):
            if self.outcome is not None:
                return
            if not self.queue:
                self.now_ns += 200 * MS
                self.tell(Tick())
                continue
            at, _, event = heapq.heappop(self.queue)
            while at - self.now_ns > 200 * MS and self.outcome is None:
                self.now_ns += 200 * MS
                self.tell(Tick())
            self.now_ns = max(self.now_ns, at)
            self.happen(event)
        raise AssertionError("it does not end")

    def want(self, index: int) -> Want:
        return Want(CIDS[index], 100_000, CIDS[0], index * 100_000)

    def later(self, delay_ms: int, event: object) -> None:
        heapq.heappush(self.queue, (self.now_ns + delay_ms * MS, next(self.order), event))

    def happen(self, event: object) -> None:
        if isinstance(event, Ended):
            self.tell(RequestEnded(event.number))
            return
        number = getattr(event, "request", None)
        if number is not None and number not in self.running:
            return  # it was cancelled
        if isinstance(event, RequestEnded | RequestFailed | BlockBad):
            source, _ = self.running.pop(number)
            if isinstance(event, RequestFailed) and event.missing in CIDS:
                self.denied.add((source, CIDS.index(event.missing)))
        self.tell(event)
        if isinstance(event, BlockBad):
            self.tell(RequestFailed(number, "wrong bytes"))

    def tell(self, event: object) -> None:
        for instruction in self.core.handle(event, self.now_ns):
            self.follow(instruction)

    def follow(self, instruction: object) -> None:
        if isinstance(instruction, Request):
            self.request(instruction)
        elif isinstance(instruction, Ask):
            self.answer(instruction)
        elif isinstance(instruction, Cancel):
            if self.running.pop(instruction.number, None) is not None:
                self.later(1, Ended(instruction.number))
        elif isinstance(instruction, Ban):
            assert instruction.source not in self.banned
            self.banned.add(instruction.source)
        elif isinstance(instruction, Keep):
            self.keep(instruction.want)
        else:
            assert self.outcome is None
            self.outcome = instruction

    def keep(self, want: Want) -> None:
        index = CIDS.index(want.cid)
        assert index not in self.kept, "a block is kept twice"
        self.kept.append(index)
        if index == 0:
            rest = tuple(self.want(i) for i in range(max(1, self.urgent), self.blocks))
            if rest:
                self.tell(WantsAdded(rest))
        self.tell(BlockKept(want))

    def answer(self, ask: Ask) -> None:
        behaviour = self.behaviours[int(ask.source)]
        keys = frozenset(w.cid.multihash for w in ask.wants)
        if behaviour.loses_questions:
            self.later(behaviour.latency_ms, AskFailed(ask.source, keys, "no answer"))
            return
        lacks = frozenset(CIDS[i].multihash for i in behaviour.lacks) & keys
        told = lacks if behaviour.tells else frozenset()
        self.later(behaviour.latency_ms, Availability(ask.source, frozenset(), told, keys))

    def request(self, request: Request) -> None:
        assert request.source not in self.banned, "a banned source is asked"
        behaviour = self.behaviours[int(request.source)]
        wanted = [CIDS.index(w.cid) for w in request.wants]
        assert wanted
        assert len(set(wanted)) == len(wanted)
        assert not any((request.source, i) in self.denied for i in wanted), "asked again"
        self.running[request.number] = (request.source, wanted)
        self.play(request, behaviour, wanted)

    def play(self, request: Request, behaviour: Behaviour, wanted: list[int]) -> None:
        number, index = request.number, int(request.source)
        at = behaviour.latency_ms
        if behaviour.is_dead or self.failures[index] > 0:
            self.failures[index] -= 1
            retry = behaviour.retry_after_s
            self.later(at, RequestFailed(number, "refused", retry_after_s=retry))
            return
        for position, i in enumerate(wanted):
            if behaviour.stalls_at == position:
                self.later(at + 3_000, RequestFailed(number, "silent"))
                return
            at += behaviour.block_ms
            if i in behaviour.lacks:
                missing = Cid.of(b"other") if behaviour.lies_about_missing else CIDS[i]
                self.later(at, RequestFailed(number, "lacks", missing=missing))
                return
            if i in behaviour.corrupts:
                self.later(at, BlockBad(number, Evidence(CIDS[i], "00", 3)))
                return
            self.later(at, BlockArrived(number, request.source, self.want(i), 100_000))
        self.later(at + 1, RequestEnded(number))


@dataclass(frozen=True)
class Ended:
    """The end of a cancelled request, which reaches the scheduler late."""

    number: int


some_blocks = st.frozensets(st.integers(0, N - 1), max_size=20)
behaviours = st.builds(
    Behaviour,
    kind=st.sampled_from(list(SourceKind)),
    latency_ms=st.integers(0, 400),
    block_ms=st.integers(0, 900),
    lacks=some_blocks,
    corrupts=st.one_of(st.just(frozenset()), some_blocks),
    fails_first=st.integers(0, 4),
    is_dead=st.booleans(),
    stalls_at=st.one_of(st.none(), st.integers(0, 3)),
    retry_after_s=st.one_of(st.none(), st.floats(0.1, 30.0)),
    tells=st.booleans(),
    loses_questions=st.booleans(),
    lies_about_missing=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(behaviours, max_size=6), st.integers(1, N), st.integers(0, 5))
def test_it_ends_and_keeps_its_promises_whatever_the_sources_do(
    sources: list[Behaviour], blocks: int, urgent: int
) -> None:
    world = World(sources, blocks, min(urgent, blocks))
    world.run()
    if isinstance(world.outcome, Done):
        assert sorted(world.kept) == list(range(blocks))
    else:
        assert isinstance(world.outcome, Failed)
        assert world.outcome.missing
        assert set(world.outcome.reasons) == {str(i) for i in range(len(sources))}
        assert all(world.outcome.reasons.values())


@settings(max_examples=40, deadline=None)
@given(st.lists(behaviours, max_size=5), st.data())
def test_one_honest_source_with_everything_is_enough(
    sources: list[Behaviour], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(list(SourceKind)))
    honest = Behaviour(kind, data.draw(st.integers(0, 400)), data.draw(st.integers(0, 900)))
    at = data.draw(st.integers(0, len(sources)))
    world = World([*sources[:at], honest, *sources[at:]], N, 3)
    world.run()
    assert isinstance(world.outcome, Done)
    assert sorted(world.kept) == list(range(N))


@settings(max_examples=40, deadline=None)
@given(st.lists(behaviours, min_size=1, max_size=5))
def test_what_an_honest_source_has_is_never_missing(sources: list[Behaviour]) -> None:
    for source in sources:
        source.corrupts, source.fails_first, source.is_dead = frozenset(), 0, False
        source.stalls_at, source.lies_about_missing, source.loses_questions = None, False, False
        source.lacks -= {0}
    world = World(sources, N, 1)
    world.run()
    lacked = frozenset.intersection(*(s.lacks for s in sources))
    if lacked:
        assert isinstance(world.outcome, Failed)
        assert {CIDS.index(w.cid) for w in world.outcome.missing} == set(lacked)
        assert set(world.kept) == set(range(N)) - lacked
    else:
        assert isinstance(world.outcome, Done)
