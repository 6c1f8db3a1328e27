"""What the dispatcher orders, case by case."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    AllowanceSpentError,
    AllProvidersFailedError,
    CircuitOpenError,
    ConfigurationError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    InputError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    QueueFullError,
    RateLimitedError,
    RequestRefusedError,
    StreamStalledError,
    StreamTruncatedError,
    UnknownNameError,
    error_types,
)
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import Operation, Usage
from ipfs_accelerate.gateway.providers.protocol import RateReport
from ipfs_accelerate.gateway.reliability import (
    CircuitState,
    Dispatcher,
    ReliabilitySettings,
    events,
)
from ipfs_accelerate.gateway.reliability.retry import Again, Backoff, RetryBudget, rule_of
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


def endpoint(name: str, keys: int = 0, **options) -> Endpoint:
    names = [f"{name}{number}" for number in range(keys)]
    allowance = options.pop("per_key", Allowance())
    made = tuple(Key(key, Secret("sk-secret"), allowance) for key in names)
    return Endpoint(name, "vllm", f"http://{name}", keys=made, **options)


class World:
    """A dispatcher, and the instructions it gave."""

    def __init__(self, route: Route, *endpoints: Endpoint, **settings) -> None:
        self.dispatcher = Dispatcher(
            (route,), endpoints, ReliabilitySettings(**settings), np.random.default_rng(3)
        )
        self.route = route.name
        self.now_ns = 0
        self.calls = 0

    def tell(self, event: events.Event, after_s: float = 0) -> list[events.Instruction]:
        self.now_ns += round(after_s * S)
        return self.dispatcher.handle(event, self.now_ns)

    def submit(self, **facts) -> list[events.Instruction]:
        self.calls += 1
        facts.setdefault("operation", Operation.CHAT)
        return self.tell(events.Submit(self.calls, facts.pop("route", self.route), **facts))

    def start(self, **facts) -> events.Start:
        return only(events.Start, self.submit(**facts))

    def fail(self, order: events.Start, error: AccelerateError, **facts):
        return self.tell(events.Failed(order.attempt_id, error, **facts))

    def run_on(self, seconds: float = 3600):
        """Let time pass by the dispatcher's own wishes until it starts or ends something."""
        end_ns = self.now_ns + round(seconds * S)
        out = self.tell(events.Tick())
        while self.now_ns < end_ns:
            found = [o for o in out if not isinstance(o, events.WakeAt)]
            if found:
                return found
            self.now_ns = min(self.dispatcher._timers.next_ns, end_ns)
            out = self.tell(events.Tick())
        return []


def only(kind, orders):
    found = [order for order in orders if isinstance(order, kind)]
    assert len(found) == 1, orders
    return found[0]


def error_of(orders) -> AccelerateError:
    assert not [order for order in orders if isinstance(order, events.Start)]
    return only(events.GiveUp, orders).error


def route(*tiers: str, **options) -> Route:
    """``a b`` is a tier of two candidates."""
    made = tuple(tuple(Candidate(name) for name in tier.split()) for tier in tiers)
    return Route("r", made, **options)


def two(**options) -> World:
    return World(route("a", "b", **options), endpoint("a"), endpoint("b"))


def test_an_answer_ends_a_call_and_leaves_nothing_behind():
    world = two()
    order = world.start()
    assert order.candidate.endpoint == "a"
    assert world.tell(events.Succeeded(order.attempt_id, Usage(1, 2))) == []
    snapshot = world.dispatcher.snapshot()
    assert (snapshot.calls, snapshot.in_flight, snapshot.counts.succeeded) == (0, 0, 1)


@pytest.mark.parametrize(
    "error_type",
    [
        ProviderFailedError,
        ProviderOverloadedError,
        ConnectivityError,
        MalformedAnswerError,
        StreamStalledError,
        StreamTruncatedError,
        DeadlineExceededError,
        ModelNotFoundError,
        KeyRefusedError,
        AllowanceSpentError,
    ],
)
def test_another_candidate_is_asked_at_once_after(error_type):
    world = two()
    again = only(events.Start, world.fail(world.start(), error_type("no")))
    assert again.candidate.endpoint == "b"


