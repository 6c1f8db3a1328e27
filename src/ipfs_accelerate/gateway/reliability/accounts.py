"""What an attempt takes from its gates, and what they learn from its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConnectivityError
from ipfs_accelerate.gateway.reliability.retry import Blame, retry_after_ns

if TYPE_CHECKING:
    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.gateway.messages import Usage
    from ipfs_accelerate.gateway.providers import RateReport
    from ipfs_accelerate.gateway.reliability.call import Attempt
    from ipfs_accelerate.gateway.reliability.gate import Gate
    from ipfs_accelerate.gateway.reliability.retry import Backoff

__all__ = ["abandon", "begin", "blame", "learn", "observe", "succeed"]

_S = 1_000_000_000
#: Failures to connect in which the service has seen nothing.
_UNSENT = frozenset({"dns", "tls", "refused", "connect_timeout"})


def begin(attempt: Attempt) -> None:
    """Take a place at each gate."""
    site, key, tokens = attempt.option.site, attempt.key, attempt.call.tokens
    now_ns = attempt.started_ns
    attempt.option.begin()
    attempt.service_epoch = site.service.enter()
    attempt.site_epoch = site.gate.enter()
    attempt.key_epoch = key.gate.enter()
    attempt.key_span = key.quota.take(now_ns, tokens)
    quota = site.gate.quota
    attempt.site_span = None if quota is None else quota.take(now_ns, tokens)
    key.used = attempt.id


def observe(attempt: Attempt, now_ns: int) -> None:
    """The service began to answer: that is its latency, and the round trip after which limits grow.

    Not only at the end: streams that last minutes would keep others waiting for so long.
    """
    if attempt.has_begun:
        return
    attempt.has_begun = True
    site = attempt.option.site
    for gate in (site.service, site.gate, attempt.key.gate):
        if gate.limit.value < gate.limit.ceiling:
            gate.limit.grow()
    site.gate.limit.observe(now_ns - attempt.started_ns, now_ns)


def learn(attempt: Attempt, rates: RateReport | None, now_ns: int) -> None:
    """Take over what headers tell about the key."""
    if rates is None:
        return
    attempt.key.quota.learn(rates, now_ns)
    if rates.retry_after_s is not None:
        attempt.key.gate.rest_until(now_ns + round(rates.retry_after_s * _S))


def succeed(attempt: Attempt, usage: Usage | None, now_ns: int) -> None:
    """The whole answer came."""
    observe(attempt, now_ns)
    site, key = attempt.option.site, attempt.key
    _passed(site.service, attempt.service_epoch)
    _passed(site.gate, attempt.site_epoch)
    _passed(key.gate, attempt.key_epoch)
    attempt.option.in_flight -= 1
    used = None if usage is None else usage.total_tokens
    if used is not None:
        _correct(attempt, used - attempt.call.tokens)


def _passed(gate: Gate, epoch: int) -> None:
    gate.limit.in_flight -= 1
    gate.strikes = 0
    if not gate.breaker.is_spotless:
        gate.breaker.succeed(epoch)


def abandon(attempt: Attempt, now_ns: int, *, is_late: bool = False) -> None:
    """The attempt was stopped; its deadline passing tells something when answers used to be fast.

    Without this, an endpoint that hangs would never be left alone by callers whose patience is
    shorter than the time limits of the endpoint.
    """
    limit = attempt.option.site.gate.limit
    if is_late and not attempt.has_begun and limit.is_hanging(now_ns - attempt.started_ns):
        _judge(attempt, Blame.ENDPOINT, "deadline_exceeded", now_ns)
    else:
        _judge(attempt, Blame.NOBODY, "", now_ns)


def blame(
    attempt: Attempt, error: AccelerateError, who: Blame, now_ns: int, *, pauses: Backoff
) -> None:
    """The attempt failed: spare whoever is at fault."""
    site, key = attempt.option.site, attempt.key
    told_ns = retry_after_ns(error)
    if who is Blame.KEY_PACED:
        _pace(attempt, told_ns, now_ns, pauses)
    elif who is Blame.KEY_BARRED and told_ns is not None:
        key.gate.rest_until(now_ns + told_ns)
    elif who is Blame.OVERLOAD:
        site.gate.limit.halve(now_ns)
        site.service.limit.halve(now_ns)
        if told_ns is not None:
            site.gate.rest_until(now_ns + told_ns)
    if isinstance(error, ConnectivityError) and error.details.get("kind") in _UNSENT:
        _correct(attempt, -attempt.call.tokens, requests=-1)
    _judge(attempt, who, error.code, now_ns)


def _pace(attempt: Attempt, told_ns: int | None, now_ns: int, pauses: Backoff) -> None:
    gate = attempt.key.gate
    if gate.rest_ns <= now_ns:
        gate.limit.halve(now_ns)
        attempt.key.quota.tighten()
        gate.strikes += 1
    if told_ns is None:
        told_ns = pauses.wait_ns(gate.strikes)
    gate.rest_until(now_ns + told_ns)


def _judge(attempt: Attempt, who: Blame, reason: str, now_ns: int) -> None:
    _release(attempt)
    site, key = attempt.option.site, attempt.key
    if who in {Blame.SERVICE, Blame.OVERLOAD}:
        site.service.breaker.fail(attempt.service_epoch, now_ns, reason)
    else:
        site.service.breaker.abandon(attempt.service_epoch)
    if who in {Blame.ENDPOINT, Blame.SERVICE, Blame.OVERLOAD}:
        site.gate.breaker.fail(attempt.site_epoch, now_ns, reason)
    else:
        site.gate.breaker.abandon(attempt.site_epoch)
    if who is Blame.KEY_BARRED:
        key.gate.breaker.fail(attempt.key_epoch, now_ns, reason)
    else:
        key.gate.breaker.abandon(attempt.key_epoch)


def _release(attempt: Attempt) -> None:
    attempt.option.in_flight -= 1
    site = attempt.option.site
    site.service.limit.in_flight -= 1
    site.gate.limit.in_flight -= 1
    attempt.key.gate.limit.in_flight -= 1


def _correct(attempt: Attempt, more_tokens: int, *, requests: int = 0) -> None:
    attempt.key.quota.correct(attempt.key_span, more_tokens, requests=requests)
    quota = attempt.option.site.gate.quota
    if quota is not None and attempt.site_span is not None:
        quota.correct(attempt.site_span, more_tokens, requests=requests)
