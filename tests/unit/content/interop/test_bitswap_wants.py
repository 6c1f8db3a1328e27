from __future__ import annotations

import threading

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.content.sources._bitswap_wants import Round, Waiter, WantList
from ipfs_accelerate.content.sources._bitswap_wire import Answer, Ask
from ipfs_accelerate.content.sources._libp2p import MAX_MESSAGE_BYTES, Frames
from ipfs_accelerate.errors import BlockMismatchError, ContentNotFoundError

DATA = [b"block %d" % i for i in range(10)]
CIDS = [Cid.of(data) for data in DATA]


def block(data: bytes) -> Answer:
    return Answer(Cid.of(data).multihash, data, is_present=True)


def presence(cid: Cid, *, is_present: bool) -> Answer:
    return Answer(cid.multihash, None, is_present=is_present)


def waiter(*, is_have: bool = False) -> tuple[Waiter, list[Answer]]:
    told: list[Answer] = []
    return Waiter(told.append, is_have=is_have), told


def test_a_block_reaches_everyone_who_wants_it_and_is_cancelled_once() -> None:
    wants, (a, told_a), (b, told_b) = WantList(), waiter(), waiter()
    assert wants.ask(a, CIDS[:2]) == [Ask(CIDS[0]), Ask(CIDS[1])]
    wants.ask(b, CIDS[:1])
    assert wants.take([block(DATA[0])]) == [Ask(CIDS[0], is_cancel=True)]
    assert told_a == told_b == [block(DATA[0])]


def test_a_block_that_comes_twice_is_dropped_the_second_time() -> None:
    wants, (a, told) = WantList(), waiter()
    wants.ask(a, CIDS[:2])
    wants.take([block(DATA[0])])
    assert wants.take([block(DATA[0])]) == []
    assert len(told) == 1


def test_a_late_block_is_not_blamed_on_who_asks_for_another() -> None:
    wants, (a, _), (b, told) = WantList(), waiter(), waiter()
    wants.ask(a, CIDS[:1])
    assert wants.leave(a) == [Ask(CIDS[0], is_cancel=True)]
    wants.ask(b, CIDS[1:2])
    wants.take([block(DATA[0])])
    assert not told


def test_bytes_nobody_ever_asked_for_are_shown_to_who_waits_for_bytes() -> None:
    wants, (a, told), (b, told_have) = WantList(), waiter(), waiter(is_have=True)
    wants.ask(a, CIDS[:1])
    wants.ask(b, CIDS[1:2])
    wants.take([block(b"wrong")])
    assert told == [block(b"wrong")]
    assert not told_have


def test_what_another_still_wants_is_not_cancelled() -> None:
    wants, (a, _), (b, _) = WantList(), waiter(), waiter()
    wants.ask(a, CIDS[:2])
    wants.ask(b, CIDS[1:2])
    assert wants.leave(a) == [Ask(CIDS[0], is_cancel=True)]
    assert wants.is_wanted(CIDS[1])
    assert not wants.is_wanted(CIDS[0])


def test_a_statement_of_presence_ends_a_question_but_not_a_want() -> None:
    wants, (a, told_a), (b, told_b) = WantList(), waiter(), waiter(is_have=True)
    wants.ask(a, CIDS[:1])
    wants.ask(b, CIDS[:1])
    assert wants.take([presence(CIDS[0], is_present=True)]) == []
    assert wants.is_wanted(CIDS[0])
    assert not b.wanted
    assert len(told_a) == len(told_b) == 1


def fetch_round(count: int, window: int) -> Round:
    return Round([Want(cid) for cid in CIDS[:count]], window)


def test_the_window_is_filled_again_when_half_of_it_has_arrived() -> None:
    round_, got = fetch_round(10, 4), []
    assert round_.next_cids() == CIDS[:4]
    assert round_.next_cids() == []
    round_.take(block(DATA[0]), lambda _, d: got.append(d), threading.Event())
    assert round_.next_cids() == []
    round_.take(block(DATA[1]), lambda _, d: got.append(d), threading.Event())
    assert round_.next_cids() == CIDS[4:6]
    assert got == DATA[:2]


def test_a_window_of_one_asks_for_one_block_at_a_time() -> None:
    round_ = fetch_round(3, 1)
    for i in range(3):
        assert round_.next_cids() == [CIDS[i]]
        round_.take(block(DATA[i]), lambda *_: None, threading.Event())
    assert not round_.is_open


def test_a_block_wanted_at_two_places_is_asked_for_once_and_delivered_twice() -> None:
    twice = [Want(CIDS[0], offset=0), Want(CIDS[0], offset=7)]
    round_, got = Round(twice, 8), []
    assert round_.next_cids() == [CIDS[0]]
    round_.take(block(DATA[0]), lambda w, _: got.append(w), threading.Event())
    assert got == twice
    assert not round_.is_open


def test_wrong_bytes_are_offered_as_the_block_wanted_longest() -> None:
    round_ = fetch_round(3, 8)
    round_.next_cids()
    round_.take(block(DATA[0]), lambda *_: None, threading.Event())
    with pytest.raises(BlockMismatchError, match=str(CIDS[1])):
        round_.take(block(b"wrong"), lambda w, d: w.cid.verify(d), threading.Event())


def test_a_denied_block_is_named() -> None:
    round_ = fetch_round(2, 8)
    round_.next_cids()
    with pytest.raises(ContentNotFoundError) as caught:
        round_.take(presence(CIDS[1], is_present=False), lambda *_: None, threading.Event())
    assert caught.value.details["cid"] == str(CIDS[1])


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_messages_are_cut_wherever_the_stream_is_cut(step: int) -> None:
    messages = [b"", b"a", b"b" * 127, b"c" * 128, b"d" * 400]
    stream = b"".join(
        bytes([len(m)]) + m if len(m) < 128 else bytes([len(m) & 127 | 128, len(m) >> 7]) + m
        for m in messages
    )
    frames, got = Frames(), []
    for start in range(0, len(stream), step):
        got += frames.feed(stream[start : start + step])
    assert got == messages


@pytest.mark.parametrize(
    "head", [b"\xff\xff\xff\xff\xff", b"\xff\xff\xff\x7f", (b"\x80" * 4 + b"\x01")]
)
def test_a_length_beyond_the_limit_is_refused_before_any_byte_of_it(head: bytes) -> None:
    assert MAX_MESSAGE_BYTES < 2**23
    with pytest.raises(ValueError, match="message"):
        Frames().feed(head)
