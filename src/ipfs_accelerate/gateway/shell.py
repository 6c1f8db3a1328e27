"""Carries out what the dispatcher orders: tasks, timers, futures. It decides nothing itself."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from ipfs_accelerate.errors import AccelerateError, InternalError
from ipfs_accelerate.gateway.records import AttemptRecord
from ipfs_accelerate.gateway.reliability import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from ipfs_accelerate.gateway.messages import Usage
    from ipfs_accelerate.gateway.providers import RateReport

__all__ = ["Attempt", "Decider", "Ran", "Shell"]

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Decider(Protocol):
    """The part of the dispatcher that the shell needs."""

    def handle(self, event: events.Event, now_ns: int) -> Sequence[events.Instruction]:
        """What to do now that ``event`` happened."""
        ...


class Attempt:
    """One try, as the work of a call sees it."""

    __slots__ = ("_shell", "began_ns", "can_retry", "order", "rates", "started_ns", "usage")

    def __init__(self, shell: Shell, order: events.Start, started_ns: int) -> None:
        self._shell = shell
        self.order = order
        self.started_ns = started_ns
        self.began_ns: int | None = None
        self.rates: RateReport | None = None
        self.usage: Usage | None = None
        self.can_retry = True

    def begin(self) -> None:
        """The first piece is there: other tries of this call are stopped before this returns."""
        self.began_ns = self._shell.now_ns()
        self._shell.tell(events.Began(self.order.attempt_id, self.rates))


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """A call that ended well: its result, the try that gave it, and all tries in order."""

    result: T
    order: events.Start
    usage: Usage | None
    started_ns: int
    attempts: tuple[AttemptRecord, ...]


class _InCaller:
    """A try in its caller's own task, which can be stopped without ending the caller.

    A first try needs no task of its own: this saves a turn of the event loop for each call. As
    `asyncio.timeout` does, it cancels the task and takes the cancellation back.
    """

    __slots__ = ("_task", "ended", "is_stopped", "order")

    def __init__(self, order: events.Start) -> None:
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self.order = order
        self.is_stopped = False
        self.ended: asyncio.Future[None] | None = None

    def stop(self) -> asyncio.Future[None]:
        self.is_stopped = True
        self._task.cancel()
        self.ended = asyncio.get_running_loop().create_future()
        return self.ended

    async def run(self, attempt: Coroutine[object, object, None]) -> None:
        cancelling = self._task.cancelling()
        try:
            await attempt
            if self.is_stopped:
                await asyncio.sleep(0)  # where a cancellation that is still on its way arrives
        except asyncio.CancelledError:
            if not self.is_stopped:
                raise
        finally:
            if self.ended is not None:
                self.ended.set_result(None)
        if self.is_stopped and self._task.uncancel() > cancelling:
            raise asyncio.CancelledError


@dataclass(slots=True)
class _Call:
    work: Callable[[Attempt], Awaitable[object]]
    done: asyncio.Future[tuple[object, Attempt]]
    began_ns: int
    describe: Callable[[events.Start], tuple[str, str]]
    is_submitting: bool = True
    own: _InCaller | None = None
    attempts: set[int] = field(default_factory=set)
    records: list[AttemptRecord] = field(default_factory=list)


class Shell:
    """Runs calls in the event loop it is used in.

    Args:
        dispatcher: Decides.
        now_ns: The clock of all events.
    """

    def __init__(
        self, dispatcher: Decider, *, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.now_ns = now_ns
        self._dispatcher = dispatcher
        self._calls: dict[int, _Call] = {}
        self._attempts: dict[int, asyncio.Task[None] | _InCaller] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._wake_ns = 0
        self._ids = count(1)

    def next_id(self) -> int:
        """A fresh id for a call."""
        return next(self._ids)

    async def run(
        self,
        submit: events.Submit,
        work: Callable[[Attempt], Awaitable[T]],
        *,
        describe: Callable[[events.Start], tuple[str, str]],
        records: list[AttemptRecord] | None = None,
    ) -> Ran[T]:
        """Have a call tried until it ends.

        Args:
            submit: The call.
            work: One try; called again for each further one.
            describe: Provider and model of a try, for the records.
            records: Filled with the tries, also when the call fails.

        Raises:
            AccelerateError: What the dispatcher decided the caller shall see.
        """
        call = _Call(
            work,
            asyncio.get_running_loop().create_future(),
            self.now_ns(),
            describe,
            records=[] if records is None else records,
        )
        self._calls[submit.call_id] = call
        try:
            self.tell(submit)
            call.is_submitting = False
            if call.own is not None:
                await call.own.run(self._attempt(call, call.own.order))
            result, attempt = await call.done
        except asyncio.CancelledError:
            self.tell(events.Cancel(submit.call_id))
            raise
        finally:
            self._calls.pop(submit.call_id, None)
            self._stop(call.attempts)
        return Ran(
            result,  # type: ignore[arg-type]
            attempt.order,
            attempt.usage,
            attempt.started_ns - call.began_ns,
            tuple(call.records),
        )

    def tell(self, event: events.Event) -> None:
        """Give an event to the dispatcher and carry out what it orders."""
        for order in self._dispatcher.handle(event, self.now_ns()):
            match order:
                case events.Start():
                    self._start(order)
                case events.Abort(attempt_id):
                    self._stop([attempt_id])
                case events.GiveUp(call_id, error):
                    self._give_up(call_id, error)
                case events.WakeAt(moment_ns):
                    self._wake_at(moment_ns)

    async def close(self) -> None:
        """Stop everything that runs and wait until it has stopped."""
        if self._timer is not None:
            self._timer.cancel()
        for call in list(self._calls.values()):
            call.done.cancel()
        self._stop(self._attempts)
        while self._ending:
            await asyncio.wait(self._ending)

    def _start(self, order: events.Start) -> None:
        call = self._calls.get(order.call_id)
        if call is None:
            return
        call.attempts.add(order.attempt_id)
        if call.is_submitting and call.own is None:
            self._attempts[order.attempt_id] = call.own = _InCaller(order)
        else:
            task = asyncio.get_running_loop().create_task(self._attempt(call, order))
            self._attempts[order.attempt_id] = task

    async def _attempt(self, call: _Call, order: events.Start) -> None:
        attempt = Attempt(self, order, self.now_ns())
        outcome = "aborted"
        event: events.Event | None = None
        try:
            result = await call.work(attempt)
        except AccelerateError as error:
            outcome, event = error.code, self._failed(attempt, error)
        except Exception as error:  # a defect must end this call and no other
            logger.exception("a try at %s failed unexpectedly", order.candidate.endpoint)
            internal = InternalError(f"unexpected {type(error).__name__} in a try")
            internal.__cause__ = error
            attempt.can_retry = False
            outcome, event = internal.code, self._failed(attempt, internal)
        else:
            outcome = "ok"
            event = events.Succeeded(order.attempt_id, attempt.usage, attempt.rates)
            if not call.done.done():
                call.done.set_result((result, attempt))
        finally:
            self._attempts.pop(order.attempt_id, None)
            call.attempts.discard(order.attempt_id)
            call.records.append(self._record(call, attempt, outcome))
            if event is not None:
                self.tell(event)

    def _failed(self, attempt: Attempt, error: AccelerateError) -> events.Failed:
        return events.Failed(attempt.order.attempt_id, error, attempt.can_retry, attempt.rates)

    def _record(self, call: _Call, attempt: Attempt, outcome: str) -> AttemptRecord:
        now_ns = self.now_ns()
        provider, model = call.describe(attempt.order)
        began_ns = attempt.began_ns
        return AttemptRecord(
            attempt.order.candidate.endpoint,
            provider,
            model,
            attempt.order.key,
            outcome,
            attempt.started_ns - call.began_ns,
            now_ns - attempt.started_ns,
            None if began_ns is None else began_ns - attempt.started_ns,
            attempt.order.is_hedge,
        )

    def _give_up(self, call_id: int, error: AccelerateError) -> None:
        call = self._calls.get(call_id)
        if call is None:
            return
        if not call.done.done():
            call.done.set_exception(error)
        self._stop(call.attempts)

    def _stop(self, attempt_ids: Iterable[int]) -> None:
        for attempt_id in list(attempt_ids):
            running = self._attempts.pop(attempt_id, None)
            if isinstance(running, _InCaller):
                ended: asyncio.Future[None] = running.stop()
            elif running is not None and not running.done():
                running.cancel()
                ended = running
            else:
                continue
            self._ending.add(ended)
            ended.add_done_callback(self._ending.discard)

    def _wake_at(self, moment_ns: int) -> None:
        """Tick at this moment or before: a timer that is early enough is left as it is.

        Nearly every call has a deadline, and nearly none comes to it: a new timer for each would
        cost more than a tick in vain now and then.
        """
        self._wake_ns = moment_ns
        if self._timer is not None:
            if self._timer_ns <= moment_ns:
                return
            self._timer.cancel()
        self._timer_ns = moment_ns
        delay_s = max(0.0, (moment_ns - self.now_ns()) / 1e9)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell(events.Tick())
        if self._timer is None and self._wake_ns > self.now_ns():
            self._wake_at(self._wake_ns)