@pytest.mark.parametrize("error_type", [RequestRefusedError, InputError, ContentRefusedError])
def test_nobody_else_is_asked_after(error_type):
    world = two()
    error = error_type("no")
    assert error_of(world.fail(world.start(), error)) is error


def test_a_content_refusal_goes_on_where_the_route_says_so():
    world = two(on_refusal=OnRefusal.NEXT)
    refused = ContentRefusedError("no")
    again = only(events.Start, world.fail(world.start(), refused))
    assert again.candidate.endpoint == "b"
    assert error_of(world.fail(again, ContentRefusedError("no"))).code == "content_refused"


def test_an_answer_that_cannot_be_continued_ends_the_call_with_its_error():
    world = two()
    error = StreamTruncatedError("cut")
    assert error_of(world.fail(world.start(), error, can_retry=False)) is error


@pytest.mark.parametrize("error_type", [KeyRefusedError, RateLimitedError, AllowanceSpentError])
def test_another_key_of_the_endpoint_is_taken_after(error_type):
    world = World(route("a", "b"), endpoint("a", keys=2), endpoint("b"))
    first = world.start()
    again = only(events.Start, world.fail(first, error_type("no", details={"retry_after_s": 9})))
    assert again.candidate.endpoint == "a"
    assert {first.key, again.key} == {"a0", "a1"}


def test_a_refused_key_is_left_alone_and_probed_later_for_longer_each_time():
    world = World(route("a"), endpoint("a", keys=2), quarantine_s=60)
    times = []
    for _ in range(2):
        order = world.start()
        while order.key != "a0":
            world.tell(events.Succeeded(order.attempt_id))
            order = world.start()
        again = only(events.Start, world.fail(order, KeyRefusedError("401")))
        world.tell(events.Succeeded(again.attempt_id))
        barred_ns = world.now_ns
        while (order := world.start()).key != "a0":
            world.tell(events.Succeeded(order.attempt_id), after_s=1)
        times.append((world.now_ns - barred_ns) / S)
        world.tell(events.Cancel(order.call_id))
    assert times[0] == pytest.approx(60, rel=0.25)
    assert times[1] == pytest.approx(120, rel=0.25)


def test_all_keys_refused_is_told_as_that():
    world = World(route("a"), endpoint("a", keys=2))
    again = only(events.Start, world.fail(world.start(), KeyRefusedError("401")))
    assert isinstance(error_of(world.fail(again, KeyRefusedError("401"))), KeyRefusedError)
    later = error_of(world.submit())
    assert isinstance(later, CircuitOpenError)
    assert {c["reason"] for c in later.details["circuits"]} == {"key_refused"}


def test_retry_after_is_honoured_to_the_nanosecond():
    world = World(route("a"), endpoint("a", keys=1))
    error = RateLimitedError("429", details={"retry_after_s": 7.5})
    assert only(events.WakeAt, world.fail(world.start(), error)).moment_ns == round(7.5 * S)
    assert world.tell(events.Tick(), after_s=7.4) == []
    assert only(events.Start, world.run_on()).key == "a0"
    assert world.now_ns == round(7.5 * S)


def test_a_shorter_retry_after_does_not_shorten_a_longer_one():
    world = World(route("a"), endpoint("a", keys=1))
    orders = [world.start(), world.start()]
    for order, told_s in zip(orders, (9.0, 2.0), strict=True):
        world.fail(order, RateLimitedError("429", details={"retry_after_s": told_s}))
    assert only(events.Start, world.run_on()[:1])
    assert world.now_ns == 9 * S


def test_retry_after_past_the_deadline_ends_the_call_at_once():
    world = World(route("a", deadline_s=5.0), endpoint("a", keys=1))
    error = RateLimitedError("429", details={"retry_after_s": 60})
    assert error_of(world.fail(world.start(), error)) is error
    assert isinstance(error_of(world.submit()), RateLimitedError)


