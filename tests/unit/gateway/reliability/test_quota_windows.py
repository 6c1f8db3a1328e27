"""Allowances are used up and never overdrawn, however the service counts."""

from __future__ import annotations

import pytest

from ipfs_accelerate.gateway.providers.protocol import RateReport
from ipfs_accelerate.gateway.reliability.quota import Quota
from ipfs_accelerate.gateway.routes import Allowance

S = 1_000_000_000


def send_all(quota: Quota, until_ns: int, *, tokens: int = 0, step_ns: int = S // 100):
    """Send as soon as allowed; the moments."""
    sent, now_ns = [], 0
    while now_ns < until_ns:
        ready_ns = quota.ready_ns(now_ns, tokens)
        if ready_ns == 0:
            quota.take(now_ns, tokens)
            sent.append(now_ns)
        now_ns = max(now_ns + step_ns, ready_ns)
    return sent


@pytest.mark.parametrize("limit", [1, 7, 100, 3000])
def test_no_window_wherever_it_begins_holds_more_than_the_allowance(limit):
    sent = send_all(Quota(Allowance(requests=limit)), 600 * S)
    for first, after in zip(sent, sent[limit:], strict=False):
        assert after - first > 60 * S


@pytest.mark.parametrize("limit", [1, 7, 100, 3000])
def test_the_allowance_is_used(limit):
    sent = send_all(Quota(Allowance(requests=limit)), 1200 * S)
    took_s = (sent[(len(sent) - 1) // limit * limit] - sent[0]) / S
    assert (len(sent) - 1) // limit * 60 / took_s >= 0.98


def test_tokens_are_counted_as_estimated_and_put_right_by_use():
    quota = Quota(Allowance(tokens=1000))
    span = quota.take(0, 900)
    assert quota.ready_ns(0, 200) > 60 * S
    quota.correct(span, 300 - 900)
    assert quota.ready_ns(0, 700) == 0
    assert quota.ready_ns(0, 701) > 0
    quota.correct(span, 800)
    assert quota.ready_ns(0, 0) > 0


def test_what_is_put_right_after_its_window_changes_nothing():
    quota = Quota(Allowance(tokens=1000, requests=5))
    span = quota.take(0, 900)
    assert quota.ready_ns(62 * S, 1000) == 0
    quota.correct(span, -500, requests=-1)
    assert (quota.tokens, quota.requests) == (0, 0)


def test_a_request_larger_than_the_allowance_goes_when_it_is_alone():
    quota = Quota(Allowance(tokens=100))
    assert quota.ready_ns(0, 10_000) == 0
    quota.take(0, 10_000)
    assert quota.ready_ns(0, 1) > 0


def test_limits_are_learned_and_the_tighter_of_two_counts():
    quota = Quota(Allowance(requests=10))
    quota.learn(RateReport(request_limit=4, token_limit=500), 0)
    assert (quota.request_limit, quota.token_limit) == (4, 500)
    quota.learn(RateReport(request_limit=100), 0)
    assert quota.request_limit == 4


def test_use_by_others_counts_until_the_service_resets_it():
    quota = Quota(Allowance())
    quota.take(0, 0)
    quota.learn(RateReport(request_limit=10, request_remaining=2, request_reset_s=30.0), 0)
    quota.take(0, 0)
    assert quota.ready_ns(0, 0) == 0
    quota.take(0, 0)
    assert quota.ready_ns(0, 0) == 30 * S
    assert quota.ready_ns(30 * S, 0) == 0


def test_own_use_is_not_taken_for_that_of_others():
    quota = Quota(Allowance(requests=10))
    for _ in range(4):
        quota.take(0, 0)
    quota.learn(RateReport(request_limit=10, request_remaining=7, request_reset_s=30.0), 0)
    for _ in range(6):
        assert quota.ready_ns(0, 0) == 0
        quota.take(0, 0)
    assert quota.ready_ns(0, 0) > 0


def test_a_day_s_allowance_learned_from_headers_is_kept_with_a_minute_s_window():
    quota = Quota(Allowance())
    quota.learn(RateReport(request_limit=14_400, request_remaining=0, request_reset_s=7200.0), 0)
    assert quota.ready_ns(0, 0) == 7200 * S


def test_refusals_within_the_allowance_shorten_the_window_and_keep_the_rate():
    quota = Quota(Allowance(requests=600))
    for _ in range(20):
        quota.tighten()
    assert quota.window_ns < 2 * S
    assert quota.request_limit / (quota.window_ns / S) == pytest.approx(10, rel=0.15)
    unknown = Quota(Allowance())
    unknown.tighten()
    assert unknown.window_ns == 60 * S


def test_memory_does_not_grow_with_the_allowance():
    quota = Quota(Allowance(requests=10**9))
    for number in range(50_000):
        quota.take(number * 2 * S // 100, 1)
    assert len(quota._spans) <= 300
