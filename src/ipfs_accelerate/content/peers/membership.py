"""Who belongs to the team right now: a state machine without sockets, threads or a clock.

An address is first *known* (configured, discovered or told by a peer), then *live* once it
answered, *suspect* after it failed or fell silent, *dead* when that lasted; an answer brings it
back. *Banned* is for who sent wrong bytes, and lasts longer each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Member", "Membership", "MembershipSettings", "Standing"]

_SECOND_NS = 1_000_000_000


class Standing(StrEnum):
    """What is thought of a peer."""

    KNOWN = "known"
    LIVE = "live"
    SUSPECT = "suspect"
    DEAD = "dead"
    BANNED = "banned"


@dataclass(frozen=True, slots=True)
class MembershipSettings:
    """Times of the state machine, in nanoseconds.

    Attributes:
        silence_ns: A live peer not heard of for so long is suspect.
        death_ns: A suspect peer not heard of for so long is dead.
        retry_ns: First pause between attempts to reach a peer; doubles up to ``retry_most_ns``.
        ban_ns: Length of a first ban; doubles with each.
        refresh_ns: How often a live peer is greeted again, to learn of new ones.
        most_members: More addresses than this are not kept.
    """

    silence_ns: int = 3 * _SECOND_NS
    death_ns: int = 5 * _SECOND_NS
    retry_ns: int = _SECOND_NS // 4
    retry_most_ns: int = 10 * _SECOND_NS
    ban_ns: int = 600 * _SECOND_NS
    refresh_ns: int = 30 * _SECOND_NS
    most_members: int = 256


@dataclass(slots=True)
class Member:
    """One address and what is known of the node behind it.

    ``roots`` only grows while the node lives, so that answers may overtake each other.
    ``greeted_ns`` is when a greeting last succeeded or failed.
    """

    url: str
    standing: Standing = Standing.KNOWN
    id: str | None = None
    roots: frozenset[str] = frozenset()
    is_configured: bool = False
    heard_ns: int = 0
    greeted_ns: int = 0
    since_ns: int = 0
    next_try_ns: int = 0
    failures: int = 0
    bans: int = 0
    banned_until_ns: int = 0
    evidence: list[str] = field(default_factory=list)


class Membership:
    """The members, by address. A node that answers under two addresses counts once, the first.

    Args:
        own_id: Id of this node; an address that answers with it is this node itself.
        settings: Times and bounds.
    """

    def __init__(self, own_id: str, settings: MembershipSettings | None = None) -> None:
        self._own_id = own_id
        self._own_urls: set[str] = set()
        self._settings = settings or MembershipSettings()
        self._members: dict[str, Member] = {}

    def know(self, url: str, *, now_ns: int, is_configured: bool = False) -> bool:
        """An address was configured, discovered or told; says whether it is new."""
        url = url.rstrip("/")
        if url in self._own_urls:
            return False
        member = self._members.get(url)
        if member is not None:
            member.is_configured |= is_configured
            return False
        if len(self._members) >= self._settings.most_members and not self._make_room():
            return False
        self._members[url] = Member(url, is_configured=is_configured, since_ns=now_ns)
        return True

    def answered(
        self, url: str, peer_id: str, roots: frozenset[str], *, now_ns: int
    ) -> Member | None:
        """A node answered under this address; ``None`` when it is this node, banned or unknown."""
        member = self._members.get(url)
        if member is None:
            return None
        if peer_id == self._own_id:
            self._own_urls.add(url)
            del self._members[url]
            return None
        member.next_try_ns, member.greeted_ns = now_ns + self._settings.refresh_ns, now_ns
        if member.standing is Standing.BANNED:
            return None
        if self._has_twin(peer_id, url):
            return None
        member.roots = roots | (member.roots if member.id == peer_id else frozenset())
        member.id = peer_id
        self._revive(member, now_ns)
        return member

    def heard(self, url: str, *, now_ns: int) -> None:
        """A sign of life (a beat, a record) came from a peer that had answered."""
        member = self._members.get(url)
        if member is not None and member.id and member.standing is not Standing.BANNED:
            self._revive(member, now_ns)

    def failed(self, url: str, *, now_ns: int) -> None:
        """A connection was refused, cut off or timed out."""
        member = self._members.get(url)
        if member is None or member.standing is Standing.BANNED:
            return
        pause_ns = self._settings.retry_ns << min(member.failures, 16)
        member.failures += 1
        member.greeted_ns = now_ns
        member.next_try_ns = now_ns + min(pause_ns, self._settings.retry_most_ns)
        if member.standing is Standing.LIVE:
            self._move(member, Standing.SUSPECT, now_ns)
        elif member.failures >= 3:
            self._move(member, Standing.DEAD, now_ns)

    def ban(self, url: str, evidence: str, *, now_ns: int) -> None:
        """The peer sent wrong bytes."""
        member = self._members.get(url)
        if member is None:
            return
        member.bans += 1
        member.evidence.append(evidence)
        member.banned_until_ns = now_ns + (self._settings.ban_ns << min(member.bans - 1, 8))
        member.next_try_ns = member.banned_until_ns
        self._move(member, Standing.BANNED, now_ns)

    def tick(self, *, now_ns: int) -> list[Member]:
        """Let time pass; returns the members whose standing changed by it."""
        return [member for member in self._members.values() if self._aged(member, now_ns)]

    def due(self, *, now_ns: int) -> list[Member]:
        """Whom to greet now."""
        return [
            member
            for member in self._members.values()
            if member.next_try_ns <= now_ns and member.standing is not Standing.BANNED
        ]

    def live(self, root: str | None = None) -> list[Member]:
        """Peers that are here (and interested in ``root``), by address."""
        found = (m for m in self._members.values() if m.standing is Standing.LIVE)
        return sorted(
            (m for m in found if root is None or root in m.roots), key=lambda member: member.url
        )

    def member(self, url: str) -> Member | None:
        """The member under this address."""
        return self._members.get(url.rstrip("/"))

    def members(self) -> list[Member]:
        """All of them, by address."""
        return sorted(self._members.values(), key=lambda member: member.url)

    def _revive(self, member: Member, now_ns: int) -> None:
        member.heard_ns, member.failures = now_ns, 0
        self._move(member, Standing.LIVE, now_ns)

    def _aged(self, member: Member, now_ns: int) -> bool:
        before, silent_ns = member.standing, now_ns - member.heard_ns
        if before is Standing.LIVE and silent_ns > self._settings.silence_ns:
            self._move(member, Standing.SUSPECT, now_ns)
            member.next_try_ns = now_ns
        elif before is Standing.SUSPECT and silent_ns > self._settings.death_ns:
            self._move(member, Standing.DEAD, now_ns)
        elif before is Standing.BANNED and now_ns >= member.banned_until_ns:
            self._move(member, Standing.KNOWN, now_ns)
        return member.standing is not before

    @staticmethod
    def _move(member: Member, standing: Standing, now_ns: int) -> None:
        if member.standing is not standing:
            member.standing, member.since_ns = standing, now_ns

    def _has_twin(self, peer_id: str, url: str) -> bool:
        """Whether the node is live under another address; one that is not any more is dropped."""
        for other in [m for m in self._members.values() if m.id == peer_id and m.url != url]:
            if other.standing in {Standing.LIVE, Standing.BANNED}:
                return True
            del self._members[other.url]
        return False

    def _make_room(self) -> bool:
        spare = [
            m
            for m in self._members.values()
            if m.standing in {Standing.DEAD, Standing.KNOWN} and not m.is_configured
        ]
        if not spare:
            return False
        del self._members[min(spare, key=lambda m: (m.standing is Standing.KNOWN, m.since_ns)).url]
        return True
