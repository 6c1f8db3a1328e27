"""The state of one call and of its attempts, and the error it ends in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    AllProvidersFailedError,
    CircuitOpenError,
    DeadlineExceededError,
    QueueFullError,
    RateLimitedError,
)
from ipfs_accelerate.gateway.reliability.queue import Waiting

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.reliability.events import Submit
    from ipfs_accelerate.gateway.reliability.quota import Span
    from ipfs_accelerate.gateway.reliability.selection import Blocked, Option, RouteState
    from ipfs_accelerate.gateway.reliability.sites import KeySite

__all__ = ["Attempt", "Call", "circuit_open", "deadline_exceeded", "failure", "queue_full"]

#: Ends of one kind which only the caller, or who configured the route, can put right.
_PLAIN = frozenset({"key_refused", "request_refused", "content_refused", "model_not_found"})


class Attempt:
    """One try of a call, with what it took from each gate."""

    __slots__ = (
        "call",
        "has_begun",
        "id",
        "is_hedge",
        "key",
        "key_epoch",
        "key_span",
        "option",
        "service_epoch",
        "site_epoch",
        "site_span",
        "started_ns",
    )
    key_epoch: int
    key_span: Span
    service_epoch: int
    site_epoch: int
    site_span: Span | None

    def __init__(
        self, attempt_id: int, call: Call, *, option: Option, key: KeySite, started_ns: int
    ) -> None:
        self.id = attempt_id
        self.call = call
        self.option = option
        self.key = key
        self.started_ns = started_ns
        self.has_begun = False
        self.is_hedge = False


class Call(Waiting):
    """One call from its submission to its end.

    Attributes:
        fitting: Options which can express it, as a set of bits.
        gone: Options which are never to be asked again.
        failed: Options which failed since the last wait.
        placed_ns: When it began to wait for the options it may use now.
        resume_ns: End of the wait before a repeat.
        hedge_ns: When a second attempt may begin.
    """

    __slots__ = (
        "active",
        "attempts",
        "deadline_ns",
        "failed",
        "fitting",
        "gone",
        "hedge_ns",
        "id",
        "is_done",
        "last_error",
        "log",
        "operation",
        "placed_ns",
        "repeats",
        "resume_ns",
        "route",
        "tokens",
    )

    def __init__(
        self, event: Submit, route: RouteState, *, now_ns: int, number: int, ageing_ns: int
    ) -> None:
        super().__init__(event.priority, arrived_ns=now_ns, number=number, ageing_ns=ageing_ns)
        self.id = event.call_id
        self.route = route
        self.operation = event.operation
        self.tokens = event.tokens
        self.deadline_ns = event.deadline_ns
        self.fitting = route.everything
        self.gone = 0
        self.failed = 0
        self.placed_ns = now_ns
        self.active: list[Attempt] = []
        self.attempts = 0
        self.repeats = 0
        self.resume_ns: int | None = None
        self.hedge_ns: int | None = None
        self.log: list[dict[str, object]] | None = None
        self.last_error: AccelerateError | None = None
        self.is_done = False

    @property
    def options(self) -> int:
        """Whom it may ask now."""
        return self.fitting & ~self.gone & ~self.failed

    def note(self, attempt: Attempt, error: AccelerateError, now_ns: int) -> None:
        """Remember how an attempt failed; nothing of it is secret."""
        self.last_error = error
        if self.log is None:
            self.log = []
        self.log.append(
            {
                "endpoint": attempt.option.candidate.endpoint,
                "model": attempt.option.candidate.model,
                "key": attempt.key.name,
                "code": error.code,
                "status": error.details.get("status"),
                "after_ms": round((now_ns - attempt.started_ns) / 1e6, 3),
            }
        )


def failure(call: Call) -> AccelerateError:
    """The end of a call whose attempts failed: the only error, or one that tells of all."""
    log, last = call.log or [], call.last_error
    codes = {str(entry["code"]) for entry in log}
    if last is not None and (len(log) == 1 or (len(codes) == 1 and codes <= _PLAIN)):
        return last
    error = AllProvidersFailedError(
        f"all {len(log)} attempts for {call.route.route.name!r} failed: {', '.join(sorted(codes))}",
        hint="details.attempts tells whom each attempt asked and how it failed",
        details={"route": call.route.route.name, "attempts": log},
    )
    error.__cause__ = last
    return error


def deadline_exceeded(call: Call, now_ns: int) -> AccelerateError:
    """The end of a call whose deadline passed."""
    state = "running" if call.active else "waiting"
    waited_ms = (now_ns - call.arrived_ns) / 1e6
    error = DeadlineExceededError(
        f"no answer for {call.route.route.name!r} within {waited_ms:.0f} ms; it was {state}",
        hint="raise the deadline, or add candidates to the route",
        details={"route": call.route.route.name, "state": state, "attempts": call.log or []},
    )
    error.__cause__ = call.last_error
    return error


def queue_full(call: Call) -> AccelerateError:
    """The end of a call for which the queue has no room."""
    return QueueFullError(
        f"the queue is full: no room for {call.priority.name} of {call.route.route.name!r}",
        hint="try later, or raise its priority",
        details={"route": call.route.route.name, "priority": call.priority.name},
    )


def circuit_open(call: Call, blocked: Blocked, now_ns: int) -> AccelerateError:
    """The end of a call that was never tried and cannot be before its deadline."""
    retry_after_s = round((blocked.moment_ns - now_ns) / 1e9, 3)
    name = call.route.route.name
    details: dict[str, object] = {"route": name, "retry_after_s": retry_after_s}
    if not blocked.is_circuit:
        return RateLimitedError(
            f"no key for {name!r} may be used for {retry_after_s:g} s, which is past the deadline",
            hint="raise the deadline, or add keys or candidates to the route",
            details=details,
        )
    sites = {option.site.name: option.site for option in call.route.options}
    details["circuits"] = [
        {"endpoint": site.name, "gate": gate.name, "reason": gate.breaker.reason}
        for site in sites.values()
        for gate in (site.service, site.gate, *(key.gate for key in site.keys))
        if gate.blocks_by_circuit(now_ns)
    ]
    return CircuitOpenError(
        f"the circuits of all candidates for {name!r} are open",
        hint=f"the next one is probed in {retry_after_s:g} s",
        details=details,
    )
