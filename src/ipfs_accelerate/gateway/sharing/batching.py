"""The input and output of joining: callers wait, groups are sent, a bad text fails alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    AccelerateError,
    ContentRefusedError,
    DeadlineExceededError,
    InputError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.answer import Answer
from ipfs_accelerate.gateway.sharing.joining import Joiner, Member, count_texts, joined, parts
from ipfs_accelerate.gateway.sharing.keys import group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.gateway.messages import Request, Response
    from ipfs_accelerate.gateway.options import CallOptions
    from ipfs_accelerate.gateway.sharing.sharing import Ask

__all__ = ["Batcher"]

#: What one text can cause; the others of its batch are then tried without it.
_OF_ONE_TEXT = (RequestRefusedError, ContentRefusedError, InputError)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    request: Request
    options: CallOptions
    future: asyncio.Future[Answer[Response]]


class Batcher:
    """Joins what callers ask at about the same time.

    Args:
        ask: Sends a request.
        joiner: Decides when.
        now_ns: The clock of the joiner.
        most: Texts which a joined request of this kind may have.
    """

    def __init__(
        self,
        ask: Ask,
        joiner: Joiner,
        *,
        now_ns: Callable[[], int],
        most: Callable[[Request], int],
    ) -> None:
        self._ask = ask
        self._joiner = joiner
        self._now_ns = now_ns
        self._most = most
        self._waiters: dict[int, _Waiter] = {}
        self._tasks: dict[asyncio.Task[None], Sequence[_Waiter]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._names = count()

    async def ask(self, request: Request, options: CallOptions) -> Answer[Response]:
        """The answer to this request, whoever it was joined with.

        Raises:
            DeadlineExceededError: This caller's time is over; the others go on.
        """
        group = group_of(request)
        if group is None:
            return await self._ask(request, options)
        most = self._most(request)  # may refuse the name, before anything waits
        member = Member(next(self._names), count_texts(request))
        waiter = _Waiter(request, options, asyncio.get_running_loop().create_future())
        self._waiters[member.name] = waiter
        full = self._joiner.add(
            group + bytes([options.priority]), member, self._now_ns(), most=most
        )
        self._send(full)
        try:
            async with asyncio.timeout(options.deadline_s):
                return await waiter.future
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"no answer within {options.deadline_s:g} s", hint="allow more time"
            ) from error
        finally:
            self._joiner.remove(group + bytes([options.priority]), member)
            self._waiters.pop(member.name, None)
            self._drop_unwanted()

    async def close(self) -> None:
        """Stop everything that runs."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def _send(self, groups: Sequence[Sequence[int]]) -> None:
        for members in groups:
            waiters = [self._waiters[name] for name in members if name in self._waiters]
            task = asyncio.get_running_loop().create_task(self._run(waiters))
            self._tasks[task] = waiters
            task.add_done_callback(self._tasks.pop)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._joiner.next_ns()
        if due_ns is not None:
            delay_s = max(0.0, (due_ns - self._now_ns()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._ripen)

    def _ripen(self) -> None:
        self._timer = None
        self._send(self._joiner.due(self._now_ns()))

    def _drop_unwanted(self) -> None:
        for task, waiters in list(self._tasks.items()):
            if all(waiter.future.done() for waiter in waiters):
                task.cancel()

    async def _run(self, waiters: Sequence[_Waiter]) -> None:
        wanted = [waiter for waiter in waiters if not waiter.future.done()]
        if not wanted:
            return
        try:
            answers = await self._together(wanted)
        except _OF_ONE_TEXT as error:
            if len(wanted) == 1:
                _fail(wanted, error)
                return
            middle = len(wanted) // 2
            await asyncio.gather(self._run(wanted[:middle]), self._run(wanted[middle:]))
        except AccelerateError as error:
            _fail(wanted, error)
        except BaseException as error:
            _fail(wanted, error)
            raise
        else:
            for waiter, answer in zip(wanted, answers, strict=True):
                if not waiter.future.done():
                    waiter.future.set_result(answer)

    async def _together(self, waiters: Sequence[_Waiter]) -> list[Answer[Response]]:
        first = waiters[0]
        if len(waiters) == 1:
            return [await self._ask(first.request, first.options)]
        deadlines = [waiter.options.deadline_s for waiter in waiters]
        options = replace(
            first.options,
            deadline_s=None if None in deadlines else max(d for d in deadlines if d is not None),
            request_id=None,
            idempotency_key=None,
            batched=len(waiters),
        )
        whole = await self._ask(joined([waiter.request for waiter in waiters]), options)
        counts = [count_texts(waiter.request) for waiter in waiters]
        return [
            Answer(
                part,
                replace(
                    whole.record,
                    request_id=waiter.options.request_id or whole.record.request_id,
                    usage=part.usage,
                    cost=None,
                ),
            )
            for part, waiter in zip(parts(whole.response, counts), waiters, strict=True)
        ]


def _fail(waiters: Sequence[_Waiter], error: BaseException) -> None:
    for waiter in waiters:
        if not waiter.future.done():
            waiter.future.set_exception(error)
