from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.dag.unixfs import wrap_leaf
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources.hub import HubRevision, HubSource
from ipfs_accelerate.content.sources.ranges import OriginFile, RangeMap
from ipfs_accelerate.errors import (
    AccessDeniedError,
    ConnectivityError,
    ContentFormatError,
    ContentNotFoundError,
)
from ipfs_accelerate.testing.conformance.source import (
    Gap,
    GapKind,
    Receiver,
    SampleFile,
    SourceCase,
    SourceConformance,
    fetch,
    sample_file,
)
from ipfs_accelerate.testing.hub_server import Fault, HubServer, Repository, sha256

CONTENT = sample_file()


def ranges(content: SampleFile = CONTENT, *, path: str = "model.safetensors") -> RangeMap:
    origin = OriginFile(path, len(content.data), sha256(content.data), is_one_block=False)
    return RangeMap({content.layout.root: origin})


def source(hub: HubServer, **changes: object) -> HubSource:
    commit = hub.repositories["org/model"].commit
    revision = replace(HubRevision("org/model", commit, hub.endpoint), **changes)  # type: ignore[arg-type]
    return HubSource(revision, ranges(), token=False)


def get(made: HubSource, wants: list[Want]) -> Receiver:
    """Fetch and close."""
    receiver = Receiver()
    with closing(made):
        fetch(made, wants, receiver)
    return receiver


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({"org/model": Repository({"model.safetensors": CONTENT.data})}) as server:
        yield server


class TestHubSource(SourceConformance):
    @pytest.fixture
    def case(self, hub: HubServer) -> SourceCase:
        repository = hub.repositories["org/model"]

        def corrupt(cid: Cid) -> None:
            leaf = next(leaf for leaf in CONTENT.layout.leaves if leaf.cid == cid)
            hub.fail(Fault(flip_at=leaf.offset), path="/cdn/")

        return SourceCase(
            source(hub),
            CONTENT,
            silence=lambda: hub.fail(Fault(stall_at=0), times=99),
            corrupt=corrupt,
            stop=lambda: hub.fail(Fault(is_reset=True), times=99),
            has_interior=False,
            unreachable=HubSource(
                HubRevision("org/model", repository.commit, "http://127.0.0.1:9"), ranges()
            ),
            gaps={
                "test_blocks_arrive_by_name_alone": Gap(
                    GapKind.NEVER,
                    ContentNotFoundError,
                    "a hub has files: a leaf is found by its place in one",
                )
            },
        )


def test_neighbours_come_in_one_request(hub: HubServer) -> None:
    get(source(hub), CONTENT.wants)
    assert hub.count("/cdn/") == 1
    assert [r.range for r in hub.requests if "/cdn/" in r.path] == [
        f"bytes=0-{len(CONTENT.data) - 1}"
    ]


def test_the_token_goes_to_the_hub_and_not_to_its_cdn() -> None:
    repository = Repository({"model.safetensors": CONTENT.data}, token="hf_secret")
    with HubServer({"org/model": repository}) as hub:
        about = HubRevision("org/model", repository.commit, hub.endpoint)
        get(HubSource(about, ranges(), token="hf_secret"), CONTENT.wants[:1])
        sent = {("/cdn/" in r.path): r.authorization for r in hub.requests}
        assert sent == {False: "Bearer hf_secret", True: None}


def test_a_private_repository_asks_for_a_token() -> None:
    repository = Repository({"model.safetensors": CONTENT.data}, token="hf_secret", is_gated=True)
    with HubServer({"org/model": repository}) as hub, pytest.raises(AccessDeniedError) as caught:
        get(source(hub), CONTENT.wants[:1])
    assert "HF_TOKEN" in str(caught.value.hint)


def test_another_commit_is_not_the_release(hub: HubServer) -> None:
    with pytest.raises(ContentNotFoundError):
        get(source(hub, commit="f" * 40), CONTENT.wants[:1])
    assert not source(hub, commit="f" * 40).probe().usable


