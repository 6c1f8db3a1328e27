"""What a source with nothing left of its own may take over from the requests of others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.parties import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ipfs_accelerate.content.exchange.messages import ExchangeSettings
    from ipfs_accelerate.content.exchange.parties import Entry, Flight, Party

__all__ = ["Takeover"]

_SECOND_NS = 1_000_000_000
#: A source takes work from another only when it would be done in half the time.
_WORTH = 2.0
#: A block that takes this many times as long as it should is evidence of a lower rate.
_OVERDUE = 3.0
_MAX_MOVES = 3
_MAX_COPIES = 2


@dataclass(frozen=True, slots=True)
class Takeover:
    """The requests under way, seen at one moment.

    Attributes:
        flights: By their numbers.
        settings: Of the fetch.
        may: Whether a source may be asked for a block.
        now_ns: The moment.
    """

    flights: Mapping[int, Flight]
    settings: ExchangeSettings
    may: Callable[[Party, Entry], bool]
    now_ns: int

    def steal(self, party: Party) -> tuple[Flight, list[Entry]] | None:
        """The request whose untouched end is most worth taking over, and that end."""
        best, found = 0.0, None
        for flight in self._others(party):
            taken = self._end_of(party, flight)
            gain = self._gain_s(party, flight, taken) if taken else 0.0
            if gain > best:
                best, found = gain, (flight, taken)
        return found

    def race(self, party: Party) -> Entry | None:
        """The block most worth asking for a second time."""
        best, found = 0.0, None
        for flight in self._others(party):
            for entry in islice(flight.due.values(), 1):
                if self._copies(entry) < _MAX_COPIES and self.may(party, entry):
                    gain = self._gain_s(party, flight, [entry])
                    if gain > best:
                        best, found = gain, entry
        return found

    def _others(self, party: Party) -> Iterator[Flight]:
        for flight in self.flights.values():
            if flight.party is not party and not flight.is_cancelled:
                yield flight

    def _end_of(self, party: Party, flight: Flight) -> list[Entry]:
        keep = len(flight.due) - len(flight.due) // 2
        return [
            entry
            for entry in islice(flight.due.values(), keep, None)
            if len(entry.flights) == 1 and entry.moves < _MAX_MOVES and self.may(party, entry)
        ]

    def _copies(self, entry: Entry) -> int:
        """How many requests may be counted on for a block."""
        return sum(not self._is_stalled(self.flights[number]) for number in entry.flights)

    def _is_stalled(self, flight: Flight) -> bool:
        return self.now_ns - flight.heard_ns > self.settings.stall_s * _SECOND_NS

    def _gain_s(self, party: Party, flight: Flight, entries: list[Entry]) -> float:
        """Seconds saved by moving blocks to another source; 0 where it is not worth it."""
        silent_s = (self.now_ns - flight.heard_ns) / _SECOND_NS
        if self._is_stalled(flight):
            return silent_s
        theirs = flight.party.rate_bytes_per_s
        ours_s = party.seconds_for(sum(size_of(entry.want) for entry in entries))
        if ours_s is None or theirs is None:
            return 0.0
        theirs_s = _remaining_s(flight, theirs, silent_s)
        worth = _WORTH * max(1.0, party.cost / flight.party.cost)
        return theirs_s - ours_s if theirs_s > worth * ours_s else 0.0


def _remaining_s(flight: Flight, rate_bytes_per_s: float, silent_s: float) -> float:
    """When a request will be done; one that is long overdue is as slow as it shows."""
    expected_s = flight.due_bytes / rate_bytes_per_s
    if silent_s > _OVERDUE * expected_s / max(1, len(flight.due)):
        return silent_s * len(flight.due)
    return expected_s - silent_s
