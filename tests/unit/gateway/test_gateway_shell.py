"""A try that runs in its caller's task can be stopped without ending the caller."""

from __future__ import annotations

import asyncio

import pytest

from ipfs_accelerate.errors import DeadlineExceededError
from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.reliability import events
from ipfs_accelerate.gateway.routes import Candidate
from ipfs_accelerate.gateway.shell import Attempt, Shell


class Orders:
    """A dispatcher that starts a try for each call, and orders what it was given besides."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.next: list[events.Instruction] = []

    def handle(self, event: events.Event, now_ns: int) -> list[events.Instruction]:
        self.told.append(event)
        if isinstance(event, events.Submit):
            return [events.Start(event.call_id, event.call_id * 10, Candidate("a"), None)]
        orders, self.next = self.next, []
        return orders


def submit(shell: Shell) -> events.Submit:
    return events.Submit(shell.next_id(), "m", Operation.CHAT)


def described(_order: events.Start) -> tuple[str, str]:
    return "vllm", "m"


LATE: list[events.Instruction] = [
    events.Abort(10),
    events.GiveUp(1, DeadlineExceededError("too late")),
]


def test_the_first_try_takes_no_task_of_its_own() -> None:
    async def main() -> None:
        shell = Shell(Orders())

        async def work(_attempt: Attempt) -> object:
            return asyncio.current_task()

        ran = await shell.run(submit(shell), work, describe=described)
        assert ran.result is asyncio.current_task()

    asyncio.run(main())


def test_a_stopped_try_ends_the_call_and_not_the_task_of_its_caller() -> None:
    async def main() -> None:
        orders = Orders()
        shell, began = Shell(orders), asyncio.Event()

        async def work(_attempt: Attempt) -> None:
            began.set()
            await asyncio.Event().wait()

        async def caller() -> str:
            with pytest.raises(DeadlineExceededError):
                await shell.run(submit(shell), work, describe=described)
            await asyncio.sleep(0)
            return "alive"

        task = asyncio.create_task(caller())
        await began.wait()
        orders.next = list(LATE)
        shell.tell(events.Tick())
        assert await task == "alive"
        assert task.cancelling() == 0

    asyncio.run(main())


def test_a_try_stopped_by_its_own_news_leaves_no_cancellation_behind() -> None:
    async def main() -> None:
        orders = Orders()
        shell = Shell(orders)

        async def work(attempt: Attempt) -> None:
            orders.next = list(LATE)
            attempt.begin()

        with pytest.raises(DeadlineExceededError):
            await shell.run(submit(shell), work, describe=described)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_a_caller_who_is_cancelled_is_cancelled() -> None:
    async def main() -> None:
        orders = Orders()
        shell, began = Shell(orders), asyncio.Event()

        async def work(_attempt: Attempt) -> None:
            began.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(shell.run(submit(shell), work, describe=described))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert events.Cancel(1) in orders.told

    asyncio.run(main())


def test_both_at_once_is_a_cancellation() -> None:
    async def main() -> None:
        orders = Orders()
        shell, began = Shell(orders), asyncio.Event()

        async def work(_attempt: Attempt) -> None:
            began.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(shell.run(submit(shell), work, describe=described))
        await began.wait()
        orders.next = list(LATE)
        shell.tell(events.Tick())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_closing_waits_for_tries_and_not_for_what_their_callers_do_then() -> None:
    async def main() -> None:
        shell, began, ended = Shell(Orders()), asyncio.Event(), asyncio.Event()
        closed = asyncio.Event()

        async def work(_attempt: Attempt) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def caller() -> None:
            with pytest.raises(asyncio.CancelledError):
                await shell.run(submit(shell), work, describe=described)
            await closed.wait()

        task = asyncio.create_task(caller())
        await began.wait()
        await shell.close()
        assert ended.is_set()
        closed.set()
        await task

    asyncio.run(main())