def test_a_file_with_another_sha256_is_refused_before_its_bytes(hub: HubServer) -> None:
    commit = hub.repositories["org/model"].commit
    hub.repositories["org/model"] = Repository(
        {"model.safetensors": bytes(len(CONTENT.data))}, commit=commit
    )
    receiver = Receiver()
    with closing(source(hub)) as made, pytest.raises(ContentFormatError, match="sha256"):
        fetch(made, CONTENT.wants, receiver)
    assert not receiver.got


def test_a_shorter_file_is_refused(hub: HubServer) -> None:
    commit = hub.repositories["org/model"].commit
    hub.repositories["org/model"] = Repository(
        {"model.safetensors": CONTENT.data[:100]}, commit=commit, lfs=frozenset()
    )
    with pytest.raises(ContentFormatError):
        get(source(hub), CONTENT.wants)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_says_when_to_come_back(hub: HubServer, status: int) -> None:
    hub.fail(Fault(status=status, headers={"Retry-After": "7"}))
    with pytest.raises(ConnectivityError) as caught:
        get(source(hub), CONTENT.wants)
    assert caught.value.details["retry_after_s"] == 7.0


@pytest.mark.parametrize("fault", [Fault(cut_at=30_000), Fault(is_reset=True)])
def test_a_cut_keeps_what_came_and_names_no_signed_address(hub: HubServer, fault: Fault) -> None:
    hub.fail(fault, path="/cdn/")
    receiver = Receiver()
    with closing(source(hub)) as made, pytest.raises(ConnectivityError) as caught:
        fetch(made, CONTENT.wants, receiver)
    assert len(receiver.got) == (fault.cut_at or 0) // 20_000
    assert "signature" not in str(caught.value)


def test_wrapped_leaves_are_wrapped_again() -> None:
    data = bytes(range(256)) * 100
    block = wrap_leaf(data)
    root = Cid.of(block, codec=0x70, version=0)
    repository = Repository({"a.txt": data})
    with HubServer({"org/model": repository}) as hub:
        origin = OriginFile("a.txt", len(data), sha256(data), is_one_block=True)
        about = HubRevision("org/model", repository.commit, hub.endpoint)
        receiver = get(HubSource(about, RangeMap({root: origin}), token=False), [Want(root)])
    assert receiver.got == {root: block}


def test_an_empty_file_needs_no_request(hub: HubServer) -> None:
    root = Cid.of(b"")
    origin = OriginFile("empty.txt", 0, sha256(b""), is_one_block=True)
    about = HubRevision("org/model", "0" * 40, hub.endpoint)
    receiver = get(HubSource(about, RangeMap({root: origin}), token=False), [Want(root)])
    assert receiver.got == {root: b""}
    assert not hub.requests


def test_long_spans_are_cut_and_gaps_are_not_fetched() -> None:
    table, wants = ranges(), CONTENT.wants
    spans = list(table.spans([*wants[:4], *wants[6:]], longest_bytes=50_000))
    assert [len(span.pieces) for span in spans] == [2, 2, 2, 2, 2]
    assert [(span.start, span.end) for span in spans[:3]] == [
        (0, 40_000), (40_000, 80_000), (120_000, 160_000)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [
        {"offset": -1}, {"offset": 10**9}, {"size_bytes": 10**9}, {"offset": None},
        {"size_bytes": None}, {"file": Cid.of(b"other")}, {"size_bytes": -5},
    ],
)  # fmt: skip
def test_a_place_outside_of_the_file_is_nowhere(lie: dict[str, object]) -> None:
    want = replace(CONTENT.wants[1], **lie)  # type: ignore[arg-type]
    assert ranges().locate(want) is None


def test_cancelling_between_requests_ends_quietly(hub: HubServer) -> None:
    cancel = threading.Event()
    cancel.set()
    fetch(source(hub), CONTENT.wants, Receiver(), cancel=cancel)
    assert not hub.requests
