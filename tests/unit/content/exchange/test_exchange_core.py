"""The scheduler's policy, one claim a test, in virtual time."""

from __future__ import annotations

import numpy as np

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.exchange.core import Core
from ipfs_accelerate.content.exchange.messages import (
    Ask,
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
    Gate,
    Instruction,
    Keep,
    Request,
    RequestEnded,
    RequestFailed,
    SourceAdded,
    SourceRemoved,
    Tick,
    WantsAdded,
)
from ipfs_accelerate.content.sources import SourceKind, Want

MIB = 2**20
MS = 1_000_000
ROOT = Cid.of(b"root")


class Desk:
    """Speaks to a scheduler and keeps what it answered; answers that nobody lacks anything."""

    def __init__(
        self, gate: Gate | None = None, *, answers: bool = True, **settings: object
    ) -> None:
        self.answers = answers
        self.core = Core(
            ExchangeSettings(**settings),  # type: ignore[arg-type]
            np.random.default_rng(0),
            gate=gate,
        )
        self.now_ns = 0
        self.all: list[Instruction] = []

    def tell(self, event: object, after_ms: float = 0) -> list[Instruction]:
        self.now_ns += int(after_ms * MS)
        out = self.core.handle(event, self.now_ns)  # type: ignore[arg-type]
        self.all += out
        for item in out:
            if isinstance(item, Ask) and self.answers:
                keys = frozenset(w.cid.multihash for w in item.wants)
                out = out + self.tell(Availability(item.source, asked=keys))
        return out

    def source(self, name: str, kind: SourceKind = SourceKind.GATEWAY) -> list[Instruction]:
        return self.tell(SourceAdded(name, kind))

    def want(self, count: int, size: int = MIB) -> list[Want]:
        wants = [Want(Cid.of(f"{i}".encode()), size, ROOT, i * size) for i in range(count)]
        self.tell(WantsAdded(tuple(wants)))
        return wants

    def requests(self, source: str = "") -> list[Request]:
        return [r for r in self.all if isinstance(r, Request) and source in r.source]

    def deliver(self, request: Request, block_ms: float, count: int | None = None) -> None:
        """Blocks of a request arrive one after another; it ends when all have."""
        for want in request.wants[:count]:
            self.arrive(request, want, block_ms)
        if count is None:
            self.tell(RequestEnded(request.number))

    def arrive(self, request: Request, want: Want, block_ms: float) -> list[Instruction]:
        out = self.tell(
            BlockArrived(request.number, request.source, want, want.size_bytes or 0), block_ms
        )
        if any(isinstance(item, Keep) for item in out):
            out += self.tell(BlockKept(want))
        return out


def test_an_untried_source_gets_one_block_first() -> None:
    desk = Desk()
    desk.source("a")
    desk.want(64)
    assert [len(r.wants) for r in desk.requests()] == [1]


def test_requests_grow_to_several_mib_of_neighbouring_blocks() -> None:
    desk = Desk(max_requests=1)
    desk.source("a")
    desk.want(200)
    sizes = []
    for _ in range(12):
        request = desk.requests()[-1]
        offsets = [w.offset for w in request.wants]
        assert offsets == list(range(offsets[0] or 0, (offsets[0] or 0) + len(offsets) * MIB, MIB))
        sizes.append(len(request.wants))
        desk.deliver(request, block_ms=3)
    assert sizes[0] == 1
    assert max(sizes) == 8
    assert sizes == sorted(sizes)


def test_a_slow_source_keeps_getting_small_requests() -> None:
    desk = Desk(max_requests=1)
    desk.source("a")
    desk.want(64)
    for _ in range(8):
        desk.deliver(desk.requests()[-1], block_ms=2_000)
    assert {len(r.wants) for r in desk.requests()} == {1}


def test_the_longer_the_way_the_larger_the_requests() -> None:
    near, far = Desk(max_requests=1), Desk(max_requests=1)
    for desk, latency_ms in ((near, 1), (far, 200)):
        desk.source("a")
        desk.tell(WantsAdded((Want(ROOT, 1_000),), is_urgent=True))
        desk.want(400)
        desk.now_ns += latency_ms * MS
        desk.deliver(desk.requests()[-1], block_ms=0)
        for _ in range(12):
            request = desk.requests()[-1]
            desk.now_ns += latency_ms * MS
            desk.deliver(request, block_ms=40)
    assert max(len(r.wants) for r in far.requests()) > 2 * max(
        len(r.wants) for r in near.requests()
    )


