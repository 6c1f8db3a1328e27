"""What the pool decides, as a pure state machine: events in, instructions out, no I/O, no clock.

Eviction is least-recently-used among entries nobody leases. Entries of one group (the components
of one model on one target) may be loaded together even in low-memory mode.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["Decision", "Entry", "Grant", "Load", "PoolCore", "Refuse", "Wait"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The entry is loaded; a lease was counted."""


@dataclass(frozen=True, slots=True)
class Load:
    """Close these entries, then load; the memory is reserved and one lease is counted."""

    evict: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again after the next change; ``reason`` says what is in the way."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Waiting cannot help."""

    reason: str


Decision = Grant | Load | Wait | Refuse


@dataclass(slots=True)
class Entry:
    """One loaded or loading session.

    A guest uses an entry without asking the pool: it appends itself to ``guests`` and then looks
    whether ``is_open``; the pool closes the door first and then looks for guests. So at least one
    of the two sees the other, and nobody needs a lock.

    Attributes:
        group: What may be loaded together in low-memory mode.
        memory_bytes: Memory by the pool's account.
        leases: Counted by the pool.
        is_ready: Whether it is loaded.
        is_open: Whether guests may stay.
        guests: One item per guest.
        was_used: Set by guests; counts as a use when room is made.
    """

    group: Hashable
    memory_bytes: int
    leases: int = 1
    is_ready: bool = False
    is_open: bool = True
    guests: list[None] = field(default_factory=list)
    was_used: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it now."""
        return not self.leases and not self.guests

    def shut(self) -> bool:
        """Keep guests out; whether nobody is in."""
        self.is_open = False
        if self.is_idle:
            return True
        self.is_open = True
        return False


class PoolCore:
    """Entries, leases and the memory they take.

    Args:
        budget_bytes: Memory all entries together may take; ``None`` for no limit.
        low_memory: Keep at most one group, and nothing that is not leased.

    Attributes:
        entries: Least recently used first.
        used_bytes: Memory of all entries, loading ones by their reservation.
    """

    def __init__(self, budget_bytes: int | None, *, low_memory: bool = False) -> None:
        self.budget_bytes = budget_bytes
        self.low_memory = low_memory
        self.entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.used_bytes = 0

    def request(self, key: Hashable, *, group: Hashable, need_bytes: int) -> Decision:
        """Somebody wants a lease on ``key``, which would take about ``need_bytes`` to load."""
        if key in self.entries:
            return self._join(key)
        if self.budget_bytes is not None and need_bytes > self.budget_bytes:
            return Refuse(f"it needs {need_bytes} bytes, the pool may take {self.budget_bytes}")
        victims = self._victims(need_bytes, group)
        if isinstance(victims, Wait):
            return victims
        if not self._shut_all(victims):
            return Wait("a model that was idle came into use")
        evict = self._remove(victims)
        self.entries[key] = Entry(group, need_bytes)
        self.used_bytes += need_bytes
        return Load(evict)

    def rejoin(self, key: Hashable) -> bool:
        """Lease ``key`` if it is loaded; the short way for calls that repeat."""
        entry = self.entries.get(key)
        if entry is None or not entry.is_ready:
            return False
        entry.leases += 1
        self.entries.move_to_end(key)
        return True

    def loaded(self, key: Hashable, memory_bytes: int) -> tuple[Hashable, ...]:
        """A load ended well and takes ``memory_bytes``; returns entries to close."""
        entry = self.entries[key]
        self.used_bytes += memory_bytes - entry.memory_bytes
        entry.is_ready, entry.memory_bytes = True, memory_bytes
        self.entries.move_to_end(key)
        return self._evict(self._idle_beyond_budget())

    def failed(self, key: Hashable) -> None:
        """A load raised; the reservation and its lease are gone."""
        self._remove([key])

    def release(self, key: Hashable) -> tuple[Hashable, ...]:
        """A lease ended; returns entries to close."""
        entry = self.entries[key]
        entry.leases -= 1
        if entry.leases or not (self.low_memory or self._is_over_budget):
            return ()
        return self._evict([key] if self.low_memory else self._idle_beyond_budget())

    def drain(self) -> tuple[Hashable, ...]:
        """Give up everything nobody leases; returns entries to close."""
        return self._evict([key for key, e in self.entries.items() if e.is_idle])

    @property
    def _is_over_budget(self) -> bool:
        return self.budget_bytes is not None and self.used_bytes > self.budget_bytes

    def _join(self, key: Hashable) -> Decision:
        return Grant() if self.rejoin(key) else Wait("another thread is loading it")

    def _victims(self, need_bytes: int, group: Hashable) -> list[Hashable] | Wait:
        victims: list[Hashable] = []
        if self.low_memory:
            others = {k: e for k, e in self.entries.items() if e.group != group}
            busy = [k for k, e in others.items() if not e.is_idle]
            if busy:
                return Wait("low-memory mode keeps one model, and another is in use")
            victims.extend(others)
        if self.budget_bytes is None:
            return victims
        self._note_guests()
        free = self.budget_bytes - self.used_bytes
        free += sum(self.entries[k].memory_bytes for k in victims)
        for key, entry in self.entries.items():
            if free >= need_bytes:
                break
            if entry.is_idle and key not in victims:
                victims.append(key)
                free += entry.memory_bytes
        return victims if free >= need_bytes else Wait("models in use take the pool's memory")

    def _idle_beyond_budget(self) -> list[Hashable]:
        if self.budget_bytes is None:
            return []
        self._note_guests()
        excess = self.used_bytes - self.budget_bytes
        found: list[Hashable] = []
        for key, entry in self.entries.items():
            if excess <= 0:
                break
            if entry.is_idle:
                found.append(key)
                excess -= entry.memory_bytes
        return found

    def _note_guests(self) -> None:
        for key, entry in list(self.entries.items()):
            if entry.was_used:
                entry.was_used = False
                self.entries.move_to_end(key)

    def _shut_all(self, keys: Iterable[Hashable]) -> bool:
        """Keep guests out of all of them, or of none."""
        entries = [self.entries[key] for key in keys]
        if all(entry.shut() for entry in entries):
            return True
        for entry in entries:
            entry.is_open = True
        return False

    def _evict(self, keys: Iterable[Hashable]) -> tuple[Hashable, ...]:
        """Remove those of ``keys`` that nobody has come to use meanwhile."""
        return self._remove([key for key in keys if self.entries[key].shut()])

    def _remove(self, keys: Iterable[Hashable]) -> tuple[Hashable, ...]:
        gone = tuple(keys)
        for key in gone:
            self.used_bytes -= self.entries.pop(key).memory_bytes
        return gone