def test_headers_of_an_answer_pace_the_key():
    world = World(route("a"), endpoint("a", keys=1))
    rates = RateReport(request_limit=100, request_remaining=0, request_reset_s=12.0)
    world.tell(events.Succeeded(world.start().attempt_id, rates=rates))
    assert not [o for o in world.submit() if isinstance(o, events.Start)]
    world.run_on()
    assert world.now_ns == 12 * S


def test_one_candidate_that_fails_is_asked_again_after_a_wait():
    world = World(route("a", attempts=3), endpoint("a"))
    order, waits = world.start(), []
    for _ in range(2):
        before_ns = world.now_ns
        world.fail(order, ProviderFailedError("500"))
        order = only(events.Start, world.run_on())
        waits.append(world.now_ns - before_ns)
    assert 0 < waits[0] <= S // 2
    assert 0 < waits[1] <= S
    error = error_of(world.fail(order, ProviderFailedError("500", details={"status": 500})))
    assert isinstance(error, AllProvidersFailedError)
    assert [a["code"] for a in error.details["attempts"]] == ["provider_failed"] * 3


def test_the_report_of_all_attempts_is_json_without_secrets():
    world = World(route("a", "b"), endpoint("a", keys=1), endpoint("b", keys=1))
    order = world.start()
    world.now_ns += 250_000_000
    again = only(events.Start, world.fail(order, MalformedAnswerError("x")))
    world.fail(again, StreamStalledError("x", details={"status": 200}))
    orders = world.run_on()
    while isinstance(orders[0], events.Start):
        orders = world.fail(orders[0], ProviderFailedError("500", details={"status": 500}))
        orders = [o for o in orders if not isinstance(o, events.WakeAt)] or world.run_on()
    report = error_of(orders).to_dict()
    assert "sk-secret" not in json.dumps(report)
    assert report["details"]["attempts"][:2] == [
        {
            "endpoint": "a",
            "model": None,
            "key": "a0",
            "code": "malformed_answer",
            "status": None,
            "after_ms": 250.0,
        },
        {
            "endpoint": "b",
            "model": None,
            "key": "b0",
            "code": "stream_stalled",
            "status": 200,
            "after_ms": 0.0,
        },
    ]


def test_no_more_attempts_than_the_route_allows():
    world = World(route("a", "b", attempts=1), endpoint("a"), endpoint("b"))
    error = ProviderFailedError("500")
    assert error_of(world.fail(world.start(), error)) is error


def test_open_circuits_end_a_call_at_once_unless_one_half_opens_soon():
    world = World(route("a", attempts=1), endpoint("a"), failures_open=2, open_s=30)
    for _ in range(2):
        world.fail(world.start(), ProviderFailedError("500"))
    error = error_of(world.submit())
    assert isinstance(error, CircuitOpenError)
    assert error.details["circuits"] == [
        {"endpoint": "a", "gate": "a", "reason": "provider_failed"}
    ]
    soon = World(route("a", attempts=1), endpoint("a"), failures_open=2, open_s=3)
    for _ in range(2):
        soon.fail(soon.start(), ProviderFailedError("500"))
    assert not [o for o in soon.submit() if not isinstance(o, events.WakeAt)]
    probe = only(events.Start, soon.run_on())
    assert soon.dispatcher.snapshot().endpoints["a"].gate.circuit is CircuitState.HALF_OPEN
    soon.tell(events.Succeeded(probe.attempt_id))


def test_an_open_circuit_sends_calls_to_the_next_tier_at_once():
    world = World(route("a", "b"), endpoint("a"), endpoint("b"), failures_open=2)
    for _ in range(2):
        world.fail(world.start(), ProviderFailedError("500"))
    assert world.start().candidate.endpoint == "b"


