"""Server-sent events as the specification reads them, JSON lines, durations in headers."""

import pytest

from ipfs_accelerate.errors import MalformedAnswerError
from ipfs_accelerate.gateway.wire import NdjsonParser, SseEvent, SseParser, duration_s


def events(data: bytes) -> list[tuple[str, str, str]]:
    return [tuple(event) for event in SseParser().feed(data)]


def test_lines_of_data_are_joined_and_comments_skipped():
    stream = b": hello\ndata: YHOO\ndata: +2\ndata:10\n\n"
    assert events(stream) == [("YHOO\n+2\n10", "message", "")]


def test_only_one_space_after_the_colon_is_dropped():
    assert events(b"data:  third\n\n") == [(" third", "message", "")]


def test_a_field_without_a_colon_has_an_empty_value():
    assert events(b"data\n\ndata\ndata\n\ndata:") == [("", "message", ""), ("\n", "message", "")]


def test_the_id_is_kept_and_reset_and_the_type_is_not():
    stream = b"data: a\nid: 1\nevent: x\n\ndata: b\n\ndata: c\nid\n\n"
    assert events(stream) == [("a", "x", "1"), ("b", "message", "1"), ("c", "message", "")]


def test_a_type_without_data_is_no_event():
    assert events(b"event: x\n\ndata: a\n\n") == [("a", "message", "")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_kind_of_line_end(end):
    assert events(b"data: a" + end + end + b"data: b" + end + end)[1] == ("b", "message", "")


def test_a_byte_order_mark_is_skipped_even_when_it_is_cut():
    parser = SseParser()
    found = [e for piece in (b"\xef", b"\xbb", b"\xbfdata: a\n\n") for e in parser.feed(piece)]
    assert found == [SseEvent("a")]


def test_what_only_begins_like_a_byte_order_mark_is_kept():
    parser = SseParser()
    assert list(parser.feed(b"\xef\xbb")) == []
    assert parser.is_inside
    assert list(parser.feed(b"x\n\ndata: a\n\n")) == [SseEvent("a")]


def test_the_pause_for_a_reconnection_is_noted_when_it_is_a_number():
    parser = SseParser()
    list(parser.feed(b"retry: 1500\nretry: soon\nretry: \xd9\xa3\n\n"))
    assert parser.retry_ms == 1500


def test_an_event_before_a_bad_one_is_delivered_first():
    found = []
    with pytest.raises(MalformedAnswerError):
        found.extend(SseParser().feed(b"data: a\n\ndata: \xff\n\n"))
    assert found == [SseEvent("a")]


def test_json_lines_skip_empty_ones_and_keep_the_last():
    parser = NdjsonParser()
    assert list(parser.feed(b'{"a":1}\r\n\r\n{"b":2}\n {"c"')) == [b'{"a":1}', b'{"b":2}']
    assert parser.rest() == b'{"c"'


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("120ms", 0.12),
        ("1h2m3s", 3723.0),
        ("7.66s", 7.66),
        ("12", 12.0),
        ("1d", 86400.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("1m-2s", None),
        ("1s junk", None),
        ("٣s", None),
        ("nan", None),
    ],
)
def test_durations(text, seconds):
    assert duration_s(text) == pytest.approx(seconds) if seconds else duration_s(text) is None
