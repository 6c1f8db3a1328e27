"""Pieces pass from writer to reader in order, with back-pressure and an end."""

from __future__ import annotations

import asyncio

import pytest

from ipfs_accelerate.gateway.channel import Channel


def test_pieces_arrive_in_order_and_then_the_end() -> None:
    async def main() -> list[int]:
        channel: Channel[int] = Channel(2)

        async def write() -> None:
            for number in range(10):
                await channel.put(number)
            channel.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            got = [await channel.get() for _ in range(10)]
            with pytest.raises(StopAsyncIteration):
                await channel.get()
        return got

    assert asyncio.run(main()) == list(range(10))


def test_a_writer_waits_for_a_slow_reader() -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(2)
        await channel.put(0)
        await channel.put(1)
        third = asyncio.create_task(channel.put(2))
        await asyncio.sleep(0)
        assert not third.done()
        assert await channel.get() == 0
        await third
        assert [await channel.get(), await channel.get()] == [1, 2]

    asyncio.run(main())


def test_what_was_put_before_an_error_is_read_before_it() -> None:
    async def main() -> None:
        channel: Channel[int] = Channel()
        await channel.put(1)
        channel.close(ValueError("cut"))
        assert await channel.get() == 1
        with pytest.raises(ValueError, match="cut"):
            await channel.get()

    asyncio.run(main())
