"""The suite every source of blocks passes: subclass `SourceConformance`, give it a ``case``.

A source that cannot do something names the test in `SourceCase.gaps`; the gap is strict: the test
must fail with that very exception, and a gap that closed is an error too.

Example::

    class TestMySource(SourceConformance):
        @pytest.fixture
        def case(self):
            content = sample_file()
            with MyFakeServer(content.blocks) as server:
                yield SourceCase(MySource(server.url), content, silence=server.be_silent, …)
"""

# ruff: noqa: D102 — the name of a test is its claim

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest

from ipfs_accelerate.content import Cid, Codec, FileLayout, Leaf
from ipfs_accelerate.content.dag import unixfs
from ipfs_accelerate.content.dag.pb import Link, Node
from ipfs_accelerate.content.dag.pb import encode as encode_pb
from ipfs_accelerate.content.sources import Source, SourceKind, Want
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ConnectivityError,
    ContentNotFoundError,
)
from ipfs_accelerate.hardware import Support
from ipfs_accelerate.telemetry import MonotonicClock
from ipfs_accelerate.testing.conformance.runtime import Gap, GapKind

__all__ = ["Gap", "GapKind", "SampleFile", "SourceCase", "SourceConformance", "sample_file"]

_PATIENT_S = 10.0
_PROMPT_NS = 1_000_000_000


@dataclass(frozen=True)
class SampleFile:
    """A UnixFS file with one node above its leaves.

    Attributes:
        data: Its bytes.
        layout: Its leaves.
        blocks: Every block, the root included.
    """

    data: bytes
    layout: FileLayout
    blocks: Mapping[Cid, bytes]

    @property
    def wants(self) -> list[Want]:
        """Every leaf, in order, with all hints."""
        root = self.layout.root
        return [Want(x.cid, x.size_bytes, root, x.offset) for x in self.layout.leaves]

    @property
    def bare_wants(self) -> list[Want]:
        """Every leaf by its name alone."""
        return [Want(leaf.cid) for leaf in self.layout.leaves]


def sample_file(leaves: int = 12, leaf_bytes: int = 20_000, *, seed: int = 0) -> SampleFile:
    """A file of random bytes in raw leaves, the last of them shorter."""
    size = leaves * leaf_bytes - leaf_bytes // 3
    data = np.random.default_rng(seed).bytes(size)
    made: list[Leaf] = []
    blocks: dict[Cid, bytes] = {}
    for offset in range(0, size, leaf_bytes):
        part = data[offset : offset + leaf_bytes]
        cid = Cid.of(part)
        made.append(Leaf(cid, offset, len(part)))
        blocks[cid] = part
    sizes = tuple(leaf.size_bytes for leaf in made)
    payload = unixfs.encode(unixfs.UnixNode(unixfs.Kind.FILE, size_bytes=size, block_sizes=sizes))
    links = tuple(Link("", leaf.cid, leaf.size_bytes) for leaf in made)
    node = encode_pb(Node(links, payload))
    root = Cid.of(node, codec=Codec.DAG_PB)
    blocks[root] = node
    return SampleFile(data, FileLayout(root, size, tuple(made), (root,)), blocks)


@dataclass
class SourceCase:
    """One source that holds a sample, and handles to disturb it. It is used by one test only.

    Attributes:
        source: The source.
        content: What it holds.
        silence: From now on its other side takes requests and sends nothing.
        corrupt: From now on its other side sends wrong bytes of the right length for a block.
        stop: Its other side goes away.
        connections: How many connections its other side sees; counted in this process if ``None``.
        has_interior: It holds the nodes above the leaves too.
        is_ordered: It delivers in the order of the wants.
        unreachable: A source of this kind whose other side never was there.
        gaps: Name of a test → why it fails.
    """

    source: Source
    content: SampleFile
    silence: Callable[[], None] | None = None
    corrupt: Callable[[Cid], None] | None = None
    stop: Callable[[], None] | None = None
    connections: Callable[[], int] | None = None
    has_interior: bool = True
    is_ordered: bool = True
    unreachable: Source | None = None
    gaps: Mapping[str, Gap] = field(default_factory=dict)


class Receiver:
    """Takes blocks as the scheduler does: verifies, then keeps them."""

    def __init__(self) -> None:
        self.got: dict[Cid, bytes] = {}
        self.order: list[Want] = []
        self._lock = threading.Lock()

    def __call__(self, want: Want, data: bytes | memoryview) -> None:
        want.cid.verify(data)
        with self._lock:
            self.order.append(want)
            self.got[want.cid] = bytes(data)


