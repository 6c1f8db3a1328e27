from __future__ import annotations

import numpy as np

from ipfs_accelerate.content.peers.announcements import Announcements
from ipfs_accelerate.content.peers.wire import BEAT, Record, State, read_line
from ipfs_accelerate.content.serving._bodies import PieceSource

HAVE = np.array([True, False, False])


def told(announcements: Announcements) -> PieceSource:
    return PieceSource(announcements.listen())


def next_line(source: PieceSource) -> bytes:
    return b"".join(part.data for part in source.pull().parts)


def test_each_line_is_sent_by_itself_without_waiting_for_more():
    announcements = Announcements(is_member=True)
    source = told(announcements)
    first = read_line(next_line(source).rstrip(b"\n"))
    assert isinstance(first, State)
    assert len(first.have) == 0
    announcements.know(HAVE, is_member=True)
    second = read_line(next_line(source).rstrip(b"\n"))
    assert isinstance(second, State)
    assert second.have.tolist() == HAVE.tolist()
    announcements.add(Record.CLAIM, 1)
    announcements.add(Record.HAVE, 1)
    assert next_line(source) == b"r ?1 +1\n"
    source.close()


def test_silence_is_broken_by_signs_of_life():
    source = told(Announcements(is_member=True))
    next_line(source)
    assert next_line(source) == BEAT
    source.close()


def test_who_listens_later_is_told_everything_at_once():
    announcements = Announcements(is_member=True)
    announcements.know(HAVE, is_member=True)
    announcements.add(Record.CLAIM, 1)
    announcements.add(Record.HAVE, 2)
    source = told(announcements)
    state = read_line(next_line(source).rstrip(b"\n"))
    assert isinstance(state, State)
    assert state.have.tolist() == [True, False, True]
    assert state.claims.tolist() == [False, True, False]
    source.close()


def test_closing_ends_the_stream_and_listeners_are_counted():
    announcements = Announcements(is_member=True)
    source = told(announcements)
    next_line(source)
    assert announcements.listeners == 1
    announcements.close()
    assert source.pull().is_last
    assert announcements.listeners == 0
