"""The dispatcher: events in, instructions out; it decides who is asked, when, and with which key.

Decisions worth knowing:

- A hedge takes only what nobody waits for.
- When every circuit is open, a call waits for one that half-opens soon and before the deadline;
  otherwise it ends at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    ConfigurationError,
    DeadlineExceededError,
    InputError,
    UnknownNameError,
)
from ipfs_accelerate.gateway.reliability import accounts, events
from ipfs_accelerate.gateway.reliability.call import (
    Attempt,
    Call,
    circuit_open,
    deadline_exceeded,
    failure,
    queue_full,
)
from ipfs_accelerate.gateway.reliability.line import Line
from ipfs_accelerate.gateway.reliability.retry import Again, Backoff, rule_of
from ipfs_accelerate.gateway.reliability.selection import Blocked, RouteLane, RouteState
from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings
from ipfs_accelerate.gateway.reliability.sites import build_sites
from ipfs_accelerate.gateway.reliability.snapshot import Counts, Snapshot, picture
from ipfs_accelerate.gateway.reliability.timers import NEVER_NS, Timers
from ipfs_accelerate.gateway.routes import OnRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from ipfs_accelerate.gateway.reliability.selection import Option
    from ipfs_accelerate.gateway.reliability.sites import KeySite
    from ipfs_accelerate.gateway.routes import Endpoint, Route

__all__ = ["Dispatcher"]

_S = 1_000_000_000


class Dispatcher:
    """Decides for all calls of a gateway; not safe for several threads.

    Args:
        routes: Names callers ask for; ``*`` takes every name that no other has.
        endpoints: Whom they lead to.
        settings: Its numbers; the usual ones when ``None``.
        generator: For jitter; one seeded by the system when ``None``.

    Raises:
        ConfigurationError: A route without candidates, with a bad weight, or a name given twice.
        UnknownNameError: A route leads to an endpoint that does not exist.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        endpoints: Sequence[Endpoint],
        settings: ReliabilitySettings | None = None,
        generator: Generator | None = None,
    ) -> None:
        self._settings = settings = settings or ReliabilitySettings()
        generator = generator or _system_generator()
        self._sites = build_sites(endpoints, settings, generator)
        self._routes = {route.name: RouteState(route, self._sites, settings) for route in routes}
        _refuse_doubles([route.name for route in routes], "route")
        _refuse_doubles([endpoint.name for endpoint in endpoints], "endpoint")
        self._ageing_ns = round(settings.ageing_s * _S)
        self._backoff = Backoff(
            round(settings.backoff_s * _S),
            round(settings.backoff_most_s * _S),
            generator=generator,
        )
        self._timers: Timers[Call | RouteLane] = Timers()
        self._line = Line(settings, self._timers)
        self._calls: dict[int, Call] = {}
        self._attempts: dict[int, Attempt] = {}
        self._number = 0
        self._attempt_number = 0
        self._now_ns = 0
        self._told_ns = NEVER_NS
        self._out: list[events.Instruction] = []
        self._counts = Counts()
        self._handlers = {
            events.Submit: self._submit,
            events.Began: self._began,
            events.Succeeded: self._succeeded,
            events.Failed: self._failed,
            events.Cancel: self._cancel,
            events.Tick: self._tick,
        }

    def handle(self, event: events.Event, now_ns: int) -> list[events.Instruction]:
        """What is to be done, in order, now that something happened.

        Args:
            event: What happened. Of attempts and calls that are over, nothing has to be told.
            now_ns: Moment of the injected clock; a moment before the last one counts as that.

        Raises:
            InputError: A call is submitted under the id of one that is not over.
        """
        now_ns = max(now_ns, self._now_ns)
        self._now_ns = now_ns
        if self._timers.next_ns <= now_ns:
            self._fire(now_ns)
        self._handlers[type(event)](event, now_ns)  # type: ignore[operator]
        line = self._line
        if line.queue.count and line.touched:
            self._settle(now_ns)
        line.touched.clear()
        if self._timers.next_ns < self._told_ns or self._told_ns <= now_ns:
            self._ask_for_wake()
        # not before the end: what was ordered before a refusal is told the next time
        out, self._out = self._out, []
        return out

    def snapshot(self) -> Snapshot:
        """How everything stands; changes nothing and costs as much as there are keys."""
        return picture(
            self._counts,
            self._sites,
            queue=self._line.queue,
            in_flight=len(self._attempts),
            calls=len(self._calls),
        )

    # events

    def _submit(self, event: events.Submit, now_ns: int) -> None:
        if event.call_id in self._calls:
            raise InputError(
                f"call {event.call_id} is submitted twice", hint="ids of calls are unique"
            )
        route = self._routes.get(event.route) or self._routes.get("*")
        if route is None:
            unknown = UnknownNameError(event.route, self._routes)
            self._out.append(events.GiveUp(event.call_id, unknown))
            return
        self._number += 1
        call = Call(event, route, now_ns=now_ns, number=self._number, ageing_ns=self._ageing_ns)
        self._calls[call.id] = call
        self._counts.submitted += 1
        if event.needs is not None:
            call.fitting = route.fitting(event.needs)
            if not call.fitting:
                self._give_up(call, _cannot_express(route.route.name))
                return
        if call.deadline_ns is None and route.route.deadline_s is not None:
            call.deadline_ns = now_ns + round(route.route.deadline_s * _S)
        if call.deadline_ns is not None:
            if call.deadline_ns <= now_ns:
                self._give_up(call, deadline_exceeded(call, now_ns))
                return
            self._timers.add(call.deadline_ns, call)
        route.budget.earn()
        self._place(call, now_ns)

    def _began(self, event: events.Began, now_ns: int) -> None:
        attempt = self._attempts.get(event.attempt_id)
        if attempt is None:
            return
        accounts.observe(attempt, now_ns)
        self._line.touched.add(attempt.option.site.service)
        accounts.learn(attempt, event.rates, now_ns)
        attempt.call.hedge_ns = None
        for other in list(attempt.call.active):
            if other is not attempt:
                self._abort(other, now_ns)

    def _succeeded(self, event: events.Succeeded, now_ns: int) -> None:
        attempt = self._attempts.pop(event.attempt_id, None)
        if attempt is None:
            return
        call = attempt.call
        call.active.remove(attempt)
        self._line.touched.add(attempt.option.site.service)
        accounts.learn(attempt, event.rates, now_ns)
        accounts.succeed(attempt, event.usage, now_ns)
        self._counts.succeeded += 1
        self._finish(call, now_ns)

    def _failed(self, event: events.Failed, now_ns: int) -> None:
        attempt = self._attempts.pop(event.attempt_id, None)
        if attempt is None:
            return
        call, error = attempt.call, event.error
        call.active.remove(attempt)
        self._line.touched.add(attempt.option.site.service)
        accounts.learn(attempt, event.rates, now_ns)
        rule = rule_of(error)
        accounts.blame(attempt, error, rule.blame, now_ns, pauses=self._backoff)
        call.note(attempt, error, now_ns)
        again = rule.again
        if again is Again.AS_ROUTED:
            is_next = call.route.route.on_refusal is OnRefusal.NEXT
            again = Again.OTHER_CANDIDATE if is_next else Again.NEVER
        if again is Again.NEVER or not event.can_retry:
            self._give_up(call, error)
            return
        if again is Again.OTHER_CANDIDATE:
            call.gone |= attempt.option.bit
        elif again is Again.OTHER_ENDPOINT or _others_first(call, attempt.option, now_ns):
            call.failed |= attempt.option.same_site
        if not call.active:
            self._try_again(call, now_ns)

    def _cancel(self, event: events.Cancel, now_ns: int) -> None:
        call = self._calls.get(event.call_id)
        if call is not None:
            self._counts.cancelled += 1
            self._finish(call, now_ns)

    def _tick(self, event: events.Tick, now_ns: int) -> None:
        """What is due was done before."""

    # time

    def _fire(self, now_ns: int) -> None:
        """Do what is due; deadlines before anything that could start a call."""
        resumed: list[Call] = []
        while (item := self._timers.pop_due(now_ns)) is not None:
            if isinstance(item, RouteLane):
                item.wake_ns = None
                self._line.touched |= item.services
            elif not item.is_done:
                if item.deadline_ns is not None and item.deadline_ns <= now_ns:
                    self._expire(item, now_ns)
                else:
                    resumed.append(item)
        for call in resumed:
            if call.is_done:
                continue
            if call.resume_ns is not None and call.resume_ns <= now_ns:
                call.resume_ns = None
                self._place(call, now_ns)
            elif call.hedge_ns is not None and call.hedge_ns <= now_ns:
                call.hedge_ns = None
                self._hedge(call, now_ns)

    def _expire(self, call: Call, now_ns: int) -> None:
        error = deadline_exceeded(call, now_ns)
        for attempt in list(call.active):
            self._abort(attempt, now_ns, is_late=True)
        self._give_up(call, error)

    def _ask_for_wake(self) -> None:
        self._told_ns = self._timers.next_ns
        if self._told_ns < NEVER_NS:
            self._out.append(events.WakeAt(self._told_ns))

    # placing

    def _place(self, call: Call, now_ns: int) -> None:
        """Start a call at once when nobody waits and there is room; otherwise let it wait."""
        call.placed_ns = now_ns
        found = self._line.at_once(call, now_ns)
        if found is not None:
            self._start(call, *found, now_ns)
            return
        victim = self._line.enter(call)
        if victim is not None:
            self._counts.evicted += 1
            self._give_up(victim, queue_full(victim))

    def _settle(self, now_ns: int) -> None:
        for call, found in self._line.settle(now_ns):
            if isinstance(found, Blocked):
                self._unstick(call, found, now_ns)
            else:
                self._start(call, *found, now_ns)

    def _start(self, call: Call, option: Option, key: KeySite, now_ns: int) -> None:
        self._attempt_number += 1
        attempt = Attempt(self._attempt_number, call, option=option, key=key, started_ns=now_ns)
        attempt.is_hedge = bool(call.active)
        call.active.append(attempt)
        call.attempts += 1
        call.is_tried = True
        self._attempts[attempt.id] = attempt
        accounts.begin(attempt)
        self._counts.attempts += 1
        self._out.append(
            events.Start(call.id, attempt.id, option.candidate, key.name, attempt.is_hedge)
        )
        hedge_s = call.route.route.hedge_after_s
        if hedge_s is not None and not attempt.is_hedge and call.operation in self._settings.hedged:
            call.hedge_ns = now_ns + round(hedge_s * _S)
            self._timers.add(call.hedge_ns, call)

    # trying again

    def _try_again(self, call: Call, now_ns: int) -> None:
        if call.attempts >= call.route.route.attempts or not call.fitting & ~call.gone:
            self._give_up(call, failure(call))
        elif call.options:
            self._place(call, now_ns)
        else:
            self._repeat(call, now_ns)

    def _repeat(self, call: Call, now_ns: int) -> None:
        """Wait, then ask those again that have failed."""
        resume_ns = now_ns + self._backoff.wait_ns(call.repeats)
        is_late = call.deadline_ns is not None and resume_ns >= call.deadline_ns
        if is_late or not call.route.budget.spend():
            self._give_up(call, failure(call))
            return
        self._counts.repeats += 1
        call.repeats += 1
        call.failed = 0
        call.resume_ns = resume_ns
        self._timers.add(resume_ns, call)

    def _unstick(self, call: Call, blocked: Blocked, now_ns: int) -> None:
        if call.failed:
            self._repeat(call, now_ns)
        else:
            error = failure(call) if call.log else circuit_open(call, blocked, now_ns)
            self._give_up(call, error)

    def _hedge(self, call: Call, now_ns: int) -> None:
        """Ask a second candidate, if it can be asked at once and nobody waits."""
        if len(call.active) != 1 or call.active[0].has_begun:
            return
        options = call.options & ~call.active[0].option.bit
        if not options or call.attempts >= call.route.route.attempts:
            return
        found = self._line.spare(call, options, now_ns)
        if found is not None and call.route.budget.spend():
            self._counts.hedges += 1
            self._start(call, *found, now_ns)

    # ends

    def _abort(self, attempt: Attempt, now_ns: int, *, is_late: bool = False) -> None:
        del self._attempts[attempt.id]
        attempt.call.active.remove(attempt)
        accounts.abandon(attempt, now_ns, is_late=is_late)
        self._line.touched.add(attempt.option.site.service)
        self._out.append(events.Abort(attempt.id))

    def _give_up(self, call: Call, error: AccelerateError) -> None:
        self._counts.failed += 1
        if isinstance(error, DeadlineExceededError):
            self._counts.expired += 1
        self._finish(call, self._now_ns)
        self._out.append(events.GiveUp(call.id, error))

    def _finish(self, call: Call, now_ns: int) -> None:
        call.is_done = True
        del self._calls[call.id]
        if call.lane is not None:
            self._line.leave(call)
        if call.active:
            for attempt in list(call.active):
                self._abort(attempt, now_ns)


def _system_generator() -> Generator:
    import numpy as np

    return np.random.default_rng()


def _others_first(call: Call, option: Option, now_ns: int) -> bool:
    """Whether no key of an endpoint is free and others were not tried: they come before a wait."""
    others = call.options & ~option.same_site
    return bool(others) and isinstance(option.site.find(now_ns, call.tokens), int)


def _cannot_express(route: str) -> AccelerateError:
    return InputError(
        f"no candidate of {route!r} can express this request",
        hint="leave out what they do not offer, or add a candidate that does",
        details={"route": route},
    )


def _refuse_doubles(names: list[str], noun: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"two of the {noun}s are named {name!r}", hint="names are unique"
            )
