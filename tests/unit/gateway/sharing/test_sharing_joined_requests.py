"""Joined requests give each caller what it would have got alone."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.errors import (
    DeadlineExceededError,
    ProviderFailedError,
    RequestRefusedError,
    UnknownModelError,
)
from ipfs_accelerate.gateway.answer import Answer
from ipfs_accelerate.gateway.messages import (
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResponse,
    Usage,
)
from ipfs_accelerate.gateway.options import CallOptions
from ipfs_accelerate.gateway.records import CallRecord
from ipfs_accelerate.gateway.sharing.batching import Batcher
from ipfs_accelerate.gateway.sharing.joining import Joiner, Member, joined, parts
from ipfs_accelerate.gateway.sharing.keys import group_of, identity, is_repeatable
from ipfs_accelerate.gateway.sharing.settings import SharingSettings
from ipfs_accelerate.gateway.sharing.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.gateway.messages import Request

JOIN = SharingSettings(window_s=0.0, most_texts=4)


class Service:
    """Embeds a text as its length; refuses the text ``bad``; can be held back."""

    def __init__(self, *, is_held: bool = False) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.cancelled = 0
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        if not is_held:
            self.may_answer.set()

    async def ask(self, request: Request, options: CallOptions) -> Answer:
        assert isinstance(request, EmbeddingRequest)
        self.sent.append(request.inputs)
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if "down" in request.inputs:
            raise ProviderFailedError("down")
        if "bad" in request.inputs:
            raise RequestRefusedError("bad text")
        vectors = tuple((float(len(text)),) for text in request.inputs)
        response = EmbeddingResponse("m", vectors, Usage(prompt_tokens=len(vectors)))
        record = CallRecord("r", request.operation, "m", options.priority, "ok", 1)
        return Answer(response, record)


def sharing(service: Service, settings: SharingSettings = JOIN, most: int | None = None) -> Sharing:
    ticks = count()
    return Sharing(
        settings,
        service.ask,
        now_ns=lambda: next(ticks),
        most=lambda _: most,
        observe=lambda _: None,
    )


def embed(*texts: str) -> EmbeddingRequest:
    return EmbeddingRequest("m", texts)


async def all_of(shared: Sharing, requests: Sequence[Request]) -> list[object]:
    calls = [shared.ask(request, CallOptions()) for request in requests]
    return await asyncio.gather(*calls, return_exceptions=True)


def test_requests_of_one_moment_go_out_together_and_come_back_apart() -> None:
    async def main() -> None:
        service = Service()
        answers = await all_of(sharing(service), [embed("a"), embed("bb", "ccc"), embed("dddd")])
        assert service.sent == [("a", "bb", "ccc", "dddd")]
        assert [a.response.vectors for a in answers] == [((1.0,),), ((2.0,), (3.0,)), ((4.0,),)]
        assert [a.usage.prompt_tokens for a in answers] == [1, 2, 1]

    asyncio.run(main())


def test_other_models_and_parameters_are_not_joined() -> None:
    assert group_of(embed("a")) == group_of(embed("b"))
    assert group_of(embed("a")) != group_of(EmbeddingRequest("m", ("a",), dimensions=8))
    assert group_of(embed("a")) != group_of(EmbeddingRequest("other", ("a",)))
    assert group_of(CompletionRequest("m", ("a",))) != group_of(embed("a"))


def test_a_bad_text_fails_alone() -> None:
    async def main() -> None:
        service = Service()
        answers = await all_of(
            sharing(service), [embed("a"), embed("bad"), embed("cc"), embed("d")]
        )
        assert isinstance(answers[1], RequestRefusedError)
        assert [a.response.vectors[0][0] for a in (answers[0], *answers[2:])] == [1.0, 2.0, 1.0]

    asyncio.run(main())


def test_a_service_that_is_down_is_not_asked_again_for_each_text() -> None:
    async def main() -> None:
        service = Service()
        answers = await all_of(sharing(service), [embed("a"), embed("down")])
        assert all(isinstance(answer, ProviderFailedError) for answer in answers)
        assert len(service.sent) == 1

    asyncio.run(main())


def test_each_caller_gets_its_own_name_back() -> None:
    async def main() -> None:
        settings = SharingSettings(window_s=0.0, is_single_flight=True, cache_bytes=10_000)
        shared = sharing(Service(), settings)
        names = ["one", "two", "three"]
        texts = ["a", "b", "a"]
        calls = [
            shared.ask(embed(text), CallOptions(request_id=name))
            for name, text in zip(names, texts, strict=True)
        ]
        answers = await asyncio.gather(*calls)
        assert [answer.record.request_id for answer in answers] == names
        kept = await shared.ask(embed("a"), CallOptions())
        assert kept.record.is_cached
        assert kept.record.request_id.startswith("req-")

    asyncio.run(main())


def test_a_request_that_is_refused_at_once_leaves_nothing_behind() -> None:
    def refuse(_: Request) -> int:
        raise UnknownModelError("m", [])

    async def main() -> None:
        service = Service()
        batcher = Batcher(service.ask, Joiner(window_ns=1), now_ns=lambda: 0, most=refuse)
        with pytest.raises(UnknownModelError):
            await batcher.ask(embed("a"), CallOptions())
        assert not batcher._waiters

    asyncio.run(main())


def test_a_services_own_bound_is_kept() -> None:
    async def main() -> None:
        service = Service()
        await all_of(sharing(service, most=2), [embed("a"), embed("b"), embed("c")])
        assert service.sent == [("a", "b"), ("c",)]

    asyncio.run(main())


def test_a_caller_that_leaves_does_not_take_the_others_along() -> None:
    async def main() -> None:
        service = Service(is_held=True)
        shared = sharing(service)
        leaves = asyncio.create_task(shared.ask(embed("a"), CallOptions()))
        stays = asyncio.create_task(shared.ask(embed("bb"), CallOptions()))
        await service.is_asked.wait()
        leaves.cancel()
        service.may_answer.set()
        assert (await stays).response.vectors == ((2.0,),)
        assert service.cancelled == 0

    asyncio.run(main())


def test_work_that_nobody_waits_for_is_stopped() -> None:
    async def main() -> None:
        service = Service(is_held=True)
        shared = sharing(service)
        call = asyncio.create_task(shared.ask(embed("a"), CallOptions(deadline_s=0.01)))
        with pytest.raises(DeadlineExceededError):
            await call
        await shared.close()
        assert service.cancelled == 1

    asyncio.run(main())


def test_equal_requests_at_the_same_time_are_one() -> None:
    async def main() -> None:
        service = Service(is_held=True)
        shared = sharing(service, SharingSettings(is_single_flight=True))
        calls = [asyncio.create_task(shared.ask(embed("a"), CallOptions())) for _ in range(3)]
        await service.is_asked.wait()
        calls[0].cancel()
        service.may_answer.set()
        answers = await asyncio.gather(*calls[1:])
        assert service.sent == [("a",)]
        assert [answer.record.shared for answer in answers] == [2, 2]

    asyncio.run(main())


def test_what_is_drawn_at_random_is_never_shared() -> None:
    assert not is_repeatable(CompletionRequest("m", ("a",)))
    assert not is_repeatable(CompletionRequest("m", ("a",), temperature=0.7))
    assert is_repeatable(CompletionRequest("m", ("a",), temperature=0))
    assert is_repeatable(embed("a"))


def test_the_cache_says_that_it_answered_and_forgets_in_time() -> None:
    async def main() -> None:
        service = Service()
        moment = [0]
        seen: list[CallRecord] = []
        shared = Sharing(
            SharingSettings(cache_bytes=10_000, ttl_s=1.0),
            service.ask,
            now_ns=lambda: moment[0],
            most=lambda _: None,
            observe=seen.append,
        )
        assert not (await shared.ask(embed("a"), CallOptions())).record.is_cached
        moment[0] = 999_999_999
        kept = await shared.ask(embed("a"), CallOptions())
        assert (kept.record.is_cached, kept.record.age_ns) == (True, 999_999_999)
        assert seen == [kept.record]
        fresh = await shared.ask(embed("a"), CallOptions(may_share=False))
        assert not fresh.record.is_cached
        moment[0] += 1
        assert not (await shared.ask(embed("a"), CallOptions())).record.is_cached

    asyncio.run(main())


def test_the_cache_stays_within_its_bytes() -> None:
    async def main() -> None:
        service = Service()
        shared = sharing(service, SharingSettings(cache_bytes=2_000))
        for number in range(50):
            await shared.ask(embed(str(number)), CallOptions())
        assert shared._cache.held_bytes <= 2_000
        assert 0 < len(shared._cache) < 50

    asyncio.run(main())


@given(st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=4), min_size=1, max_size=6))
def test_splitting_undoes_joining(texts: list[list[str]]) -> None:
    requests = [embed(*each) for each in texts]
    whole = joined(requests)
    assert isinstance(whole, EmbeddingRequest)
    vectors = tuple((float(index),) for index in range(len(whole.inputs)))
    split = parts(EmbeddingResponse("m", vectors, Usage(101)), [len(each) for each in texts])
    assert [vector for part in split for vector in part.vectors] == list(vectors)
    assert [len(part.vectors) for part in split] == [len(each) for each in texts]
    assert sum(part.usage.prompt_tokens or 0 for part in split) == 101


@given(st.lists(st.integers(1, 5), max_size=30), st.integers(1, 8))
def test_no_group_is_larger_than_allowed_unless_one_request_is(sizes: list[int], most: int) -> None:
    joiner = Joiner(window_ns=10)
    sent = [
        group
        for name, texts in enumerate(sizes)
        for group in joiner.add(b"g", Member(name, texts), 0, most=most)
    ]
    sent += joiner.due(10)
    assert sorted(name for group in sent for name in group) == list(range(len(sizes)))
    for group in sent:
        assert len(group) == 1 or sum(sizes[name] for name in group) <= most
    assert joiner.next_ns() is None


def test_identity_tells_requests_apart() -> None:
    assert identity(embed("a", "b")) == identity(embed("a", "b"))
    assert identity(embed("a", "b")) != identity(embed("ab"))
