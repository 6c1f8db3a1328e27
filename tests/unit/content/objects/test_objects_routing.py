"""Routing and rates."""

import pytest

from ipfs_accelerate.content.objects.limits import TokenBucket
from ipfs_accelerate.content.objects.routing import Candidate, LeastLoaded, router_named
from ipfs_accelerate.errors import UnknownNameError


def candidate(name, weight=1.0, in_flight=0, latency_ns=None):
    return Candidate(name, weight, in_flight, latency_ns)


def test_round_robin_spreads_weights_evenly():
    router = router_named("round_robin")
    candidates = [candidate("a", 5), candidate("b", 1), candidate("c", 1)]
    assert "".join(router.choose(candidates) for _ in range(14)) == "aabacaa" * 2


def test_round_robin_goes_on_when_one_is_missing():
    router = router_named("round_robin")
    a, b, c = (candidate(name) for name in "abc")
    assert [router.choose([a, b, c]) for _ in range(3)] == ["a", "b", "c"]
    assert {router.choose([b, c]) for _ in range(2)} == {"b", "c"}


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([candidate("a", in_flight=2), candidate("b", in_flight=1)], "b"),
        ([candidate("a", weight=4, in_flight=2), candidate("b", in_flight=1)], "a"),
        ([candidate("a", latency_ns=9.0), candidate("b", latency_ns=5.0)], "b"),
        ([candidate("a", latency_ns=9.0), candidate("b")], "b"),
    ],
)
def test_least_loaded_prefers_the_idle_then_the_fast(candidates, chosen):
    assert LeastLoaded().choose(candidates) == chosen


def test_an_unknown_routing_names_the_known():
    with pytest.raises(UnknownNameError, match="round_robin"):
        router_named("round-robin")


def test_a_bucket_holds_its_average():
    bucket = TokenBucket(10)
    assert [bucket.take(1, 0) for _ in range(10)] == [0] * 10
    assert bucket.take(1, 0) == 100_000_000
    assert bucket.take(1, 0) == 200_000_000
    assert bucket.take(1, 10**9) == 0  # ten came in, two were owed


def test_a_large_amount_goes_into_debt_and_an_idle_bucket_saves_one_second():
    bucket = TokenBucket(100)
    assert bucket.take(1000, 0) == 9 * 10**9
    assert bucket.take(0, 3600 * 10**9) == 0
    assert bucket.take(200, 3600 * 10**9) == 10**9


def test_no_rate_never_waits():
    assert TokenBucket(None).take(10**12, 0) == 0