def test_endpoints_at_one_address_share_the_fate_of_their_service():
    same = [Endpoint(name, "openai") for name in ("a", "b")]
    world = World(route("a", "b", attempts=1), *same, failures_open=2, open_s=30)
    for _ in range(4):
        world.fail(world.start(), ConnectivityError("refused"))
    states = world.dispatcher.snapshot().endpoints
    assert states["b"].service.circuit is CircuitState.OPEN
    assert isinstance(error_of(world.submit()), CircuitOpenError)


def test_requests_the_caller_got_wrong_open_no_circuit():
    world = World(route("a"), endpoint("a", keys=1), failures_open=2)
    for _ in range(50):
        world.fail(world.start(), RequestRefusedError("400"))
    assert world.dispatcher.snapshot().endpoints["a"].gate.circuit is CircuitState.CLOSED


def test_an_endpoint_that_hangs_is_left_alone_though_callers_give_up_first():
    world = World(route("a", "b", deadline_s=1.0), endpoint("a"), endpoint("b"), failures_open=3)
    for _ in range(3):
        assert world.start().candidate.endpoint == "a"
        assert isinstance(only(events.GiveUp, world.run_on()).error, DeadlineExceededError)
    assert world.start().candidate.endpoint == "b"


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_the_deadline_ends_a_call_that_is(state):
    world = World(route("a"), endpoint("a", allowance=Allowance(concurrent=1)))
    if state == "waiting":
        world.start()
    world.submit(deadline_ns=8 * S)
    ended = world.run_on()
    assert world.now_ns == 8 * S
    error = only(events.GiveUp, ended).error
    assert (error.code, error.details["state"]) == ("deadline_exceeded", state)
    assert len([o for o in ended if isinstance(o, events.Abort)]) == (state == "running")


def test_a_call_before_a_repeat_ends_at_its_deadline_even_if_the_tick_comes_late():
    world = World(route("a"), endpoint("a"))
    world.fail(world.start(deadline_ns=8 * S), ProviderFailedError("500"))
    error = error_of(world.tell(events.Tick(), after_s=20))
    assert error.code == "deadline_exceeded"
    assert error.details["attempts"][0]["code"] == "provider_failed"


def test_a_wait_that_would_pass_the_deadline_is_not_begun():
    world = World(route("a"), endpoint("a"), backoff_s=1e6, backoff_most_s=1e6)
    error = ProviderFailedError("500")
    assert error_of(world.fail(world.start(deadline_ns=S), error)) is error


def test_cancelling_aborts_and_frees_the_place_for_who_waits():
    world = World(route("a"), endpoint("a", allowance=Allowance(concurrent=1)))
    first = world.start()
    world.submit()
    orders = world.tell(events.Cancel(1))
    assert only(events.Abort, orders).attempt_id == first.attempt_id
    assert only(events.Start, orders).call_id == 2
    assert world.tell(events.Cancel(1)) == []


def test_a_full_queue_drops_low_for_high():
    world = World(route("a"), endpoint("a", allowance=Allowance(concurrent=1)), queue_size=1)
    world.start()
    world.submit(priority=Priority.LOW)
    dropped = only(events.GiveUp, world.submit(priority=Priority.HIGH))
    assert (dropped.call_id, dropped.error.code) == (2, "queue_full")
    refused = only(events.GiveUp, world.submit(priority=Priority.LOW))
    assert refused.call_id == 4
    assert isinstance(refused.error, QueueFullError)


def test_calls_for_different_endpoints_do_not_block_each_other():
    routes = [Route(name, ((Candidate(name),),)) for name in "ab"]
    full = endpoint("a", allowance=Allowance(concurrent=1))
    dispatcher = Dispatcher(routes, [full, endpoint("b")], None, np.random.default_rng(1))
    for number in range(50):
        dispatcher.handle(events.Submit(number, "a", Operation.CHAT, Priority.HIGH), 0)
    orders = dispatcher.handle(events.Submit(99, "b", Operation.CHAT, Priority.LOW), 0)
    assert only(events.Start, orders).call_id == 99