def test_nodes_that_lead_to_others_go_before_leaves() -> None:
    desk = Desk(max_requests=1)
    desk.source("a")
    desk.want(5)
    node = Want(Cid.of(b"node"))
    desk.tell(WantsAdded((node,), is_urgent=True))
    desk.deliver(desk.requests()[-1], block_ms=5)
    assert desk.requests()[-1].wants[0] == node


def test_an_idle_source_takes_over_the_untouched_end_of_a_slow_request() -> None:
    desk = Desk(max_requests=2, requests_per_source=1)
    desk.source("slow")
    desk.want(40)
    for _ in range(5):
        desk.deliver(desk.requests("slow")[-1], block_ms=3)
    slow = desk.requests("slow")[-1]
    assert len(slow.wants) >= 4
    desk.source("fast")
    desk.tell(Tick(), after_ms=1)
    while desk.requests("fast")[-1].wants[-1] not in slow.wants:
        desk.deliver(desk.requests("fast")[-1], block_ms=1)
    stolen = desk.requests("fast")[-1].wants
    assert stolen == slow.wants[-len(stolen) :]
    assert len(stolen) == len(slow.wants) // 2
    desk.deliver(desk.requests("fast")[-1], block_ms=1)
    for want in slow.wants[: -len(stolen)]:
        desk.arrive(slow, want, block_ms=1)
    assert Cancel(slow.number) in desk.all
    assert Done() in desk.all
    assert sum(isinstance(item, Keep) for item in desk.all) == 40


def test_the_last_block_is_raced_and_the_loser_cancelled() -> None:
    desk = Desk(requests_per_source=1, stall_s=1.0)
    desk.source("a")
    (want,) = desk.want(1)
    desk.source("b")
    assert len(desk.requests()) == 1
    desk.tell(Tick(), after_ms=1_500)
    first, second = desk.requests()
    assert second.wants == (want,)
    out = desk.arrive(second, want, block_ms=10)
    assert Cancel(first.number) in out
    assert Done() in out
    desk.arrive(first, want, block_ms=1)
    assert desk.core.parties["a"].duplicate_bytes == MIB
    assert sum(isinstance(item, Keep) for item in desk.all) == 1


def test_equal_sources_do_not_race() -> None:
    desk = Desk(requests_per_source=1)
    desk.source("a")
    desk.source("b")
    desk.want(6)
    for _ in range(6):
        for request in desk.requests():
            if request.number in desk.core.parties[request.source].flights:
                desk.deliver(request, block_ms=5)
    assert desk.core.raced_blocks == 0
    assert Done() in desk.all


def test_wrong_bytes_ban_at_once_and_the_block_comes_from_elsewhere() -> None:
    desk = Desk(requests_per_source=1)
    desk.source("liar")
    (want,) = desk.want(1)
    evidence = Evidence(want.cid, "ab" * 32, 17)
    out = desk.tell(BlockBad(desk.requests()[0].number, evidence))
    assert Ban("liar", evidence) in out
    assert isinstance(desk.all[-1], Failed)
    desk = Desk(requests_per_source=1)
    desk.source("liar")
    desk.want(1)
    desk.source("honest")
    out = desk.tell(BlockBad(desk.requests()[0].number, evidence))
    assert [r.source for r in desk.requests()] == ["liar", "honest"]
    desk.source("liar")
    desk.tell(Tick(), after_ms=60_000)
    assert len(desk.requests("liar")) == 1


def test_a_refusal_pauses_as_long_as_asked_and_failures_double_the_pause() -> None:
    desk = Desk(first_backoff_s=1.0, max_backoff_s=100.0, max_failures=10)
    desk.source("a")
    desk.want(1)
    desk.tell(RequestFailed(desk.requests()[-1].number, "429", retry_after_s=30.0))
    desk.tell(Tick(), after_ms=29_000)
    assert len(desk.requests()) == 1
    desk.tell(Tick(), after_ms=1_001)
    assert len(desk.requests()) == 2
    pauses = []
    for _ in range(4):
        before = desk.now_ns
        desk.tell(RequestFailed(desk.requests()[-1].number, "503"))
        pauses.append(desk.core.parties["a"].paused_until_ns - before)
        desk.now_ns = desk.core.parties["a"].paused_until_ns
        desk.tell(Tick())
    for doublings, pause in enumerate(pauses, start=1):
        assert 0.5 * 2**doublings <= pause / 1e9 <= 1.5 * 2**doublings


