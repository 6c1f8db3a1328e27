"""Streams that last do not keep others waiting when the service keeps up."""

from __future__ import annotations

from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.reliability import Dispatcher, events
from ipfs_accelerate.gateway.routes import Allowance, Candidate, Endpoint, Route

ROUTE = Route("m", ((Candidate("a"),),))
CALLS = 500


def begun_without_an_end(endpoint: Endpoint) -> tuple[int, int]:
    """Started at once of 500, and started after all that run have begun again and again."""
    dispatcher = Dispatcher((ROUTE,), (endpoint,))
    started: list[int] = []

    def tell(event: events.Event, now_ns: int) -> None:
        orders = dispatcher.handle(event, now_ns)
        started.extend(one.attempt_id for one in orders if isinstance(one, events.Start))

    for number in range(CALLS):
        tell(events.Submit(number, "m", Operation.CHAT), number)
    at_once = len(started)
    for attempt_id in started:  # grows while it is walked
        tell(events.Began(attempt_id), 1_000_000)
    return at_once, len(started)


def test_the_limit_grows_when_answers_begin_and_not_only_when_they_end() -> None:
    at_once, in_the_end = begun_without_an_end(Endpoint("a", "vllm", "http://x"))
    assert at_once < 100
    assert in_the_end == CALLS


def test_a_stated_concurrency_of_the_endpoint_holds_for_its_keys_too() -> None:
    endpoint = Endpoint("a", "vllm", "http://x", allowance=Allowance(concurrent=CALLS))
    assert begun_without_an_end(endpoint) == (CALLS, CALLS)