def test_where_routes_share_an_endpoint_the_better_rank_goes_first():
    routes = [Route(name, ((Candidate("a"),),)) for name in "xy"]
    full = endpoint("a", allowance=Allowance(concurrent=1))
    dispatcher = Dispatcher(routes, [full], None, np.random.default_rng(1))
    first = only(events.Start, dispatcher.handle(events.Submit(0, "x", Operation.CHAT), 0))
    dispatcher.handle(events.Submit(1, "x", Operation.CHAT, Priority.LOW), 1)
    dispatcher.handle(events.Submit(2, "y", Operation.CHAT, Priority.HIGH), 2)
    orders = dispatcher.handle(events.Succeeded(first.attempt_id), 3)
    assert only(events.Start, orders).call_id == 2


def test_a_busy_tier_hands_over_only_after_the_patience_with_it():
    busy = endpoint("a", allowance=Allowance(concurrent=1))
    world = World(route("a", "b"), busy, endpoint("b"), spill_after_s=2.0)
    world.start()
    world.submit()
    order = only(events.Start, world.run_on())
    assert (order.candidate.endpoint, world.now_ns) == ("b", 2 * S)


def test_a_spent_allowance_hands_over_at_once():
    spent = endpoint("a", keys=1, per_key=Allowance(requests=1))
    world = World(route("a", "b"), spent, endpoint("b"))
    assert world.start().candidate.endpoint == "a"
    assert world.start().candidate.endpoint == "b"


def test_weights_share_the_work_of_a_tier():
    candidates = (Candidate("a", weight=3.0), Candidate("b"))
    world = World(Route("r", (candidates,)), endpoint("a"), endpoint("b"))
    taken = []
    for _ in range(400):
        order = world.start()
        taken.append(order.candidate.endpoint)
        world.tell(events.Succeeded(order.attempt_id))
    assert taken.count("a") == 300


@pytest.mark.parametrize("strategy", KeyStrategy)
def test_keys_take_turns_when_they_are_equally_loaded(strategy):
    world = World(route("a"), endpoint("a", keys=3, strategy=strategy))
    used = [world.start().key for _ in range(30)]
    assert {key: used.count(key) for key in used} == {"a0": 10, "a1": 10, "a2": 10}


def test_the_least_loaded_key_is_taken_where_round_robin_takes_the_next():
    for strategy, expected in ((KeyStrategy.LEAST_LOADED, "a1"), (KeyStrategy.ROUND_ROBIN, "a0")):
        world = World(route("a"), endpoint("a", keys=2, strategy=strategy))
        orders = [world.start() for _ in range(4)]
        for order in orders:
            if order.key == "a1":
                world.tell(events.Succeeded(order.attempt_id))
        assert world.start().key == expected


def test_a_hedge_asks_another_and_the_first_to_begin_wins():
    world = World(route("a b", hedge_after_s=1.0), endpoint("a"), endpoint("b"))
    first = world.start()
    hedge = only(events.Start, world.run_on())
    assert world.now_ns == S
    assert hedge.is_hedge
    assert hedge.candidate != first.candidate
    orders = world.tell(events.Began(hedge.attempt_id))
    assert only(events.Abort, orders).attempt_id == first.attempt_id
    assert world.tell(events.Succeeded(hedge.attempt_id)) == []


def test_a_hedge_that_fails_does_not_end_the_call_nor_does_the_first():
    world = World(route("a b", hedge_after_s=1.0), endpoint("a"), endpoint("b"))
    first = world.start()
    hedge = only(events.Start, world.run_on())
    assert world.fail(hedge, ProviderFailedError("500")) == []
    orders = world.tell(events.Succeeded(first.attempt_id))
    assert orders == []
    assert world.dispatcher.snapshot().counts.succeeded == 1


