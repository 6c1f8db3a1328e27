"""Services without a provider of their own, through the real LiteLLM over real HTTP.

LiteLLM does not go with newer versions of what these tests need otherwise, so it has an environment
of its own: ``python -m venv V && V/bin/pip install -e '.[gateway,litellm]' pytest pytest-timeout``,
then ``V/bin/python -m pytest`` with this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from importlib.util import find_spec

import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    InputError,
    KeyRefusedError,
    MalformedAnswerError,
    MissingExtraError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
    StreamStalledError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway import (
    CallOptions,
    Candidate,
    ChatRequest,
    Endpoint,
    Gateway,
    Key,
    Message,
    Route,
    TimeLimits,
)
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import EmbeddingRequest, FinishReason, ImagePart, Tool
from ipfs_accelerate.plugins import load_plugin
from ipfs_accelerate.testing.providers import Answer, Asked, Call, MockProvider, faults, invented

needs_litellm = pytest.mark.skipif(
    find_spec("litellm") is None,
    reason="no litellm here (it has an environment of its own, see this file's head)",
)
pytestmark = pytest.mark.filterwarnings("default")  # its own, about its own

SECRET = "sk-a-very-secret-key-0123456789"
WORDS = "please count to three"
TEXT = invented(Asked("chat", texts=(WORDS,))).text
CHAT = ChatRequest("tail", (Message("user", WORDS),))
PATIENT = TimeLimits(30.0, 60.0, 60.0, 90.0)
HASTY = TimeLimits(5.0, 0.5, 0.5, 5.0)


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    load_plugin("ipfs_accelerate.gateway.litellm")


def gateway(mock: MockProvider, limits: TimeLimits = PATIENT, *, has_key: bool = True) -> Gateway:
    keys = (Key("first", Secret(SECRET)),) if has_key else ()
    tail = Endpoint("tail", "litellm", mock.url, keys=keys, limits=limits)
    return Gateway([tail], [Route("tail", ((Candidate("tail", "openai/m"),),), attempts=1)])


def ask(
    mock: MockProvider, use: Callable[[Gateway], object], limits: TimeLimits = PATIENT
) -> object:
    async def main() -> object:
        async with gateway(mock, limits) as gate:
            return await use(gate)

    return asyncio.run(main())


async def whole(gate: Gateway) -> object:
    return await gate.ask(CHAT, options=CallOptions(deadline_s=90))


async def streamed(gate: Gateway) -> tuple[str, object]:
    async with gate.stream(CHAT, options=CallOptions(deadline_s=90)) as stream:
        pieces = [piece async for piece in stream]
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [FinishReason.STOP]
    return "".join(piece.text for piece in pieces), stream.answer()


@pytest.mark.skipif(find_spec("litellm") is not None, reason="litellm is here")
def test_without_litellm_the_command_that_installs_it_is_told() -> None:
    with pytest.raises(MissingExtraError) as caught:
        Gateway([Endpoint("tail", "litellm")])
    assert caught.value.hint == "pip install 'ipfs-accelerate[litellm]'"


@needs_litellm
def test_a_whole_answer_and_a_streamed_one_are_the_services_own() -> None:
    with MockProvider("openai", keys={"first": SECRET}) as mock:
        answer = ask(mock, whole)
        assert (answer.text, answer.response.finish_reason) == (TEXT, FinishReason.STOP)
        assert answer.response.usage.completion_tokens == len(TEXT.split())
        text, streamed_answer = ask(mock, streamed)
        assert text == TEXT
        assert streamed_answer.response.usage.completion_tokens == len(TEXT.split())
        assert [seen.key for seen in mock.requests] == ["first", "first"]


@needs_litellm
def test_vectors_come_in_the_order_of_their_texts() -> None:
    request = EmbeddingRequest("tail", ("one", "two", "three"))
    expected = invented(Asked("embedding", texts=request.inputs)).vectors
    with MockProvider("openai") as mock:
        answer = ask(mock, lambda gate: gate.ask(request))
    assert answer.response.vectors == expected


@needs_litellm
@pytest.mark.parametrize("use", [whole, streamed])
def test_a_tool_call_keeps_its_name_and_arguments(use) -> None:
    call = Call("weather", '{"city": "Paris"}')
    tool = Tool("weather", {"type": "object", "properties": {"city": {"type": "string"}}})
    request = ChatRequest("tail", CHAT.messages, tools=(tool,))

    async def called(gate: Gateway) -> object:
        if use is whole:
            return await gate.ask(request)
        async with gate.stream(request) as stream:
            async for _ in stream:
                pass
        return stream.answer()

    with MockProvider("openai", answers=Answer(calls=(call,), finish="tool_calls")) as mock:
        answer = ask(mock, called)
    (found,) = answer.response.message.tool_calls
    assert (found.name, found.arguments) == ("weather", '{"city": "Paris"}')
    assert answer.response.finish_reason is FinishReason.TOOL_CALLS


CASES = [
    (faults.Status(status=429), RateLimitedError, None),
    (faults.Status(status=429, retry_after=7), RateLimitedError, None),
    (faults.Status(status=500), ProviderFailedError, None),
    (faults.Status(status=503), ProviderOverloadedError, None),
    (faults.Status(status=401), KeyRefusedError, None),
    (faults.Status(status=400), RequestRefusedError, None),
    (faults.RefuseConnection(), ConnectivityError, None),
    (faults.ResetBeforeHeaders(), ConnectivityError, None),
    (faults.UnknownHost(), ConnectivityError, None),
    (faults.WrongCertificate(), ConnectivityError, None),
    (faults.SlowFirst(), DeadlineExceededError, None),
    (faults.StallMidStream(), DeadlineExceededError, StreamStalledError),
    (faults.CutMidStream(), StreamTruncatedError, None),
    (faults.NoEndMarker(), MalformedAnswerError, StreamTruncatedError),
    (faults.MalformedChunk(), MalformedAnswerError, None),
    (faults.EmptyAnswer(), MalformedAnswerError, None),
    (faults.EmptyBody(), MalformedAnswerError, StreamTruncatedError),
    (faults.RefuseContent(), ContentRefusedError, None),
    (faults.Status(status=400, code="content_policy_violation"), ContentRefusedError, None),
    (faults.ModelNotFound(), ModelNotFoundError, None),
    (faults.HtmlPage(), ProviderFailedError, StreamTruncatedError),  # its "internal server error"
    (faults.OtherSchema(), ProviderFailedError, StreamTruncatedError),
]


@needs_litellm
@pytest.mark.parametrize("use", [whole, streamed])
@pytest.mark.parametrize(("fault", "kind", "in_stream"), CASES, ids=lambda one: repr(one)[:40])
def test_a_fault_becomes_the_right_error_after_one_request_and_nothing_leaks(
    fault, kind, in_stream, use, capfd: pytest.CaptureFixture[str], caplog
) -> None:
    late = isinstance(fault, (faults.SlowFirst, faults.StallMidStream))
    caplog.set_level("DEBUG")
    with MockProvider("openai", faults=[fault]) as mock, pytest.raises(AccelerateError) as caught:
        ask(mock, use, HASTY if late else PATIENT)
    expected = in_stream if use is streamed and in_stream else kind
    assert type(caught.value) is expected, caught.value
    assert len(mock.requests) <= 1  # its own repeats are off
    if getattr(fault, "retry_after", None):
        assert caught.value.details["retry_after_s"] == 7.0
    shown = "".join([*_told(caught.value), *capfd.readouterr()])
    assert SECRET not in shown + caplog.text
    assert WORDS not in shown


def _told(error: BaseException | None) -> Iterable[str]:
    while error is not None:
        yield f"{error!r} {error} {getattr(error, 'details', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@needs_litellm
def test_an_address_of_ones_own_is_never_given_a_key_of_the_environment() -> None:
    async def main() -> None:
        async with gateway(mock, has_key=False) as gate:
            await gate.ask(CHAT)

    with MockProvider("openai", keys={"environment": "sk-of-the-environment"}) as mock:
        with pytest.raises(KeyRefusedError):
            asyncio.run(main())
        assert [seen.key for seen in mock.requests] == ["unknown"]


@needs_litellm
@pytest.mark.parametrize("name", ["api_base", "mock_response", "fallbacks", "aws_region_name"])
def test_a_request_cannot_choose_whom_litellm_asks(name: str) -> None:
    request = ChatRequest("tail", CHAT.messages, extra={name: "http://elsewhere"})
    with MockProvider("openai") as mock:
        with pytest.raises(InputError, match=name):
            ask(mock, lambda gate: gate.ask(request))
        assert not mock.requests


@needs_litellm
def test_images_are_not_fetched_from_this_machine() -> None:
    image = Message("user", (ImagePart(url="https://169.254.169.254/picture.png"),))
    with MockProvider("openai") as mock, pytest.raises(InputError, match="address"):
        ask(mock, lambda gate: gate.ask(ChatRequest("tail", (image,))))
