"""Allowances of requests and tokens, counted so that the service never has to refuse.

A request counts from when it is sent until a whole window after the service can have counted it.
Then no window of the service, wherever it begins, ever holds more than the allowance; nor is a
bucket of that size, refilled at that rate, ever empty. So one rule is right for services which
count in fixed windows, in sliding windows and in token buckets, whatever their clocks show; the
price is the guard, below 1.2 % of the allowance.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.providers import RateReport
    from ipfs_accelerate.gateway.routes import Allowance

__all__ = ["Quota", "Span"]

_S = 1_000_000_000
#: Share of a window that a request may be on its way, and that the service's clock may be off.
_GUARD = 128
#: Requests of one such share of a window are counted together, so that memory is bounded.
_GRAIN = 256


class Span:
    """Requests that stop counting at the same moment."""

    __slots__ = ("is_over", "release_ns", "requests", "tokens")

    def __init__(self, release_ns: int) -> None:
        self.release_ns = release_ns
        self.requests = 0
        self.tokens = 0
        self.is_over = False


class Quota:
    """What one key, or one endpoint, may still send.

    Args:
        allowance: As configured; what is ``None`` there is learned from answers.
    """

    __slots__ = (
        "_foreign_requests",
        "_foreign_tokens",
        "_foreign_until_ns",
        "_spans",
        "is_bounded",
        "request_limit",
        "requests",
        "token_limit",
        "tokens",
        "window_ns",
    )

    def __init__(self, allowance: Allowance) -> None:
        self.request_limit = allowance.requests
        self.token_limit = allowance.tokens
        self.window_ns = max(1, round(allowance.window_s * _S))
        self.is_bounded = allowance.requests is not None or allowance.tokens is not None
        self.requests = 0
        self.tokens = 0
        self._spans: deque[Span] = deque()
        self._foreign_requests = 0
        self._foreign_tokens = 0
        self._foreign_until_ns = 0

    def ready_ns(self, now_ns: int, tokens: int) -> int:
        """0 when a request of so many tokens may be sent; otherwise a moment to ask again.

        A request larger than the whole allowance may go when nothing else counts: the service
        decides on it.
        """
        if not self.is_bounded:
            return 0
        self._expire(now_ns)
        request_limit, token_limit = self.request_limit, self.token_limit
        if request_limit is not None and (
            self.requests + self._foreign_requests + 1 > max(1, request_limit)
        ):
            return self._next_release_ns(now_ns)
        if token_limit is not None and (
            self.tokens + self._foreign_tokens + min(tokens, token_limit) > token_limit
        ):
            return self._next_release_ns(now_ns)
        return 0

    def take(self, now_ns: int, tokens: int) -> Span:
        """Count a request that is sent now, also while no bound is known: one may be learned."""
        spans = self._spans
        if spans and spans[0].release_ns <= now_ns:
            self._expire(now_ns)
        free_ns = now_ns + self.window_ns + self.window_ns // _GUARD
        span = spans[-1] if spans else None
        if span is None or span.release_ns < free_ns:
            grain_ns = max(1, self.window_ns // _GRAIN)
            span = Span(-(-free_ns // grain_ns) * grain_ns)
            spans.append(span)
        span.requests += 1
        span.tokens += tokens
        self.requests += 1
        self.tokens += tokens
        return span

    def correct(self, span: Span, more_tokens: int, *, requests: int = 0) -> None:
        """Put right what was counted: tokens really used, or a request that was never sent."""
        if span.is_over:
            return
        span.tokens += more_tokens
        span.requests += requests
        self.tokens += more_tokens
        self.requests += requests

    def learn(self, report: RateReport, now_ns: int) -> None:
        """Take over what an answer tells: limits not known before, and use that was not ours."""
        if report.request_limit is None and report.token_limit is None:
            return
        self._expire(now_ns)
        self.request_limit = _tighter(self.request_limit, report.request_limit)
        self.token_limit = _tighter(self.token_limit, report.token_limit)
        self.is_bounded = True
        self._foreign_requests = _foreign(
            report.request_limit, report.request_remaining, self.requests
        )
        self._foreign_tokens = _foreign(report.token_limit, report.token_remaining, self.tokens)
        resets = [s for s in (report.request_reset_s, report.token_reset_s) if s is not None]
        reset_ns = round(max(resets) * _S) if resets else self.window_ns
        self._foreign_until_ns = now_ns + reset_ns

    def tighten(self) -> None:
        """The service refused within the allowance: it counts in shorter windows.

        The rate stays; window and allowance are halved, down to one second or one request.
        """
        limits = [limit for limit in (self.request_limit, self.token_limit) if limit is not None]
        if not limits or min(limits) < 2 or self.window_ns < 2 * _S:
            return
        self.window_ns //= 2
        self.request_limit = None if self.request_limit is None else self.request_limit // 2
        self.token_limit = None if self.token_limit is None else self.token_limit // 2

    def _next_release_ns(self, now_ns: int) -> int:
        moments = [self._spans[0].release_ns] if self._spans else []
        if self._foreign_requests or self._foreign_tokens:
            moments.append(self._foreign_until_ns)
        return min(moments) if moments else now_ns + self.window_ns

    def _expire(self, now_ns: int) -> None:
        spans = self._spans
        while spans and spans[0].release_ns <= now_ns:
            span = spans.popleft()
            span.is_over = True
            self.requests -= span.requests
            self.tokens -= span.tokens
        if self._foreign_until_ns <= now_ns:
            self._foreign_requests = self._foreign_tokens = 0


def _tighter(known: int | None, told: int | None) -> int | None:
    if known is None or told is None:
        return told if known is None else known
    return min(known, told)


def _foreign(limit: int | None, remaining: int | None, own: int) -> int:
    return 0 if limit is None or remaining is None else max(0, limit - remaining - own)