class Refused(Exception):  # noqa: N818
    """Raised by a receiver of the suite."""


def fetch(
    source: Source,
    wants: list[Want],
    deliver: Callable[[Want, bytes | memoryview], None],
    *,
    cancel: threading.Event | None = None,
    timeout_s: float = _PATIENT_S,
) -> None:
    """`Source.fetch` with an event of its own."""
    source.fetch(wants, deliver, cancel=cancel or threading.Event(), timeout_s=timeout_s)


class SourceConformance:
    """Give it a function-scoped fixture ``case`` that yields a `SourceCase`."""

    @pytest.fixture(autouse=True)
    def _declared_gap(self, request: pytest.FixtureRequest, case: SourceCase) -> Iterator[None]:
        gap = case.gaps.get(request.node.originalname)
        if gap is not None:
            request.applymarker(
                pytest.mark.xfail(
                    raises=gap.raises, strict=True, reason=f"{gap.kind}: {gap.reason}"
                )
            )
        yield
        case.source.close()

    # What it says about itself

    def test_it_names_itself_and_its_kind(self, case: SourceCase) -> None:
        assert isinstance(case.source.kind, SourceKind)
        assert case.source.name.startswith(f"{case.source.kind}:")

    def test_a_probe_finds_it_usable(self, case: SourceCase) -> None:
        found = case.source.probe()
        assert isinstance(found, Support)
        assert found.usable, found.reason

    def test_a_probe_of_nobody_says_why_and_never_raises(self, case: SourceCase) -> None:
        if case.unreachable is None:
            pytest.skip("this source cannot be out of reach")
        found = case.unreachable.probe()
        case.unreachable.close()
        assert not found.usable
        assert found.reason

    def test_available_answers_for_every_want_and_never_denies_what_is_there(
        self, case: SourceCase
    ) -> None:
        absent = Want(Cid.of(b"nobody has this"))
        found = case.source.available([*case.content.wants, absent])
        assert len(found) == len(case.content.wants) + 1
        assert False not in found[:-1]
        assert found[-1] is not True

    # What it delivers

    def test_every_block_arrives_once_and_whole(self, case: SourceCase) -> None:
        receiver = Receiver()
        fetch(case.source, case.content.wants, receiver)
        assert sorted(w.offset or 0 for w in receiver.order) == [
            leaf.offset for leaf in case.content.layout.leaves
        ]
        joined = b"".join(receiver.got[leaf.cid] for leaf in case.content.layout.leaves)
        assert joined == case.content.data

    def test_blocks_arrive_by_name_alone(self, case: SourceCase) -> None:
        receiver = Receiver()
        fetch(case.source, case.content.bare_wants, receiver)
        assert len(receiver.got) == len(case.content.layout.leaves)

    def test_an_interior_node_arrives(self, case: SourceCase) -> None:
        if not case.has_interior:
            pytest.skip("this source holds leaves only")
        receiver = Receiver()
        fetch(case.source, [Want(case.content.layout.root)], receiver)
        assert receiver.got == {
            case.content.layout.root: case.content.blocks[case.content.layout.root]
        }

    def test_blocks_arrive_in_the_order_asked_for(self, case: SourceCase) -> None:
        if not case.is_ordered:
            pytest.skip("this source promises no order")
        wants = [*case.content.wants[6:], *case.content.wants[:3]]
        receiver = Receiver()
        fetch(case.source, wants, receiver)
        assert receiver.order == wants

    def test_nothing_that_was_not_asked_for_is_delivered(self, case: SourceCase) -> None:
        wants = case.content.wants[2:5] + case.content.wants[8:9]
        receiver = Receiver()
        fetch(case.source, wants, receiver)
        assert sorted(w.offset or 0 for w in receiver.order) == [w.offset or 0 for w in wants]

    def test_no_wants_are_done_at_once(self, case: SourceCase) -> None:
        receiver = Receiver()
        fetch(case.source, [], receiver)
        assert not receiver.got

    def test_it_serves_several_threads_at_once(self, case: SourceCase) -> None:
        receivers = [Receiver() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(fetch, case.source, case.content.wants, r) for r in receivers]:
                done.result()
        assert all(len(r.got) == len(case.content.layout.leaves) for r in receivers)

    # What it does when things go wrong

    def test_a_block_it_lacks_is_named(self, case: SourceCase) -> None:
        absent = Want(Cid.of(b"nobody has this"))
        receiver = Receiver()
        with pytest.raises(ContentNotFoundError) as caught:
            fetch(case.source, [case.content.wants[0], absent], receiver)
        assert caught.value.details["cid"] == str(absent.cid)
        assert set(receiver.got) <= {case.content.wants[0].cid}

    def test_what_the_receiver_raises_passes_through_and_it_still_works(
        self, case: SourceCase
    ) -> None:
        with pytest.raises(Refused):
            fetch(case.source, case.content.wants, _refuse)
        receiver = Receiver()
        fetch(case.source, case.content.wants, receiver)
        assert len(receiver.got) == len(case.content.layout.leaves)

    def test_wrong_bytes_are_handed_on_for_the_receiver_to_refuse(self, case: SourceCase) -> None:
        if case.corrupt is None:
            pytest.skip("the other side of this source cannot be made to lie")
        bad = case.content.layout.leaves[3].cid
        case.corrupt(bad)
        receiver = Receiver()
        with pytest.raises(BlockMismatchError) as caught:
            fetch(case.source, case.content.wants, receiver)
        assert caught.value.details["cid"] == str(bad)
        assert bad not in receiver.got

    def test_silence_ends_at_the_time_out(self, case: SourceCase) -> None:
        if case.silence is None:
            pytest.skip("the other side of this source cannot be silenced")
        case.silence()
        start_ns = MonotonicClock.now_ns()
        with pytest.raises(ConnectivityError):
            fetch(case.source, case.content.wants, Receiver(), timeout_s=0.4)
        assert MonotonicClock.now_ns() - start_ns < 5 * _PROMPT_NS

    def test_an_other_side_that_went_away_is_an_error_of_connectivity(
        self, case: SourceCase
    ) -> None:
        if case.stop is None:
            pytest.skip("the other side of this source cannot go away")
        fetch(case.source, case.content.wants[:1], Receiver())
        case.stop()
        with pytest.raises(ConnectivityError):
            fetch(case.source, case.content.wants, Receiver(), timeout_s=1.0)

    # How it ends

    def test_a_cancel_set_before_delivers_nothing(self, case: SourceCase) -> None:
        cancel = threading.Event()
        cancel.set()
        receiver = Receiver()
        fetch(case.source, case.content.wants, receiver, cancel=cancel)
        assert not receiver.got

    def test_a_cancel_during_the_first_block_delivers_little_more(self, case: SourceCase) -> None:
        cancel = threading.Event()
        receiver = Receiver()

        def take(want: Want, data: bytes | memoryview) -> None:
            receiver(want, data)
            cancel.set()

        fetch(case.source, case.content.wants, take, cancel=cancel)
        assert 1 <= len(receiver.order) < len(case.content.wants)

    def test_a_cancel_ends_a_silent_wait_within_a_second(self, case: SourceCase) -> None:
        if case.silence is None:
            pytest.skip("the other side of this source cannot be silenced")
        case.silence()
        cancel = threading.Event()
        timer = threading.Timer(0.2, cancel.set)
        timer.start()
        start_ns = MonotonicClock.now_ns()
        try:
            fetch(case.source, case.content.wants, Receiver(), cancel=cancel)
        finally:
            timer.join()
        assert MonotonicClock.now_ns() - start_ns < _PROMPT_NS + 200_000_000

    def test_closing_frees_the_connections_and_may_be_repeated(self, case: SourceCase) -> None:
        count = case.connections or _own_connections
        before = count()
        fetch(case.source, case.content.wants, Receiver())
        case.source.close()
        case.source.close()
        assert _settles(lambda: count() <= before), f"{count()} connections, {before} before"

    def test_an_error_frees_the_connection_it_happened_on(self, case: SourceCase) -> None:
        count = case.connections or _own_connections
        before = count()
        for _ in range(3):
            with pytest.raises((Refused, AccelerateError)):
                fetch(case.source, case.content.wants, _refuse)
        case.source.close()
        assert _settles(lambda: count() <= before), f"{count()} connections, {before} before"


def _refuse(want: Want, data: bytes | memoryview) -> None:  # noqa: ARG001 — a `Deliver`
    raise Refused


def _own_connections() -> int:
    found = psutil.Process().net_connections(kind="inet")
    return sum(c.status == psutil.CONN_ESTABLISHED for c in found)


def _settles(is_so: Callable[[], bool], *, tries: int = 60) -> bool:
    """Whether something comes true soon; the other side notices a closed socket when it does."""
    pause = threading.Event()
    return any(is_so() or pause.wait(0.05) for _ in range(tries)) or is_so()
