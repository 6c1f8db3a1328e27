"""Which source is asked next, and for which blocks: the rules, without what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.exchange.parties import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ipfs_accelerate.content.exchange.messages import ExchangeSettings, Gate
    from ipfs_accelerate.content.exchange.parties import Entry, Flight, Party
    from ipfs_accelerate.content.exchange.pending import Pending

__all__ = ["Choice"]

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Reads the scheduler's books as they are at the moment, and changes nothing.

    Attributes:
        parties: The sources, by name.
        pending: Blocks that no request is to deliver.
        flights: Requests under way, by number.
        settings: Of the fetch.
        gate: May hold a block back from a source.
    """

    parties: Mapping[str, Party]
    pending: Pending
    flights: Mapping[int, Flight]
    settings: ExchangeSettings
    gate: Gate | None

    def has_room(self, now_ns: int) -> bool:
        """Whether another request may start; stalled ones take no room, up to a limit."""
        limit = self.settings.max_requests
        if len(self.flights) < limit:
            return True
        stall_ns = int(self.settings.stall_s * _SECOND_NS)
        stalled = sum(now_ns - flight.heard_ns > stall_ns for flight in self.flights.values())
        return len(self.flights) - stalled < limit and stalled < 3 * limit

    def free(self, now_ns: int) -> list[Party]:
        """Sources with a free slot: cheap before dear, then untried ones, then fast before slow."""
        free = [
            party
            for party in self.parties.values()
            if party.may_ask(now_ns) and party.slots(self.settings) > 0
        ]
        return sorted(free, key=lambda p: (p.cost, len(p.flights), p.seconds_for(2**20) or 0.0))

    def batch(self, party: Party, now_ns: int, *, waited_s: float) -> list[Entry]:
        """The next neighbouring blocks for a source; none when cheaper sources will do.

        Args:
            party: The source.
            now_ns: The present.
            waited_s: Since the last block arrived; a gate that holds back too long is ignored.
        """
        limit_bytes = min(party.batch_bytes(self.settings), self._share_bytes())
        cheaper = self._cheaper(party, now_ns)
        if self.gate is None and any(not other.lacks for other in cheaper):
            return []
        is_held_too_long = waited_s > self.settings.hold_s
        chosen: list[Entry] = []
        size_bytes = 0
        for entry in self._candidates(party):
            if chosen and size_bytes + size_of(entry.want) > limit_bytes:
                break
            if any(self.may(other, entry) for other in cheaper):
                continue
            if not is_held_too_long and not self.may(party, entry):
                continue
            chosen.append(entry)
            size_bytes += size_of(entry.want)
        return chosen

    def _share_bytes(self) -> int:
        """Half of what each request gets if all are equal, so that all end together."""
        live = sum(not party.is_out for party in self.parties.values())
        slots = min(live * self.settings.requests_per_source, self.settings.max_requests)
        return self.pending.size_bytes // (2 * max(1, slots))

    def _candidates(self, party: Party) -> Iterator[Entry]:
        for entry in self.pending:
            if entry.key not in party.lacks and entry.key not in party.asking:
                yield entry

    def _cheaper(self, party: Party, now_ns: int) -> list[Party]:
        """Sources that this one leaves blocks to: cheaper, well, and not much slower."""
        stall_ns = int(self.settings.stall_s * _SECOND_NS)
        found = [
            other
            for other in self.parties.values()
            if other.cost < party.cost
            and other.may_ask(now_ns)
            and not other.is_silent(now_ns, stall_ns)
        ]
        rates = [other.rate_bytes_per_s for other in found]
        known = [rate for rate in rates if rate is not None]
        if not found or party.rate_bytes_per_s is None or len(known) < len(rates):
            return found
        ratio = party.cost / min(other.cost for other in found)
        return found if sum(known) * ratio >= party.rate_bytes_per_s else []

    def may(self, party: Party, entry: Entry) -> bool:
        """Whether a source may be asked for a block now: it may have it, and the gate is open."""
        if entry.key in party.lacks or entry.key in party.asking:
            return False
        return self.gate is None or self.gate(party.name, entry.want)
