from __future__ import annotations

import pytest

from ipfs_accelerate.content.peers import Membership, MembershipSettings, Standing

S = 1_000_000_000
A, B = "http://a:1", "http://b:1"


@pytest.fixture
def members() -> Membership:
    return Membership("me")


def standing(members: Membership, url: str) -> Standing:
    member = members.member(url)
    assert member is not None
    return member.standing


def test_a_peer_that_answers_is_live_for_its_roots(members):
    assert members.know(A, now_ns=0)
    assert members.live() == []
    members.answered(A, "a", frozenset({"r"}), now_ns=S)
    assert [m.url for m in members.live("r")] == [A]
    assert members.live("other") == []


def test_silence_makes_suspect_and_then_dead_and_an_answer_revives(members):
    members.know(A, now_ns=0)
    members.answered(A, "a", frozenset(), now_ns=0)
    assert members.tick(now_ns=3 * S) == []
    assert [m.standing for m in members.tick(now_ns=3 * S + 1)] == [Standing.SUSPECT]
    assert [m.standing for m in members.tick(now_ns=5 * S + 1)] == [Standing.DEAD]
    members.answered(A, "a2", frozenset(), now_ns=6 * S)
    assert standing(members, A) is Standing.LIVE


def test_a_beat_keeps_a_peer_alive(members):
    members.know(A, now_ns=0)
    members.answered(A, "a", frozenset(), now_ns=0)
    members.heard(A, now_ns=3 * S)
    assert members.tick(now_ns=5 * S) == []


def test_a_beat_of_somebody_who_never_answered_counts_for_nothing(members):
    members.know(A, now_ns=0)
    members.heard(A, now_ns=1)
    assert standing(members, A) is Standing.KNOWN


def test_failures_are_retried_with_growing_pauses(members):
    members.know(A, now_ns=0)
    pauses = []
    for _ in range(12):
        members.failed(A, now_ns=0)
        member = members.member(A)
        pauses.append(member.next_try_ns)
        assert members.due(now_ns=member.next_try_ns - 1) == []
        assert members.due(now_ns=member.next_try_ns) == [member]
    assert pauses == sorted(pauses)
    assert pauses[0] == S // 4
    assert pauses[-1] == 10 * S
    assert standing(members, A) is Standing.DEAD


def test_bans_end_and_grow(members):
    members.know(A, now_ns=0)
    members.answered(A, "a", frozenset({"r"}), now_ns=0)
    members.ban(A, "wrong bytes for x", now_ns=0)
    assert members.live() == []
    assert members.due(now_ns=599 * S) == []
    assert members.answered(A, "a", frozenset(), now_ns=S) is None
    members.failed(A, now_ns=S)
    members.heard(A, now_ns=S)
    assert standing(members, A) is Standing.BANNED
    members.tick(now_ns=600 * S)
    assert standing(members, A) is Standing.KNOWN
    members.ban(A, "again", now_ns=600 * S)
    members.tick(now_ns=1799 * S)
    assert standing(members, A) is Standing.BANNED
    assert members.member(A).evidence == ["wrong bytes for x", "again"]


def test_a_node_does_not_become_its_own_peer(members):
    members.know(A, now_ns=0)
    assert members.answered(A, "me", frozenset(), now_ns=0) is None
    assert members.members() == []
    assert not members.know(A, now_ns=1)


def test_a_node_under_two_addresses_counts_once(members):
    members.know(A, now_ns=0)
    members.know(B, now_ns=0)
    members.answered(A, "x", frozenset(), now_ns=0)
    assert members.answered(B, "x", frozenset(), now_ns=0) is None
    assert [m.url for m in members.live()] == [A]
    members.tick(now_ns=4 * S)
    assert members.answered(B, "x", frozenset(), now_ns=4 * S) is not None
    assert [m.url for m in members.live()] == [B]


def test_strangers_cannot_crowd_out_configured_or_live_members():
    members = Membership("me", MembershipSettings(most_members=3))
    members.know(A, now_ns=0, is_configured=True)
    members.know(B, now_ns=0)
    members.answered(B, "b", frozenset(), now_ns=0)
    for number in range(10):
        members.know(f"http://x{number}:1", now_ns=number)
    urls = {m.url for m in members.members()}
    assert len(urls) == 3
    assert {A, B} <= urls


def test_addresses_nobody_knows_change_nothing(members):
    assert members.answered(A, "a", frozenset(), now_ns=0) is None
    members.failed(A, now_ns=0)
    members.heard(A, now_ns=0)
    members.ban(A, "x", now_ns=0)
    assert members.members() == []
