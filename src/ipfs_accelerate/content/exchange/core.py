"""Who is asked for which block: a state machine without input, output, threads or clock.

`Core.handle` takes an event and the present time and returns instructions. What it guarantees, for
any sources: it ends; a block is kept once; a source that sent wrong bytes is never asked again; a
source is not asked again for what it said it lacks.

Sources pull: whoever has a free slot gets the next neighbouring blocks, so the faster get more.
When nothing is left to hand out, a free source takes over the untouched end of the request that
would take longest (stealing), and at last asks for single blocks a second time (racing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.choice import Choice
from ipfs_accelerate.content.exchange.messages import (
    Ask,
    AskFailed,
    Availability,
    Ban,
    BlockArrived,
    BlockBad,
    BlockKept,
    Cancel,
    Done,
    Event,
    ExchangeSettings,
    Failed,
    Gate,
    Instruction,
    Keep,
    Request,
    RequestEnded,
    RequestFailed,
    SourceAdded,
    SourceRemoved,
    Tick,
    WantsAdded,
)
from ipfs_accelerate.content.exchange.parties import Entry, Flight, Party
from ipfs_accelerate.content.exchange.pending import Pending
from ipfs_accelerate.content.exchange.takeover import Takeover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import numpy as np

__all__ = ["Core"]

_SECOND_NS = 1_000_000_000
#: With a gate there are many sources, and looking for what to take over costs their product.
_LOOK_NS = 250_000_000


class Core:
    """The scheduler.

    Args:
        settings: Limits and patience.
        generator: Draws the jitter of pauses.
        gate: May hold a block back from a source for now; see `Gate`.
    """

    def __init__(
        self,
        settings: ExchangeSettings,
        generator: np.random.Generator,
        *,
        gate: Gate | None = None,
    ) -> None:
        self.settings = settings
        self.parties: dict[str, Party] = {}
        self.moved_blocks = 0
        self.raced_blocks = 0
        self._generator = generator
        self._gate = gate
        self._entries: dict[bytes, Entry] = {}
        self._pending = Pending()
        self._flights: dict[int, Flight] = {}
        self._choice = Choice(self.parties, self._pending, self._flights, settings, gate)
        self._open = 0
        self._open_urgent = 0
        self._numbers = 0
        self._stamp = 0
        self._progress_ns: int | None = None
        self._is_over = False
        self._out: list[Instruction] = []
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            SourceAdded: self._source_added,
            SourceRemoved: self._source_removed,
            WantsAdded: self._wants_added,
            Availability: self._availability,
            AskFailed: self._ask_failed,
            BlockArrived: self._arrived,
            BlockKept: self._kept,
            BlockBad: self._bad,
            RequestEnded: self._ended,
            RequestFailed: self._failed,
            Tick: self._tick,
        }

    def handle(self, event: Event, now_ns: int) -> list[Instruction]:
        """Take an event; returns what is to be done, in order."""
        self.note(event, now_ns)
        if not self._is_over:
            self._assign(now_ns)
            self._settle(now_ns)
        out, self._out = self._out, []
        return out

    def note(self, event: Event, now_ns: int) -> None:
        """Take an event without deciding anything; the next `handle` does."""
        if self._progress_ns is None:
            self._progress_ns = now_ns
        self._stamp += not isinstance(event, BlockArrived | BlockKept | RequestEnded)
        self._handlers[type(event)](event, now_ns)

    def is_needed(self, key: bytes) -> bool:
        """Whether a block is wanted and no copy has arrived."""
        entry = self._entries.get(key)
        return entry is not None and not entry.is_arrived

    @property
    def is_idle(self) -> bool:
        """Whether nothing was ever wanted."""
        return not self._entries

    @property
    def is_searching(self) -> bool:
        """Whether blocks are wanted that lead to others."""
        return self._open_urgent > 0

    # -- events ----------------------------------------------------------------------------------

    def _source_added(self, event: SourceAdded, _now_ns: int) -> None:
        known = self.parties.get(event.source)
        if known is not None and known.evidence is not None:
            return
        party = self.parties[event.source] = Party(event.source, event.kind)
        if known is not None:
            self._drop_flights(known)
        self._ask(party, [e for e in self._entries.values() if not e.is_arrived])

    def _source_removed(self, event: SourceRemoved, _now_ns: int) -> None:
        party = self.parties.get(event.source)
        if party is not None and not party.is_out:
            party.given_up = event.reason
            self._drop_flights(party)

    def _wants_added(self, event: WantsAdded, _now_ns: int) -> None:
        added: list[Entry] = []
        for want in event.wants:
            key = want.cid.multihash
            if key in self._entries:
                continue
            entry = self._entries[key] = Entry(want, key, event.is_urgent)
            self._open += 1
            self._open_urgent += entry.is_urgent
            self._pending.add(entry)
            added.append(entry)
        for party in self.parties.values():
            self._ask(party, added)

    def _availability(self, event: Availability, _now_ns: int) -> None:
        party = self.parties.get(event.source)
        if party is None:
            return
        settled = event.asked - party.asking  # announced after the question was put, so newer
        has, lacks = event.has - settled, event.lacks - settled
        party.asking -= event.asked | has | lacks
        party.lacks -= has
        party.lacks |= lacks

    def _ask_failed(self, event: AskFailed, now_ns: int) -> None:
        party = self.parties.get(event.source)
        if party is not None:
            party.asking -= event.asked
            self._punish(party, event.reason, None, now_ns)

    def _arrived(self, event: BlockArrived, now_ns: int) -> None:
        flight = self._flights.get(event.request)
        entry = self._entries.get(event.want.cid.multihash)
        party = self.parties[event.source]
        if flight is not None:
            party.heard(flight, event.size_bytes, now_ns)
            flight.unsent.discard(event.want.cid.multihash)
        if entry is None or entry.is_arrived:
            party.duplicate_bytes += event.size_bytes
            return
        party.failures = 0
        party.received_bytes += event.size_bytes
        party.received_blocks += 1
        self._progress_ns = now_ns
        entry.is_arrived = True
        self._pending.remove(entry)
        self._out.append(Keep(entry.want))
        self._release(entry)

    def _kept(self, event: BlockKept, _now_ns: int) -> None:
        entry = self._entries[event.want.cid.multihash]
        if entry.is_arrived and not entry.is_kept:
            entry.is_kept = True
            self._open -= 1
            self._open_urgent -= entry.is_urgent

    def _bad(self, event: BlockBad, _now_ns: int) -> None:
        flight = self._flights.get(event.request)
        if flight is None or flight.party.evidence is not None:
            return
        flight.party.evidence = event.evidence
        self._out.append(Ban(flight.party.name, event.evidence))
        self._drop_flights(flight.party)

    def _ended(self, event: RequestEnded, now_ns: int) -> None:
        flight = self._flights.get(event.request)
        if flight is None:
            return
        if flight.due and not flight.is_cancelled:
            self._punish(flight.party, "ended a request without its blocks", None, now_ns)
        elif not flight.is_cancelled:
            party = flight.party
            party.window_bytes = min(2 * party.window_bytes, self.settings.max_batch_bytes)
        self._land(flight)

    def _failed(self, event: RequestFailed, now_ns: int) -> None:
        flight = self._flights.get(event.request)
        if flight is None:
            return
        party = flight.party
        self._land(flight)
        entry = self._entries.get(event.missing.multihash) if event.missing else None
        if entry is not None and entry.key not in party.lacks:
            party.lacks.add(entry.key)
            party.last_reason = event.reason
        elif event.is_final:
            party.given_up = party.given_up or event.reason
            self._drop_flights(party)
        elif not flight.is_cancelled:
            self._punish(party, event.reason, event.retry_after_s, now_ns)

    def _tick(self, _event: Tick, _now_ns: int) -> None:
        pass

    # -- bookkeeping -----------------------------------------------------------------------------

    def _release(self, entry: Entry) -> None:
        """Take an arrived block off every request; end those others finished."""
        for number in entry.flights:
            flight = self._flights[number]
            flight.due.pop(entry.key, None)
            if not flight.due and flight.unsent and not flight.is_cancelled:
                flight.is_cancelled = True
                self._out.append(Cancel(number))
        entry.flights.clear()

    def _land(self, flight: Flight) -> None:
        """Forget a request; what it still owed is wanted again, before everything else."""
        self._flights.pop(flight.number, None)
        flight.party.flights.pop(flight.number, None)
        for entry in reversed(flight.due.values()):
            entry.flights.discard(flight.number)
            if not entry.flights and not entry.is_arrived:
                self._pending.add(entry, is_first=True)
        flight.due.clear()

    def _drop_flights(self, party: Party) -> None:
        for flight in list(party.flights.values()):
            if not flight.is_cancelled:
                flight.is_cancelled = True
                self._out.append(Cancel(flight.number))
            self._land(flight)

    def _ask(self, party: Party, entries: list[Entry]) -> None:
        if entries and not party.is_out:
            party.asking.update(entry.key for entry in entries)
            self._out.append(Ask(party.name, tuple(entry.want for entry in entries)))

    def _punish(self, party: Party, reason: str, retry_after_s: float | None, now_ns: int) -> None:
        settings = self.settings
        pause_s = min(settings.first_backoff_s * 2.0**party.failures, settings.max_backoff_s)
        pause_s *= float(self._generator.uniform(0.5, 1.5))
        party.failed(reason, max(pause_s, retry_after_s or 0.0), now_ns)
        if (retry_after_s or 0.0) > settings.max_retry_after_s:
            party.given_up = f"{reason}; asks to wait {retry_after_s:g} s"
        elif party.failures >= settings.max_failures:
            party.given_up = f"{reason}; {party.failures} failures in a row"
        if party.given_up:
            self._drop_flights(party)

    # -- handing out -----------------------------------------------------------------------------

    def _assign(self, now_ns: int) -> None:
        while self._choice.has_room(now_ns):
            if not any(self._serve(party, now_ns) for party in self._choice.free(now_ns)):
                return

    def _serve(self, party: Party, now_ns: int) -> bool:
        """Give a source something to do; returns whether there was anything."""
        batch = []
        if party.barren_at != self._stamp:
            batch = self._choice.batch(party, now_ns, waited_s=self._waited_s(now_ns))
        if batch:
            for entry in batch:
                self._pending.remove(entry)
            self._launch(party, batch, now_ns)
            return True
        party.barren_at = self._stamp
        if self._gate is not None and now_ns - party.looked_ns < _LOOK_NS:
            return False
        party.looked_ns = now_ns
        return self._take_over(party, now_ns)

    def _launch(self, party: Party, entries: Iterable[Entry], now_ns: int) -> None:
        self._numbers += 1
        due = {entry.key: entry for entry in entries}
        flight = Flight(self._numbers, party, due, unsent=set(due), heard_ns=now_ns)
        for entry in flight.due.values():
            entry.flights.add(flight.number)
        self._flights[flight.number] = party.flights[flight.number] = flight
        party.requests += 1
        wants = tuple(entry.want for entry in flight.due.values())
        self._out.append(Request(flight.number, party.name, wants))

    def _take_over(self, party: Party, now_ns: int) -> bool:
        """Steal from a slow request, or race it."""
        takeover = Takeover(self._flights, self.settings, self._choice.may, now_ns)
        found = takeover.steal(party)
        if found is not None:
            flight, taken = found
            for entry in taken:
                del flight.due[entry.key]
                entry.flights.discard(flight.number)
                entry.moves += 1
            self.moved_blocks += len(taken)
            self._launch(party, taken, now_ns)
            return True
        raced = takeover.race(party)
        if raced is not None:
            self.raced_blocks += 1
            self._launch(party, [raced], now_ns)
        return raced is not None

    # -- the end ---------------------------------------------------------------------------------

    def _waited_s(self, now_ns: int) -> float:
        return (now_ns - (self._progress_ns or 0)) / _SECOND_NS

    def _settle(self, now_ns: int) -> None:
        if self._open == 0 and self._entries:
            self._is_over = True
            for flight in self._flights.values():
                if not flight.is_cancelled:
                    flight.is_cancelled = True
                    self._out.append(Cancel(flight.number))
            self._out.append(Done())
            return
        if self._flights or not len(self._pending) or self._is_hoping(now_ns):
            return
        missing = [
            entry
            for entry in self._pending
            if not any(party.can_have(entry.key) for party in self.parties.values())
        ]
        unresolved = len(self._pending) - len(missing)
        if missing and not unresolved and not self._keeping():
            self._is_over = True
            key = missing[0].key
            reasons = {name: party.why_not(key) for name, party in self.parties.items()}
            self._out.append(Failed(tuple(entry.want for entry in missing), reasons))

    def _is_hoping(self, now_ns: int) -> bool:
        """Whether sources may still come for what nobody has."""
        return self.settings.linger_s > 0 and self._waited_s(now_ns) < self.settings.linger_s

    def _keeping(self) -> bool:
        """Whether an arrived block is still being kept; it may lead to others."""
        return self._open > len(self._pending)