@pytest.mark.parametrize(
    ("settings", "begun"),
    [({"hedged": frozenset()}, False), ({"retry_reserve": 0}, False), ({}, True)],
)
def test_no_hedge_without_leave_or_budget_or_after_the_beginning(settings, begun):
    world = World(route("a b", hedge_after_s=1.0), endpoint("a"), endpoint("b"), **settings)
    order = world.start()
    if begun:
        world.tell(events.Began(order.attempt_id))
    assert not [o for o in world.run_on(10) if isinstance(o, events.Start)]


def test_repeats_cannot_storm():
    world = World(
        route("a", attempts=10, deadline_s=None),
        endpoint("a"),
        failures_open=10**6,
        failure_volume=10**6,
        retry_ratio=0.1,
        retry_reserve=10,
        concurrent_start=5000,
    )
    orders = [world.start() for _ in range(1000)]
    while orders:
        for order in orders:
            world.fail(order, ProviderFailedError("500"))
        orders = []
        while found := world.run_on(100):
            orders += [o for o in found if isinstance(o, events.Start)]
    assert world.dispatcher.snapshot().counts.repeats <= 10 + 0.1 * 1000


def test_a_request_nobody_can_express_and_an_unknown_route_are_told_at_once():
    world = two()
    assert isinstance(error_of(world.submit(needs=frozenset())), InputError)
    assert isinstance(error_of(world.submit(route="x")), UnknownNameError)
    assert world.start(needs=frozenset("b")).candidate.endpoint == "b"
    world.calls = 0
    order = world.start()
    world.calls -= 1
    with pytest.raises(InputError, match="twice"):
        world.submit()
    world.tell(events.Succeeded(order.attempt_id))


def test_a_route_named_star_takes_every_other_name():
    dispatcher = Dispatcher([Route("*", ((Candidate("a"),),))], [endpoint("a")])
    assert only(events.Start, dispatcher.handle(events.Submit(1, "any", Operation.CHAT), 0))


@pytest.mark.parametrize(
    "bad",
    [
        Route("r", ()),
        Route("r", ((),)),
        Route("r", ((Candidate("a", weight=0.0),),)),
        Route("r", ((Candidate("a", weight=float("nan")),),)),
        Route("r", ((Candidate("a"),),), attempts=0),
    ],
)
def test_routes_that_cannot_work_are_refused(bad):
    with pytest.raises(ConfigurationError):
        Dispatcher([bad], [endpoint("a")])


def test_names_given_twice_or_leading_nowhere_are_refused():
    fine = route("a")
    with pytest.raises(ConfigurationError, match="named 'r'"):
        Dispatcher([fine, fine], [endpoint("a")])
    with pytest.raises(ConfigurationError, match="named 'a'"):
        Dispatcher([fine], [endpoint("a"), endpoint("a")])
    with pytest.raises(UnknownNameError):
        Dispatcher([route("nowhere")], [endpoint("a")])
    with pytest.raises(ConfigurationError, match="open_s"):
        ReliabilitySettings(open_s=float("nan"))


def test_time_that_goes_back_does_no_harm():
    world = two()
    world.now_ns = 10 * S
    order = world.start()
    world.now_ns = 0
    assert world.tell(events.Succeeded(order.attempt_id)) == []


def test_every_error_of_the_product_has_a_row():
    for error_type in error_types().values():
        error = error_type.__new__(error_type)
        assert rule_of(error).again in Again


def test_waits_are_spread_between_nothing_and_a_bound_that_doubles():
    backoff = Backoff(S, 8 * S, generator=np.random.default_rng(1))
    for repeats, bound_s in ((0, 1), (2, 4), (10, 8), (10_000, 8)):
        waits = [backoff.wait_ns(repeats) / S for _ in range(2000)]
        assert min(waits) < 0.05 * bound_s
        assert 0.95 * bound_s < max(waits) <= bound_s + 1e-8
        assert sum(waits) / len(waits) == pytest.approx(bound_s / 2, rel=0.1)


def test_the_budget_is_a_share_of_the_calls():
    budget = RetryBudget(0.1, 5)
    assert sum(budget.spend() for _ in range(100)) == 5
    for _ in range(101):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 5