def test_a_source_that_asks_for_too_long_or_always_fails_is_given_up() -> None:
    desk = Desk(max_failures=2, max_retry_after_s=60.0)
    desk.source("a")
    desk.source("b")
    desk.want(1)
    desk.tell(RequestFailed(desk.requests()[-1].number, "come back later", retry_after_s=3600.0))
    for _ in range(2):
        desk.tell(Tick(), after_ms=100_000)
        desk.tell(RequestFailed(desk.requests()[-1].number, "reset by peer"))
    failed = desk.all[-1]
    assert isinstance(failed, Failed)
    assert "3600" in failed.reasons["a"]
    assert "reset by peer; 2 failures" in failed.reasons["b"]


def test_what_is_lacked_is_asked_again_only_after_it_was_announced() -> None:
    desk = Desk(linger_s=100.0)
    desk.source("peer", SourceKind.PEER)
    (want,) = desk.want(1)
    number = desk.requests()[-1].number
    desk.tell(RequestFailed(number, "404", missing=want.cid))
    desk.tell(Tick(), after_ms=10_000)
    assert len(desk.requests()) == 1
    desk.tell(Availability("peer", has=frozenset({want.cid.multihash})))
    assert len(desk.requests()) == 2


def test_what_was_announced_since_the_question_counts_for_more_than_its_answer() -> None:
    desk = Desk(linger_s=100.0, answers=False)
    desk.source("peer", SourceKind.PEER)
    got, gone, lacked = (want.cid.multihash for want in desk.want(3))
    (asked,) = (item for item in desk.all if isinstance(item, Ask))
    keys = frozenset(want.cid.multihash for want in asked.wants)
    desk.tell(Availability("peer", has=frozenset({got}), lacks=frozenset({gone})))
    assert [w.cid.multihash for r in desk.requests() for w in r.wants] == [got]
    desk.tell(
        Availability("peer", has=frozenset({gone}), lacks=frozenset({got, lacked}), asked=keys)
    )
    assert desk.core.parties["peer"].lacks == {gone, lacked}
    assert not desk.core.parties["peer"].asking
    desk.tell(Availability("peer", lacks=frozenset({got})))
    assert desk.core.parties["peer"].lacks == {got, gone, lacked}


def test_a_dear_source_is_left_alone_while_a_cheap_one_does() -> None:
    desk = Desk()
    desk.source("origin", SourceKind.GATEWAY)
    desk.source("peer", SourceKind.PEER)
    desk.want(40)
    for _ in range(4):
        desk.deliver(desk.requests("peer")[-1], block_ms=5)
    assert not desk.requests("origin")
    desk.tell(SourceRemoved("peer", "left"))
    assert desk.requests("origin")


def test_a_dear_source_helps_when_the_cheap_one_is_silent() -> None:
    desk = Desk(stall_s=1.0)
    desk.source("origin", SourceKind.GATEWAY)
    desk.source("peer", SourceKind.PEER)
    desk.want(4)
    assert not desk.requests("origin")
    desk.tell(Tick(), after_ms=1_100)
    assert desk.requests("origin")


def test_a_gate_holds_back_until_it_opens_or_held_too_long() -> None:
    opened: list[bool] = []
    desk = Desk(gate=lambda *_: bool(opened), hold_s=50.0)
    desk.source("a")
    desk.want(1)
    desk.tell(Tick(), after_ms=40_000)
    assert not desk.requests()
    opened.append(True)
    desk.tell(Tick(), after_ms=1)
    assert desk.requests()
    never = Desk(gate=lambda *_: False, hold_s=50.0)
    never.source("a")
    never.want(1)
    never.tell(Tick(), after_ms=49_000)
    assert not never.requests()
    never.tell(Tick(), after_ms=2_000)
    assert never.requests()


def test_what_a_request_did_not_deliver_goes_first() -> None:
    desk = Desk(max_requests=1)
    desk.source("a")
    desk.want(60)
    for _ in range(4):
        desk.deliver(desk.requests()[-1], block_ms=3)
    cut = desk.requests()[-1]
    assert len(cut.wants) > 2
    desk.deliver(cut, block_ms=3, count=1)
    desk.tell(RequestFailed(cut.number, "cut off"))
    desk.tell(Tick(), after_ms=60_000)
    assert desk.requests()[-1].wants[0] == cut.wants[1]


def test_a_source_that_ends_without_its_blocks_has_failed() -> None:
    desk = Desk(max_failures=1)
    desk.source("a")
    desk.want(1)
    desk.tell(RequestEnded(desk.requests()[-1].number))
    failed = desk.all[-1]
    assert isinstance(failed, Failed)
    assert "without its blocks" in failed.reasons["a"]
