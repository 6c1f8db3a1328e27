"""Whatever happens in whatever order, the dispatcher keeps its promises."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ipfs_accelerate.errors import (
    AccelerateError,
    AllowanceSpentError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    InternalError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
    StreamStalledError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import Operation, Usage
from ipfs_accelerate.gateway.reliability import (
    CircuitState,
    Dispatcher,
    ReliabilitySettings,
    events,
)
from ipfs_accelerate.gateway.routes import (
    Allowance,
    Candidate,
    Endpoint,
    Key,
    KeyStrategy,
    OnRefusal,
    Priority,
    Route,
)

S = 1_000_000_000
MS = 1_000_000
ERRORS = (
    AllowanceSpentError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    InternalError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
    StreamStalledError,
    StreamTruncatedError,
)
LEGAL = {
    (CircuitState.CLOSED, CircuitState.OPEN),
    (CircuitState.OPEN, CircuitState.HALF_OPEN),
    (CircuitState.HALF_OPEN, CircuitState.OPEN),
    (CircuitState.HALF_OPEN, CircuitState.CLOSED),
}
CONCURRENT = 2
REQUESTS = 5
WINDOW_S = 10.0
AGEING_S = 1.0


def endpoint(name: str, strategy: KeyStrategy, provider: str = "openai") -> Endpoint:
    allowance = Allowance(requests=REQUESTS, concurrent=CONCURRENT, window_s=WINDOW_S)
    keys = tuple(Key(f"{name}-{n}", Secret("s"), allowance) for n in range(2))
    return Endpoint(name, provider, keys=keys, strategy=strategy, allowance=Allowance(concurrent=3))


ENDPOINTS = (
    endpoint("a", KeyStrategy.ROUND_ROBIN),
    endpoint("b", KeyStrategy.LEAST_LOADED),
    Endpoint("c", "vllm", "http://c", allowance=Allowance(concurrent=CONCURRENT)),
)
ROUTES = {
    route.name: route
    for route in (
        Route(
            "tiers",
            ((Candidate("a"), Candidate("b", weight=2.0)), (Candidate("c"), Candidate("a", "x"))),
            attempts=4,
            hedge_after_s=0.5,
            on_refusal=OnRefusal.NEXT,
        ),
        Route("one", ((Candidate("c", "m"),),), attempts=2, deadline_s=20.0),
        Route("pair", ((Candidate("a"), Candidate("c")),), attempts=3, deadline_s=None),
    )
}


@dataclass
class Model:
    """What the world knows of a call."""

    submit: events.Submit
    number: int
    came_ns: int
    deadline_ns: int | None
    starts: int = 0
    running: set[int] = field(default_factory=set)


class World(RuleBasedStateMachine):
    """Services that do what Hypothesis wants, callers likewise."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed):
        self.settings = ReliabilitySettings(
            queue_size=6, ageing_s=AGEING_S, failures_open=2, failure_volume=4, probes=1, open_s=2.0
        )
        self.dispatcher = Dispatcher(
            tuple(ROUTES.values()), ENDPOINTS, self.settings, np.random.default_rng(seed)
        )
        self.now_ns = 0
        self.wake_ns = None
        self.calls: dict[int, Model] = {}
        self.running: dict[int, events.Start] = {}
        self.started_at: dict[int, int] = {}
        self.ended: set[int] = set()
        self.over: set[int] = set()
        self.rests: dict[str, int] = {}
        self.sent: dict[str, list[int]] = {}
        self.circuits = self.states()
        self.number = 0

    def states(self):
        found = {}
        for name, site in self.dispatcher.snapshot().endpoints.items():
            found[name] = site.gate.circuit
            found[name, "service"] = site.service.circuit
            found |= {(name, key.name): key.gate.circuit for key in site.keys}
        return found

    # what happens

    @rule(
        route=st.sampled_from(sorted(ROUTES)),
        priority=st.sampled_from(Priority),
        tokens=st.integers(0, 1000),
        deadline_ms=st.one_of(st.none(), st.integers(-10, 30_000)),
        needs=st.one_of(st.none(), st.frozensets(st.sampled_from("abc"))),
        operation=st.sampled_from(Operation),
    )
    def submit(self, route, priority, tokens, deadline_ms, needs, operation):
        self.number += 1
        deadline_ns = None if deadline_ms is None else self.now_ns + deadline_ms * MS
        event = events.Submit(self.number, route, operation, priority, tokens, deadline_ns, needs)
        default_s = ROUTES[route].deadline_s
        if deadline_ns is None and default_s is not None:
            deadline_ns = self.now_ns + round(default_s * S)
        self.calls[self.number] = Model(event, self.number, self.now_ns, deadline_ns)
        self.tell(event)

    @rule(
        route=st.sampled_from(sorted(ROUTES)),
        priorities=st.lists(st.sampled_from(Priority), min_size=3, max_size=8),
    )
    def submit_many(self, route, priorities):
        for priority in priorities:
            self.submit(route, priority, 0, None, None, Operation.CHAT)

    @precondition(lambda self: self.running)
    @rule()
    def all_succeed(self):
        for attempt_id in sorted(self.running):
            if attempt_id in self.running:
                self.succeed_with(attempt_id, None)

    @rule(ms=st.integers(1, 3000))
    def pass_time(self, ms):
        self.now_ns += ms * MS
        self.wake()

    @precondition(lambda self: self.wake_ns is not None)
    @rule()
    def pass_time_until_wake(self):
        self.now_ns = max(self.now_ns, self.wake_ns)
        self.wake()

    @rule(late_ms=st.integers(0, 5000))
    def tell_late(self, late_ms):
        self.now_ns += late_ms * MS
        self.tell(events.Tick())

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def begin_to_answer(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.running)))
        self.tell(events.Began(attempt_id))
        call = (
            self.calls.get(self.running[attempt_id].call_id) if attempt_id in self.running else None
        )
        assert call is None or call.running == {attempt_id}

    @precondition(lambda self: self.running)
    @rule(data=st.data(), used=st.one_of(st.none(), st.integers(0, 2000)))
    def succeed(self, data, used):
        attempt_id = data.draw(st.sampled_from(sorted(self.running)))
        self.succeed_with(attempt_id, None if used is None else Usage(used, 0))

    def succeed_with(self, attempt_id, usage):
        call_id = self.running[attempt_id].call_id
        self.stop(attempt_id)
        self.end(call_id)
        self.tell(events.Succeeded(attempt_id, usage))

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        error_type=st.sampled_from(ERRORS),
        retry_after_s=st.one_of(st.none(), st.floats(0, 40)),
        can_retry=st.sampled_from([True, True, True, False]),
    )
    def fail(self, data, error_type, retry_after_s, can_retry):
        attempt_id = data.draw(st.sampled_from(sorted(self.running)))
        order = self.running[attempt_id]
        self.stop(attempt_id)
        details = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
        if retry_after_s is not None:
            until_ns = self.now_ns + round(retry_after_s * S)
            if error_type in {RateLimitedError, AllowanceSpentError}:
                self.rest(f"{order.candidate.endpoint}/{order.key}", until_ns)
            elif error_type is ProviderOverloadedError:
                self.rest(order.candidate.endpoint, until_ns)
        self.tell(events.Failed(attempt_id, error_type("scripted", details=details), can_retry))
        if not can_retry:
            assert order.call_id in self.ended

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data):
        call_id = data.draw(st.sampled_from(sorted(self.calls)))
        self.tell(events.Cancel(call_id), leaves=call_id)

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def what_is_over_is_told_again(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.over)))
        event = data.draw(
            st.sampled_from(
                [
                    events.Began(attempt_id),
                    events.Succeeded(attempt_id),
                    events.Failed(attempt_id, ProviderFailedError("late")),
                ]
            )
        )
        before = self.dispatcher.snapshot().counts
        self.tell(event)
        assert self.dispatcher.snapshot().counts.succeeded == before.succeeded

    # what follows

    def wake(self):
        if self.wake_ns is not None and self.wake_ns <= self.now_ns:
            self.tell(events.Tick())

    def tell(self, event, leaves=None):
        if self.wake_ns is not None and self.wake_ns <= self.now_ns:
            self.wake_ns = None
        orders = self.dispatcher.handle(event, self.now_ns)
        if leaves is not None:
            self.ended.add(leaves)
        for order in orders:
            self.obey(order)
        for call_id in [c for c in self.calls if c in self.ended]:
            assert not self.calls.pop(call_id).running

    def obey(self, order):
        match order:
            case events.Start():
                self.start(order)
            case events.Abort(attempt_id):
                self.stop(attempt_id)
            case events.GiveUp(call_id, error):
                self.check_error(call_id, error)
                self.end(call_id)
            case events.WakeAt(moment_ns):
                assert moment_ns > self.now_ns
                self.wake_ns = moment_ns

    def start(self, order):
        assert order.call_id not in self.ended
        call = self.calls[order.call_id]
        route = ROUTES[call.submit.route]
        assert order.candidate in [c for tier in route.tiers for c in tier]
        name = order.candidate.endpoint
        assert call.submit.needs is None or name in call.submit.needs
        assert call.deadline_ns is None or self.now_ns < call.deadline_ns
        assert order.attempt_id not in self.over | set(self.running)
        assert order.is_hedge == bool(call.running)
        assert len(call.running) < 2
        assert self.now_ns >= self.rests.get(name, 0)
        assert self.now_ns >= self.rests.get(f"{name}/{order.key}", 0)
        if call.starts == 0:
            self.check_order(call)
        call.starts += 1
        assert call.starts <= route.attempts
        call.running.add(order.attempt_id)
        self.running[order.attempt_id] = order
        self.check_limits(name, order.key)

    def check_order(self, call):
        step_ns = round(AGEING_S * S)
        rank = (call.came_ns + call.submit.priority * step_ns, call.number)
        for other in self.calls.values():
            if other.starts or other.submit.call_id in self.ended:
                continue
            if (other.submit.route, other.submit.needs) == (call.submit.route, call.submit.needs):
                assert rank <= (other.came_ns + other.submit.priority * step_ns, other.number)

    def check_limits(self, name, key):
        at_key = [o for o in self.running.values() if (o.candidate.endpoint, o.key) == (name, key)]
        at_site = [o for o in self.running.values() if o.candidate.endpoint == name]
        assert len(at_site) <= (CONCURRENT if key is None else 3)
        if key is None:
            return
        assert len(at_key) <= CONCURRENT
        sent = self.sent.setdefault(key, [])
        sent.append(self.now_ns)
        sent[:] = [moment for moment in sent if moment > self.now_ns - round(WINDOW_S * S)]
        assert len(sent) <= REQUESTS

    def rest(self, name, until_ns):
        self.rests[name] = max(self.rests.get(name, 0), until_ns)

    def stop(self, attempt_id):
        order = self.running.pop(attempt_id)
        self.over.add(attempt_id)
        self.calls[order.call_id].running.discard(attempt_id)

    def end(self, call_id):
        assert call_id not in self.ended
        self.ended.add(call_id)

    def check_error(self, call_id, error):
        assert isinstance(error, AccelerateError)
        call = self.calls[call_id]
        attempts = error.details.get("attempts", [])
        assert len(attempts) <= call.starts

    # what always holds

    @invariant()
    def deadlines_are_kept_and_will_be(self):
        deadlines = [c.deadline_ns for c in self.calls.values() if c.deadline_ns is not None]
        if deadlines:
            due = self.wake_ns is not None and self.wake_ns <= self.now_ns
            assert due or min(deadlines) > self.now_ns
            assert self.wake_ns is not None
            assert self.wake_ns <= min(deadlines)

    @invariant()
    def circuits_change_only_as_drawn(self):
        states = self.states()
        for name, state in states.items():
            assert state is self.circuits[name] or (self.circuits[name], state) in LEGAL
        self.circuits = states

    @invariant()
    def the_picture_is_true(self):
        snapshot = self.dispatcher.snapshot()
        assert snapshot.in_flight == len(self.running)
        assert snapshot.calls == len(self.calls)
        assert sum(snapshot.waiting_by_priority.values()) <= self.settings.queue_size
        at_sites = sum(site.gate.in_flight for site in snapshot.endpoints.values())
        at_keys = sum(k.gate.in_flight for s in snapshot.endpoints.values() for k in s.keys)
        assert at_sites == at_keys == len(self.running)

    def teardown(self):
        """When all goes well from now on, every call ends."""
        if not hasattr(self, "calls"):
            return
        for _ in range(400):
            if not self.calls:
                break
            if self.running:
                attempt_id = min(self.running)
                call_id = self.running[attempt_id].call_id
                self.stop(attempt_id)
                self.end(call_id)
                self.tell(events.Succeeded(attempt_id))
            else:
                assert self.wake_ns is not None
                self.now_ns = max(self.now_ns, self.wake_ns)
                self.tell(events.Tick())
        assert not self.calls


TestDispatcher = World.TestCase
TestDispatcher.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.slow
class TestDispatcherLong(World.TestCase):
    settings = settings(
        max_examples=400,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
