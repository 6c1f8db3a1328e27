"""What the gateway promises beyond single faults: failover in the middle, keys, waits, endings."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
import warnings
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    AllProvidersFailedError,
    ConfigurationError,
    ConnectivityError,
    DeadlineExceededError,
    KeyRefusedError,
    MalformedAnswerError,
    RateLimitedError,
    StreamTruncatedError,
    UsageError,
)
from ipfs_accelerate.gateway import (
    BlockingGateway,
    CallOptions,
    CallRecord,
    Candidate,
    ChatRequest,
    Endpoint,
    Gateway,
    Key,
    KeyStrategy,
    Message,
    Route,
    TimeLimits,
    Tool,
)
from ipfs_accelerate.gateway.backend import HttpBackend
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    EmbeddingRequest,
    FinishReason,
    Request,
    RerankRequest,
    ToolCall,
)
from ipfs_accelerate.gateway.providers.openai import OpenAI
from ipfs_accelerate.gateway.transport import AiohttpTransport
from ipfs_accelerate.testing.providers import (
    Answer,
    Asked,
    Call,
    Latency,
    MockProvider,
    dialect_names,
    faults,
    invented,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRETS = {name: f"sk-{name}-very-secret-0123456789" for name in ("first", "second", "third")}
WORDS = "tell me a story about a lighthouse and a ship"
TEXT = invented(Asked("chat", texts=(WORDS,))).text
CHATTERS = [name for name in dialect_names() if name != "tei"]
PATIENT = TimeLimits(30.0, 30.0, 30.0, 60.0)


def chat(model: str = "m", words: str = WORDS) -> ChatRequest:
    return ChatRequest(model, (Message("user", words),))


def endpoint(
    name: str, mock: MockProvider, *, keys: Sequence[str] = ("first",), limits: TimeLimits = PATIENT
) -> Endpoint:
    held = tuple(Key(key, Secret(SECRETS[key])) for key in keys)
    strategy = KeyStrategy.ROUND_ROBIN
    return Endpoint(name, mock.name, mock.url, keys=held, limits=limits, strategy=strategy)


def chain(*mocks: MockProvider, observers: Sequence[object] = (), **options: object) -> Gateway:
    """A gateway whose route ``m`` asks the mocks one after another, as ``e0``, ``e1``, …"""
    endpoints = [endpoint(f"e{number}", mock) for number, mock in enumerate(mocks)]
    tiers = tuple((Candidate(one.name, "model"),) for one in endpoints)
    return Gateway(endpoints, [Route("m", tiers, **options)], observers=observers)


async def read(gate: Gateway, request: ChatRequest, **options: CallOptions) -> list[ChatChunk]:
    async with gate.stream(request, **options) as stream:
        return [piece async for piece in stream]


def joined(pieces: Sequence[ChatChunk]) -> str:
    return "".join(piece.text for piece in pieces)


# a stream that is cut goes on elsewhere


@pytest.mark.parametrize("second", CHATTERS)
@pytest.mark.parametrize("after", [0, 1, 5, 99])
def test_a_stream_cut_anywhere_goes_on_at_another_provider_without_a_seam(
    second: str, after: int
) -> None:
    async def main() -> tuple[list[ChatChunk], str | None]:
        async with chain(broken, whole) as gate, gate.stream(chat()) as stream:
            pieces = [piece async for piece in stream]
            return pieces, stream.answer().endpoint

    first = "openai" if second != "openai" else "anthropic"
    fault = faults.NoEndMarker(after=after) if after == 99 else faults.CutMidStream(after=after)
    with MockProvider(first, faults=[fault]) as broken, MockProvider(second) as whole:
        pieces, who = asyncio.run(main())
    assert joined(pieces) == TEXT
    assert [bool(piece.finish_reason) for piece in pieces].count(True) == 1
    assert who == "e1"


def test_a_service_that_can_continue_is_given_what_was_delivered() -> None:
    with (
        MockProvider("openai", faults=[faults.CutMidStream(after=3)]) as broken,
        MockProvider("vllm") as whole,
    ):

        async def main() -> str:
            async with chain(broken, whole) as gate:
                return joined(await read(gate, chat()))

        assert asyncio.run(main()) == TEXT
        (seen,) = whole.requests
    assert seen.body["continue_final_message"] is True
    assert seen.asked is not None
    assert seen.asked.begun == "".join(invented(Asked("chat", texts=(WORDS,))).pieces[:3])


def test_a_second_answer_that_differs_is_an_error_and_never_a_mixture() -> None:
    got: list[ChatChunk] = []

    async def main() -> None:
        async with chain(broken, other, attempts=2) as gate, gate.stream(chat()) as stream:
            async for piece in stream:
                got.append(piece)  # noqa: PERF401 — what came before the error is wanted

    fault = faults.CutMidStream(after=3)
    with (
        MockProvider("openai", answers="one two three four", faults=[fault]) as broken,
        MockProvider("openai", answers="uno dos tres cuatro") as other,
        pytest.raises((StreamTruncatedError, AllProvidersFailedError)),
    ):
        asyncio.run(main())
    assert "one two three".startswith(joined(got))
    assert not any(piece.finish_reason for piece in got)


def test_a_stream_with_half_a_tool_call_delivered_does_not_go_on() -> None:
    answer = Answer((), calls=(Call("f", '{"a": 1}'), Call("g", "{}", "call_2")))

    async def main() -> None:
        async with chain(broken, other) as gate:
            await read(gate, chat())

    fault = faults.CutMidStream(after=1)
    with (
        MockProvider("openai", answers=answer, faults=[fault]) as broken,
        MockProvider("openai", answers=answer) as other,
        pytest.raises(StreamTruncatedError),
    ):
        asyncio.run(main())


# every provider, every operation, against the mocks: two readings of one description


@pytest.mark.parametrize("provider", CHATTERS)
def test_whole_and_streamed_answers_are_the_same(provider: str) -> None:
    async def main() -> None:
        async with chain(mock) as gate:
            whole = await gate.ask(chat())
            async with gate.stream(chat()) as stream:
                pieces = [piece async for piece in stream]
            assert whole.text == joined(pieces) == stream.answer().text == TEXT
            assert pieces[-1].finish_reason is FinishReason.STOP

    with MockProvider(provider) as mock:
        asyncio.run(main())


@pytest.mark.parametrize("provider", [name for name in CHATTERS if name != "opea"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_tool_calls_arrive_whole(provider: str, *, is_stream: bool) -> None:
    request = ChatRequest(
        "m", (Message("user", "weather?"),), tools=(Tool("weather", {"type": "object"}),)
    )
    calls = (Call("weather", '{"city": "Paris"}', "call_a"), Call("weather", "{}", "call_b"))

    async def main() -> tuple[ToolCall, ...]:
        async with chain(mock) as gate:
            if not is_stream:
                return (await gate.ask(request)).response.message.tool_calls
            async with gate.stream(request) as stream:
                async for _ in stream:
                    """Read to the end."""
                return stream.answer().response.message.tool_calls

    with MockProvider(provider, answers=Answer(calls=calls)) as mock:
        found = asyncio.run(main())
    assert [call.name for call in found] == ["weather", "weather"]
    assert [call.arguments.replace(" ", "") for call in found] == ['{"city":"Paris"}', "{}"]
    assert len({call.id for call in found}) == 2


@pytest.mark.parametrize("provider", ["gemini", "ollama", "openai", "opea", "ovms", "tei", "vllm"])
def test_embeddings_keep_their_order_and_a_missing_one_is_an_error(provider: str) -> None:
    request = EmbeddingRequest("m", ("one", "two", "three"))

    async def main() -> None:
        async with chain(mock, attempts=1) as gate:
            answer = await gate.ask(request)
            assert (
                answer.response.vectors
                == invented(Asked("embedding", texts=request.inputs)).vectors
            )
            mock.fail(faults.WrongCount())
            with pytest.raises(MalformedAnswerError):
                await gate.ask(request)

    with MockProvider(provider) as mock:
        asyncio.run(main())


@pytest.mark.parametrize("provider", ["opea", "ovms", "tei", "vllm"])
def test_documents_are_ordered_and_a_missing_one_is_an_error(provider: str) -> None:
    request = RerankRequest("m", "a red ship", ("a house", "a red ship at sea", "a red house"))

    async def main() -> None:
        async with chain(mock, attempts=1) as gate:
            answer = await gate.ask(request)
            assert [one.index for one in answer.response.results] == [1, 2, 0]
            mock.fail(faults.WrongCount())
            with pytest.raises(MalformedAnswerError):
                await gate.ask(request)

    with MockProvider(provider) as mock:
        asyncio.run(main())


@pytest.mark.parametrize("provider", ["openai", "vllm", "ollama", "tgi", "ovms"])
def test_prompts_are_completed(provider: str) -> None:
    async def main() -> str:
        async with chain(mock) as gate:
            return (await gate.complete("m", WORDS)).text

    with MockProvider(provider) as mock:
        assert asyncio.run(main()) == TEXT


# keys


def test_a_refused_key_is_left_alone_and_the_others_do_the_work() -> None:
    records: list[CallRecord] = []

    async def main() -> None:
        endpoints = [endpoint("e0", mock, keys=("first", "second", "third"))]
        route = Route("m", ((Candidate("e0", "model"),),))
        async with Gateway(endpoints, [route], observers=[records.append]) as gate:
            for _ in range(9):
                assert (await gate.ask(chat())).text == TEXT

    bad = faults.Status(status=401, key="second")
    with MockProvider("openai", keys=SECRETS, faults=[bad]) as mock:
        asyncio.run(main())
        used = Counter(seen.key for seen in mock.requests)
    assert used["second"] == 1
    assert abs(used["first"] - used["third"]) <= 1
    assert used.total() == 10
    assert {one.outcome for record in records for one in record.attempts} == {"ok", "key_refused"}


def test_a_limited_key_rests_while_the_others_work() -> None:
    async def main() -> None:
        endpoints = [endpoint("e0", mock, keys=("first", "second"))]
        async with Gateway(endpoints, [Route("m", ((Candidate("e0", "x"),),))]) as gate:
            for _ in range(6):
                assert (await gate.ask(chat())).text == TEXT

    limited = faults.Status(status=429, retry_after=60, key="first")
    with MockProvider("groq", keys=SECRETS, faults=[limited]) as mock:
        asyncio.run(main())
        used = Counter(seen.key for seen in mock.requests)
    assert used == {"first": 1, "second": 6}


def test_when_all_keys_are_refused_the_caller_is_told_so() -> None:
    async def main() -> None:
        endpoints = [endpoint("e0", mock, keys=("first", "second"))]
        async with Gateway(endpoints, [Route("m", ((Candidate("e0", "x"),),))]) as gate:
            await gate.ask(chat())

    with MockProvider("openai", keys={"right": "sk-other"}) as mock:
        with pytest.raises(KeyRefusedError):
            asyncio.run(main())
        assert [seen.key for seen in mock.requests] == ["unknown", "unknown"]


# waits and repeats


def test_a_service_is_not_asked_again_before_retry_after_has_passed() -> None:
    times: list[float] = []

    def answer(asked: Asked) -> Answer:
        times.append(asyncio.get_running_loop().time())
        return invented(asked)

    async def main() -> None:
        async with chain(mock) as gate:
            began = asyncio.get_running_loop().time()
            assert (await gate.ask(chat())).text == TEXT
            assert times[0] - began >= 0.3

    limited = faults.Status(status=429, retry_after=0.3, times=1)
    with MockProvider("openai", answers=answer, faults=[limited]) as mock:
        asyncio.run(main())
        assert len(mock.requests) == 2


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once() -> None:
    async def main() -> AccelerateError:
        async with chain(mock) as gate:
            with pytest.raises(AccelerateError) as caught:
                await gate.ask(chat(), options=CallOptions(deadline_s=20.0))
            return caught.value

    with MockProvider("openai", faults=[faults.Status(status=429, retry_after=3600)]) as mock:
        error = asyncio.run(asyncio.wait_for(main(), 10))
        assert isinstance(error, RateLimitedError)
        assert len(mock.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_burst_of_failures_is_waited_out(status: int) -> None:
    """At all providers at the same time, each alone in its route."""

    async def one(gate: Gateway, mock: MockProvider) -> None:
        request: Request = chat(f"{mock.name}/m")
        if mock.name == "tei":
            request = EmbeddingRequest("tei/m", ("one",))
        await gate.ask(request)

    async def main() -> None:
        endpoints = [endpoint(mock.name, mock) for mock in mocks]
        async with Gateway(endpoints) as gate, asyncio.TaskGroup() as group:
            for mock in mocks:
                group.create_task(one(gate, mock))

    burst = faults.Status(status=status, times=2)
    mocks = [MockProvider(name, faults=[burst]) for name in dialect_names()]
    for mock in mocks:
        mock.start()
    try:
        asyncio.run(main())
        for mock in mocks:
            assert [seen.fault is None for seen in mock.requests] == [False, False, True]
            assert len({str(seen.body) for seen in mock.requests}) == 1
    finally:
        for mock in mocks:
            mock.stop()


def test_all_tries_of_a_call_have_one_idempotency_key_and_other_calls_have_others() -> None:
    class Idempotent(OpenAI):
        capabilities = replace(OpenAI.capabilities, has_idempotency=True)

    async def main() -> None:
        transport = AiohttpTransport()
        backend = HttpBackend(Idempotent(mock.url), transport)
        routes = [Route("m", ((Candidate("e", "x"),),))]
        backends = {"e": backend}
        async with Gateway(
            [endpoint("e", mock)], routes, backends=backends, transport=transport
        ) as gate:
            await gate.ask(chat())
            await read(gate, chat())
            await gate.ask(chat(), options=CallOptions(idempotency_key="of the caller"))

    fails = [faults.Status(status=500, times=1), faults.Status(status=500, skip=1, times=1)]
    with MockProvider("openai", faults=fails) as mock:
        asyncio.run(main())
        keys = [seen.headers["idempotency-key"] for seen in mock.requests]
        assert [seen.fault is None for seen in mock.requests] == [False, True, False, True, True]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert keys[4] == "of the caller"


def test_when_all_are_down_the_error_tells_how_each_failed() -> None:
    async def main() -> AccelerateError:
        async with chain(*mocks, attempts=4) as gate:
            with pytest.raises(AllProvidersFailedError) as caught:
                await gate.ask(chat())
            with pytest.raises(AllProvidersFailedError):
                await read(gate, chat())
            return caught.value

    down: list[faults.Fault] = [
        faults.RefuseConnection(),
        faults.Status(status=503),
        faults.HtmlPage(),
        faults.ResetBeforeHeaders(),
    ]
    mocks = [MockProvider(n, faults=[f]) for n, f in zip(CHATTERS, down, strict=False)]
    for mock in mocks:
        mock.start()
    error = asyncio.run(main())
    for mock in mocks:
        mock.stop()
    tried = error.details["attempts"]
    assert isinstance(tried, list)
    assert [one["endpoint"] for one in tried] == ["e0", "e1", "e2", "e3"]
    codes = [one["code"] for one in tried]
    assert codes == ["connectivity", "provider_overloaded", "malformed_answer", "connectivity"]


# time


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    "fault", [faults.SlowFirst(), faults.StallMidStream(), faults.SlowFirst(has_headers=True)]
)
def test_a_deadline_ends_what_hangs_and_closes_the_connection(
    fault: faults.RequestFault, *, is_stream: bool
) -> None:
    endless = TimeLimits(None, None, None, None)

    async def main() -> None:
        options = CallOptions(deadline_s=0.15)
        async with Gateway([endpoint("e", mock, limits=endless)]) as gate:
            work = read if is_stream else Gateway.ask
            with pytest.raises(DeadlineExceededError):
                await work(gate, chat("e/m"), options=options)
            assert await asyncio.to_thread(mock.wait_until, has_left)

    with MockProvider("openai", faults=[fault]) as mock:
        asyncio.run(main())


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_pieces_may_be_further_apart_than_the_first_may_be_late(provider: str) -> None:
    limits = TimeLimits(30.0, 0.4, 30.0, 60.0)
    slow = Answer((TEXT[:20], TEXT[20:]))

    async def main() -> str:
        async with Gateway([endpoint("e", mock, limits=limits)]) as gate:
            return joined(await read(gate, chat("e/m")))

    with MockProvider(provider, answers=slow, latency=Latency(gap_s=0.6)) as mock:
        assert asyncio.run(main()) == TEXT
        assert len(mock.requests) == 1


def has_left(requests: Sequence[object]) -> bool:
    return [seen.outcome for seen in requests] == ["client_left"]  # type: ignore[attr-defined]


def test_a_tls_handshake_that_never_ends_counts_as_connecting() -> None:
    async def main(port: int) -> None:
        limits = TimeLimits(0.05, 30.0, 30.0, 60.0)
        key = Key("first", Secret(SECRETS["first"]))
        silent = Endpoint("e", "openai", f"https://127.0.0.1:{port}", keys=(key,), limits=limits)
        async with Gateway([silent], [Route("m", ((Candidate("e"),),), attempts=1)]) as gate:
            with pytest.raises(ConnectivityError) as caught:
                await gate.ask(chat())
            assert caught.value.details["kind"] == "connect_timeout"

    with socket.create_server(("127.0.0.1", 0)) as listening:
        asyncio.run(main(listening.getsockname()[1]))


def test_a_hedge_answers_when_the_first_is_slow_and_the_loser_is_hung_up_on() -> None:
    records: list[CallRecord] = []

    async def main() -> None:
        options = {"observers": [records.append], "hedge_after_s": 0.02}
        async with chain(slow, quick, **options) as gate:
            assert (await gate.ask(chat())).endpoint == "e1"
            assert joined(await read(gate, chat())) == TEXT
            assert await asyncio.to_thread(
                slow.wait_until, lambda seen: [s.outcome for s in seen] == ["client_left"] * 2
            )

    with MockProvider("openai", faults=[faults.SlowFirst()]) as slow, MockProvider("groq") as quick:
        asyncio.run(main())
    for record in records:
        assert sorted((a.endpoint, a.outcome, a.is_hedge) for a in record.attempts) == [
            ("e0", "aborted", False),
            ("e1", "ok", True),
        ]


# callers who leave


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_caller_who_leaves_takes_the_connection_along(*, is_stream: bool) -> None:
    records: list[CallRecord] = []

    async def ask(gate: Gateway) -> None:
        await (read(gate, chat()) if is_stream else gate.ask(chat()))

    async def main() -> None:
        async with chain(mock, observers=[records.append]) as gate:
            task = asyncio.create_task(ask(gate))
            assert await asyncio.to_thread(mock.wait_until, len)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(mock.wait_until, has_left)
            mock.heal()
            assert (await gate.ask(chat())).text == TEXT

    with MockProvider("openai", faults=[faults.StallMidStream()]) as mock:
        asyncio.run(main())
    assert [record.outcome for record in records] == ["cancelled", "ok"]


def test_a_stream_left_in_the_middle_closes_its_connection() -> None:
    async def main() -> None:
        async with chain(mock) as gate:
            async with gate.stream(chat()) as stream:
                async for piece in stream:
                    if piece.text:
                        break
            assert await asyncio.to_thread(mock.wait_until, has_left)

    with MockProvider("anthropic", latency=Latency(gap_s=0.02)) as mock:
        asyncio.run(main())


def test_a_timeout_of_the_caller_is_the_callers_own() -> None:
    async def main() -> None:
        async with chain(mock, other) as gate:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await gate.ask(chat())
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            mock.heal()
            assert (await gate.ask(chat())).text == TEXT

    with MockProvider("openai", faults=[faults.SlowFirst()]) as mock, MockProvider() as other:
        asyncio.run(main())
        assert not other.requests


# many at once, and nothing left behind


def test_five_hundred_streams_at_once_each_get_their_own_text() -> None:
    async def one(gate: Gateway, number: int) -> None:
        words = f"the number {number} and its neighbour {number + 1}"
        pieces = await read(gate, chat("m", words))
        assert joined(pieces) == invented(Asked("chat", texts=(words,))).text
        assert pieces[-1].finish_reason is FinishReason.STOP

    async def main() -> None:
        async with chain(mock) as gate, asyncio.TaskGroup() as group:
            for number in range(500):
                group.create_task(one(gate, number))

    with MockProvider("openai", latency=Latency(first_s=0.2, gap_s=0.001)) as mock:
        asyncio.run(main())
        assert len(mock.requests) == 500


@pytest.mark.needs("linux")
def test_nothing_is_left_after_close_whatever_was_going_on() -> None:
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))  # noqa: PTH208

    async def main() -> None:
        gate = chain(stalled, down, well, hedge_after_s=0.01)
        tasks = [asyncio.create_task(read(gate, chat())) for _ in range(5)]
        tasks += [asyncio.create_task(gate.ask(chat())) for _ in range(5)]
        assert (await gate.ask(chat("e2/m"))).text == TEXT
        half = gate.stream(chat("e2/m"))
        await anext(half)
        await gate.close()
        await half.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            MockProvider("openai", faults=[faults.StallMidStream()]) as stalled,
            MockProvider("vllm", faults=[faults.ResetBeforeHeaders()]) as down,
            MockProvider("ollama", latency=Latency(gap_s=0.01)) as well,
        ):
            asyncio.run(main())
        gc.collect()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before  # noqa: PTH208


def test_a_closed_stream_says_nothing_more_and_a_closed_gateway_asks_nobody() -> None:
    async def main() -> None:
        async with chain(mock) as gate:
            fresh, begun = gate.stream(chat()), gate.stream(chat())
            await anext(begun)
            for stream in (fresh, begun):
                await stream.aclose()
                await stream.aclose()
                assert [piece async for piece in stream] == []
        with pytest.raises(UsageError, match="closed"):
            await gate.ask(chat())

    with MockProvider("openai") as mock:
        asyncio.run(main())
        assert len(mock.requests) == 1


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 70, "http://..", "http://[", "x"])
def test_an_address_that_cannot_be_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Gateway([Endpoint("e", "ollama", url)])


def test_the_blocking_gateway_answers_streams_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with (
        MockProvider("openai") as mock,
        BlockingGateway(lambda: chain(mock)) as gate,
        closing(gate.stream(chat())) as pieces,
    ):
        assert gate.chat("m", WORDS).text == TEXT
        assert joined(list(pieces)) == TEXT
        next(gate.stream(chat()))
    assert threading.active_count() == before


# secrets


def test_no_secret_is_in_anything_that_comes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown: list[object] = []
    wrongs: list[faults.Fault] = [
        faults.Status(status=401),
        faults.Status(status=500),
        faults.WrongLength(extra_bytes=-20),
        faults.RefuseConnection(),
        faults.WrongCertificate(),
        faults.HtmlPage(),
        faults.CutMidStream(),
    ]

    async def main(mock: MockProvider) -> None:
        async with chain(mock, observers=[shown.append], attempts=1) as gate:
            for work in (gate.ask(chat()), read(gate, chat())):
                try:
                    await work
                except AccelerateError as error:
                    cause: BaseException | None = error
                    while cause is not None:
                        shown.extend([repr(cause), str(cause), vars(cause)])
                        cause = cause.__cause__ or cause.__context__
            shown.extend([gate.engine.dispatcher.snapshot(), gate.engine.endpoints])

    caplog.set_level(logging.DEBUG)
    for name in CHATTERS:
        for fault in wrongs:
            with MockProvider(name, keys=SECRETS, faults=[fault]) as mock:
                asyncio.run(main(mock))
                shown.extend(mock.requests)
    text = repr(shown) + caplog.text + repr([vars(record) for record in caplog.records])
    for secret in SECRETS.values():
        assert secret not in text
