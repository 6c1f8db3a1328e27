"""What a gateway may send without getting anything past the client."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    BlockMismatchError,
    ConnectivityError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    InputError,
)
from ipfs_accelerate.testing.conformance.source import Receiver, SampleFile, sample_file
from ipfs_accelerate.testing.gateway_server import FakeGateway, GatewayFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.sources import Want


@pytest.fixture
def content() -> SampleFile:
    return sample_file()


@pytest.fixture
def server(content: SampleFile) -> Iterator[FakeGateway]:
    with FakeGateway(content.blocks, [content.layout]) as made:
        yield made


@pytest.fixture
def source(server: FakeGateway) -> Iterator[GatewaySource]:
    made = GatewaySource(server.url, token="secret-token")
    yield made
    made.close()


def fetch(source: GatewaySource, wants: list[Want], timeout_s: float = 0.6) -> Receiver:
    receiver = Receiver()
    source.fetch(wants, receiver, cancel=threading.Event(), timeout_s=timeout_s)
    return receiver


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (GatewayFault(flip_at=3), BlockMismatchError),
        (GatewayFault(cut_at=10), ConnectivityError),
        (GatewayFault(stall_at=10), ConnectivityError),
        (GatewayFault(drip_at=10), ConnectivityError),
        (GatewayFault(announce=10), BlockMismatchError),
        (GatewayFault(announce=MAX_BLOCK_BYTES + 1), ContentLimitError),
        (GatewayFault(announce=10**15), ContentLimitError),
        (GatewayFault(announce=100_000), ConnectivityError),
        (GatewayFault(is_reset=True), ConnectivityError),
        (GatewayFault(status=404), ContentNotFoundError),
        (GatewayFault(status=410), ContentNotFoundError),
        (GatewayFault(status=451), ContentNotFoundError),
        (GatewayFault(status=401), AccessDeniedError),
        (GatewayFault(status=403), AccessDeniedError),
        (GatewayFault(status=400), ContentFormatError),
        (GatewayFault(status=204), ContentFormatError),
        (GatewayFault(status=500), ConnectivityError),
        (GatewayFault(status=504), ConnectivityError),
    ],
    ids=str,
)
def test_a_bad_answer_for_a_block_is_an_error_of_its_kind(
    source: GatewaySource,
    server: FakeGateway,
    content: SampleFile,
    fault: GatewayFault,
    error: type[AccelerateError],
) -> None:
    server.fail(fault)
    with pytest.raises(error):
        fetch(source, content.wants[:1])
    assert len(fetch(source, content.wants).got) == 12, "it does not recover"


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://127.0.0.2:1/x",
        "http://example.invalid/x",
        "//evil.invalid/x",
        "gopher://127.0.0.1",
        "http://[::bad",
    ],
)
def test_redirects_to_other_schemes_and_operators_are_refused(
    source: GatewaySource, server: FakeGateway, content: SampleFile, location: str
) -> None:
    server.fail(GatewayFault(status=302, headers={"Location": location}))
    with pytest.raises(ContentFormatError, match="redirects"):
        fetch(source, content.wants[:1])


def test_redirects_in_circles_end(
    source: GatewaySource, server: FakeGateway, content: SampleFile
) -> None:
    server.fail(GatewayFault(status=307, headers={"Location": "/ipfs/loop"}), times=99)
    with pytest.raises(ContentFormatError, match="redirects"):
        fetch(source, content.wants[:1])
    assert len(server.requests) == 6


def test_a_redirect_on_the_same_host_is_followed(
    source: GatewaySource, server: FakeGateway, content: SampleFile
) -> None:
    want = content.wants[0]
    location = f"/ipfs/{want.cid}?format=raw&again=1"
    server.fail(GatewayFault(status=301, headers={"Location": location}))
    assert set(fetch(source, [want]).got) == {want.cid}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT", "Date": "Wed, 21 Oct 2099 07:27:00 GMT"},
         None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_retry_after_is_read_and_nonsense_is_not(
    source: GatewaySource,
    server: FakeGateway,
    content: SampleFile,
    headers: dict[str, str],
    seconds: float | None,
) -> None:
    server.fail(GatewayFault(status=429, headers=headers))
    with pytest.raises(ConnectivityError) as caught:
        fetch(source, content.wants[:1])
    found = caught.value.details["retry_after_s"]
    if seconds is None:
        assert found is None or found > 0
    else:
        assert found == seconds


@pytest.mark.parametrize(
    "fault",
    [
        GatewayFault(extra=tuple((Cid.of(bytes([i])), b"x" * 2_000_000) for i in range(9))),
        GatewayFault(extra=((Cid.of(b"big"), b"x" * (MAX_BLOCK_BYTES + 1)),)),
        GatewayFault(extra=((Cid(b"\x07nonsense-cid"), b"x"),)),
        GatewayFault(flip_at=1),
    ],
    ids=["too-much-unasked", "too-large-block", "no-cid", "no-header"],
)
def test_cars_that_are_none_are_refused(
    source: GatewaySource, server: FakeGateway, content: SampleFile, fault: GatewayFault
) -> None:
    server.fail(fault, path="format=car")
    with pytest.raises((ContentFormatError, BlockMismatchError)):
        fetch(source, content.wants, timeout_s=5.0)


@pytest.mark.parametrize("at", [1, 30, 100, 2_000, 30_000])
def test_a_cut_car_is_a_cut_and_what_came_before_counts(
    source: GatewaySource, server: FakeGateway, content: SampleFile, at: int
) -> None:
    server.fail(GatewayFault(cut_at=at), path="format=car")
    receiver = Receiver()
    with pytest.raises(ConnectivityError):
        source.fetch(content.wants, receiver, cancel=threading.Event(), timeout_s=2.0)
    assert len(receiver.got) == max(0, (at - 1_000) // 20_000)


def test_a_left_out_block_is_named(
    source: GatewaySource, server: FakeGateway, content: SampleFile
) -> None:
    left_out = content.wants[4].cid
    server.fail(GatewayFault(omit=frozenset({left_out})), path="format=car")
    with pytest.raises(ContentNotFoundError) as caught:
        fetch(source, content.wants)
    assert caught.value.details["cid"] == str(left_out)


def test_the_token_goes_to_the_gateway_and_into_no_message(content: SampleFile) -> None:
    with FakeGateway(content.blocks, [content.layout], token="secret-token") as server:
        with_token = GatewaySource(server.url, token="secret-token")
        without = GatewaySource(server.url)
        assert len(fetch(with_token, content.wants).got) == 12
        with pytest.raises(AccessDeniedError):
            fetch(without, content.wants)
        server.fail(GatewayFault(status=500))
        with pytest.raises(ConnectivityError) as caught:
            fetch(with_token, content.wants)
        assert "secret-token" not in str(caught.value.to_dict())
        with_token.close()
        without.close()


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:8080", "http://user:pw@host", "http://h/?a=b", "", "file:///x"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        GatewaySource(url)
