"""Between the facade and the shell: plans calls, prepares their tries, writes their records."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.gateway.backend import CallContext
from ipfs_accelerate.gateway.providers.cost import cost
from ipfs_accelerate.gateway.providers.estimate import estimate_tokens
from ipfs_accelerate.gateway.records import CallRecord
from ipfs_accelerate.gateway.reliability import Dispatcher, events
from ipfs_accelerate.gateway.routing import RouteTable, addressed, candidates
from ipfs_accelerate.gateway.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ipfs_accelerate.gateway.backend import Backend
    from ipfs_accelerate.gateway.messages import Request, Usage
    from ipfs_accelerate.gateway.options import CallOptions
    from ipfs_accelerate.gateway.providers import RateReport
    from ipfs_accelerate.gateway.records import AttemptRecord, Observer
    from ipfs_accelerate.gateway.reliability import ReliabilitySettings
    from ipfs_accelerate.gateway.routes import Endpoint, Route
    from ipfs_accelerate.gateway.shell import Attempt

__all__ = ["Engine", "Plan"]

T = TypeVar("T")
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that was found a route.

    Attributes:
        model: For candidates which have no name of their own for the model.
        submit: What the dispatcher is told.
        tries: Filled while it runs.
        batched: Calls that share the request.
    """

    request: Request
    route: Route
    model: str
    submit: events.Submit
    request_id: str
    idempotency_key: str
    is_stream: bool = False
    batched: int = 1
    tries: list[AttemptRecord] = field(default_factory=list)


class Engine:
    """Runs plans.

    Args:
        endpoints: Whom it may ask.
        routes: Names callers ask for.
        backends: By name of their endpoint.
        observers: Told of every call when it has ended.
        reliability: Numbers of the dispatcher; the usual ones when ``None``.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        routes: Sequence[Route],
        *,
        backends: Mapping[str, Backend],
        observers: Sequence[Observer] = (),
        reliability: ReliabilitySettings | None = None,
    ) -> None:
        self.table = RouteTable(endpoints, routes)
        self.endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self.backends = backends
        self.observers = list(observers)
        self.dispatcher = Dispatcher(tuple(self.table.all.values()), tuple(endpoints), reliability)
        self.shell = Shell(self.dispatcher)
        self._secrets = {(e.name, k.name): k.secret for e in endpoints for k in e.keys}

    def plan(self, request: Request, options: CallOptions, *, is_stream: bool = False) -> Plan:
        """Find a request its route.

        Raises:
            UnknownModelError: No route has the name.
            InputError: No service of the route can express the request.
        """
        route, model = self.table.find(request.model)
        deadline_s = options.deadline_s if options.deadline_s is not None else route.deadline_s
        submit = events.Submit(
            self.shell.next_id(),
            route.name,
            request.operation,
            options.priority,
            estimate_tokens(request),
            None if deadline_s is None else self.shell.now_ns() + round(deadline_s * _S),
            self.table.fitting(route, request, self.backends, is_stream=is_stream),
        )
        request_id = options.request_id or f"req-{os.urandom(16).hex()}"
        return Plan(
            request,
            route,
            model,
            submit,
            request_id,
            options.idempotency_key or request_id,
            is_stream,
            options.batched,
        )

    def prepare(self, plan: Plan, attempt: Attempt) -> tuple[Backend, Request, CallContext]:
        """Whom a try asks, what it sends and with which key."""
        order = attempt.order
        endpoint = self.endpoints[order.candidate.endpoint]

        def keep(rates: RateReport) -> None:
            attempt.rates = rates

        key = None if order.key is None else self._secrets[endpoint.name, order.key].reveal()
        context = CallContext(key, endpoint.limits, plan.idempotency_key, keep)
        sent = addressed(plan.request, order.candidate, plan.model)
        return self.backends[endpoint.name], sent, context

    async def run(
        self,
        plan: Plan,
        work: Callable[[Attempt], Awaitable[T]],
        *,
        first_ns: Callable[[], int | None] = lambda: None,
    ) -> tuple[T, CallRecord]:
        """Have a plan tried until it ends, and tell the observers how it went.

        Args:
            plan: Used once.
            work: One try.
            first_ns: Moment when the caller had the first piece of a stream.
        """
        began_ns = self.shell.now_ns()
        outcome, ran = "cancelled", None
        try:
            ran = await self.shell.run(
                plan.submit, work, describe=self._describe(plan), records=plan.tries
            )
            outcome = "ok"
        except AccelerateError as error:
            error.details.setdefault("request_id", plan.request_id)
            outcome = error.code
            raise
        finally:
            record = CallRecord(
                plan.request_id,
                plan.submit.operation,
                plan.route.name,
                plan.submit.priority,
                outcome,
                self.shell.now_ns() - began_ns,
                tuple(plan.tries),
                plan.tries[0].started_ns if plan.tries else None,
                None if (first := first_ns()) is None else first - began_ns,
                None if ran is None else ran.usage,
                None if ran is None else self._cost(ran.order.candidate.endpoint, ran.usage),
                plan.batched,
                plan.is_stream,
            )
            self.observe(record)
        assert ran is not None
        return ran.result, record

    def observe(self, record: CallRecord) -> None:
        """Tell the observers of a call that has ended."""
        for observer in self.observers:
            observer(record)

    def most_texts(self, request: Request) -> int | None:
        """Texts that every service of the request's route takes at once; ``None`` for any number.

        Raises:
            UnknownModelError: No route has the name.
        """
        route, _ = self.table.find(request.model)
        found = [self.backends[one.endpoint].capabilities.max_batch for one in candidates(route)]
        return min((bound for bound in found if bound is not None), default=None)

    def _cost(self, endpoint: str, usage: Usage | None) -> float | None:
        return None if usage is None else cost(usage, self.endpoints[endpoint].price_per_million)

    def _describe(self, plan: Plan) -> Callable[[events.Start], tuple[str, str]]:
        def describe(order: events.Start) -> tuple[str, str]:
            endpoint = order.candidate.endpoint
            return self.endpoints[endpoint].provider, order.candidate.model or plan.model

        return describe
