"""Properties of the wire's formats: how bytes are cut changes nothing, and nothing grows."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.errors import MalformedAnswerError
from ipfs_accelerate.gateway.wire import (
    NdjsonParser,
    SseEvent,
    SseParser,
    duration_s,
    retry_after_s,
)

ALPHABET = [
    b"data:",
    b"data: ",
    b"event: x",
    b"id: 7",
    b"id:\0",
    b"retry: 30",
    b": note",
    b"a",
    b" ",
]
ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"]
streams = st.lists(
    st.sampled_from([*ALPHABET, *ENDS, "ä€😀".encode(), b"\xef\xbb\xbf", b"\xff"])
).map(b"".join)


@st.composite
def cut(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    data = draw(source)
    places = sorted(draw(st.sets(st.integers(0, len(data)), max_size=12)))
    bounds = [0, *places, len(data)]
    return data, [data[a:b] for a, b in itertools.pairwise(bounds)]


def sse(pieces: list[bytes], most_bytes: int = 10_000) -> tuple[list[SseEvent], str, int | None]:
    parser = SseParser(most_bytes)
    found: list[SseEvent] = []
    outcome = "open"
    try:
        for data in pieces:
            found.extend(parser.feed(data))
        outcome = "inside" if parser.is_inside else "between"
    except MalformedAnswerError as error:
        outcome = error.message
    return found, outcome, parser.retry_ms


def by_the_letter(data: bytes) -> list[SseEvent]:
    """The specification's algorithm on a whole stream."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found, last_id, values, kind = [], "", [], ""
    for line in text.split("\n")[:-1]:
        if not line:
            if values:
                found.append(SseEvent("\n".join(values), kind or "message", last_id))
            values, kind = [], ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            values.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return found


@given(cut(streams))
def test_events_are_the_same_however_the_bytes_are_cut(case):
    data, pieces = case
    assert sse(pieces) == sse([data])


@given(streams.filter(lambda data: b"\xff" not in data))
def test_events_are_those_of_the_specification(data):
    assert sse([data])[0] == by_the_letter(data)


@given(cut(streams), st.integers(1, 40))
def test_a_bound_is_met_at_the_same_event_however_the_bytes_are_cut(case, most_bytes):
    data, pieces = case
    whole, parts = sse([data], most_bytes), sse(pieces, most_bytes)
    shorter = min(len(whole[0]), len(parts[0]))
    assert whole[0][:shorter] == parts[0][:shorter]
    for event in whole[0]:
        assert len(event.data.encode()) <= most_bytes


@given(cut(st.binary()))
def test_json_lines_are_the_same_however_the_bytes_are_cut(case):
    data, pieces = case
    outcomes = []
    for parts in (pieces, [data]):
        parser = NdjsonParser()
        lines = [line for piece in parts for line in parser.feed(piece)]
        outcomes.append((lines, parser.rest()))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("piece", [b"x", b"data: x\n", b": x"])
def test_memory_is_bounded_when_no_event_ends(piece):
    parser = SseParser(1000)
    with pytest.raises(MalformedAnswerError):
        feed_for_ever(parser, piece)


def feed_for_ever(parser: SseParser, piece: bytes) -> None:
    for _ in range(10_000):
        list(parser.feed(piece))


@given(st.text(max_size=40) | st.from_regex(r"[0-9.]{0,9}(h|m|s|ms|d)?[0-9.]*s?", fullmatch=True))
def test_headers_of_time_are_numbers_or_nothing(text):
    found = duration_s(text)
    assert found is None or 0 <= found < 1e18
    waited = retry_after_s(text, now_s=1.7e9)
    assert waited is None or waited >= 0
