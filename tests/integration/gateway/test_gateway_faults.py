"""Every provider × every fault × {whole answer, stream}, over real HTTP: the right outcome.

Two claims for each: asked alone, the service's fault becomes the right typed error; with a second
service in the route, the caller gets one whole answer without text doubled or lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    ConnectivityError,
    ContentRefusedError,
    DeadlineExceededError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    StreamStalledError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway import (
    CallOptions,
    CallRecord,
    Candidate,
    ChatRequest,
    Endpoint,
    Gateway,
    Key,
    Message,
    OnRefusal,
    Route,
    TimeLimits,
)
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.messages import EmbeddingRequest, FinishReason, Request
from ipfs_accelerate.gateway.providers.registry import provider_names
from ipfs_accelerate.testing.providers import (
    Asked,
    MockProvider,
    dialect_names,
    faults,
    invented,
)

SECRET = "sk-a-very-secret-key-0123456789"
WORDS = "please count to three"
TEXT = invented(Asked("chat", texts=(WORDS,))).text
CHAT = ChatRequest("alone", (Message("user", WORDS),))
EMBEDDING = EmbeddingRequest("alone", ("one", "two", "three"))
VECTORS = invented(Asked("embedding", texts=EMBEDDING.inputs)).vectors
PATIENT = TimeLimits(30.0, 5.0, 5.0, 10.0)
HASTY = TimeLimits(5.0, 0.05, 0.05, 5.0)
LATER = datetime.now(UTC) + timedelta(hours=1)


Errors = tuple[type[AccelerateError], ...]


@dataclass(frozen=True)
class Case:
    """A fault and what it is to become.

    ``stream`` are the errors in a stream where they are others; ``others`` are exceptions by
    provider, with the reason beside them. Several where it depends on which bytes are there first.
    """

    fault: faults.Fault
    error: Errors
    stream: Errors | None = None
    others: dict[str, Errors] = field(default_factory=dict)
    kind: str | None = None
    limits: TimeLimits = PATIENT
    retry_after_s: float | None = None
    lacks: frozenset[str] = frozenset()


LATE: Errors = (StreamStalledError, DeadlineExceededError)
UNSURE: Errors = (MalformedAnswerError, StreamTruncatedError)

CASES = {
    "refused": Case(faults.RefuseConnection(), (ConnectivityError,), kind="refused"),
    "reset": Case(faults.ResetBeforeHeaders(), (ConnectivityError,), kind="reset"),
    "tls": Case(faults.WrongCertificate(), (ConnectivityError,), kind="tls"),
    "dns": Case(faults.UnknownHost(), (ConnectivityError,), kind="dns"),
    # these two have one queue for all clients: their 429 says "overloaded", not "your key"
    "429": Case(
        faults.Status(status=429),
        (RateLimitedError,),
        others={"tgi": (ProviderOverloadedError,), "tei": (ProviderOverloadedError,)},
    ),
    "429 with seconds": Case(
        faults.Status(status=429, retry_after=7),
        (RateLimitedError,),
        others={"tgi": (ProviderOverloadedError,), "tei": (ProviderOverloadedError,)},
        retry_after_s=7.0,
    ),
    "429 with a date": Case(
        faults.Status(status=429, retry_after=LATER),
        (RateLimitedError,),
        others={"tgi": (ProviderOverloadedError,), "tei": (ProviderOverloadedError,)},
        retry_after_s=3600.0,
    ),
    "500": Case(faults.Status(status=500), (ProviderFailedError,)),
    "502": Case(faults.Status(status=502), (ProviderFailedError,)),
    "503": Case(faults.Status(status=503), (ProviderOverloadedError,)),
    "529": Case(faults.Status(status=529), (ProviderOverloadedError,)),
    "401": Case(faults.Status(status=401), (KeyRefusedError,)),
    "slow first byte": Case(faults.SlowFirst(), (DeadlineExceededError,), limits=HASTY),
    "slow first piece": Case(
        faults.SlowFirst(has_headers=True),
        (DeadlineExceededError,),
        LATE,
        limits=HASTY,
    ),
    "stall": Case(faults.StallMidStream(), (DeadlineExceededError,), LATE, limits=HASTY),
    "stall at once": Case(
        faults.StallMidStream(after=0), (DeadlineExceededError,), LATE, limits=HASTY
    ),
    "cut": Case(faults.CutMidStream(), (StreamTruncatedError,)),
    "cut at once": Case(faults.CutMidStream(after=0), (StreamTruncatedError,)),
    "no end marker": Case(faults.NoEndMarker(), (MalformedAnswerError,), (StreamTruncatedError,)),
    "all text, no end marker": Case(
        faults.NoEndMarker(after=99), (MalformedAnswerError,), (StreamTruncatedError,)
    ),
    "malformed chunk": Case(faults.MalformedChunk(), (MalformedAnswerError,)),
    "malformed first chunk": Case(faults.MalformedChunk(after=0), (MalformedAnswerError,)),
    "length too long": Case(faults.WrongLength(extra_bytes=10), (StreamTruncatedError,)),
    "length too short": Case(faults.WrongLength(extra_bytes=-5), UNSURE),
    "empty answer": Case(faults.EmptyAnswer(), (MalformedAnswerError,)),
    "empty body": Case(faults.EmptyBody(), (MalformedAnswerError,), (StreamTruncatedError,)),
    "content filter": Case(
        faults.RefuseContent(), (ContentRefusedError,), lacks=frozenset({"ollama", "tei"})
    ),
    "model not found": Case(faults.ModelNotFound(), (ModelNotFoundError,)),
    "page for people": Case(faults.HtmlPage(), (MalformedAnswerError,), (StreamTruncatedError,)),
    "other schema": Case(faults.OtherSchema(), (MalformedAnswerError,), (StreamTruncatedError,)),
}

MATRIX = [
    pytest.param(provider, mode, case, id=f"{provider}-{mode}-{name}")
    for name, case in CASES.items()
    for provider in dialect_names()
    for mode in ("whole", "stream")
    if provider not in case.lacks and (provider, mode) != ("tei", "stream")
]


def endpoint(name: str, mock: MockProvider, limits: TimeLimits = PATIENT) -> Endpoint:
    return Endpoint(name, mock.name, mock.url, keys=(Key("first", Secret(SECRET)),), limits=limits)


def gateway(mock: MockProvider, spare: MockProvider, case: Case, seen: list[CallRecord]) -> Gateway:
    first, second = Candidate("first", "m"), Candidate("second", "m")
    routes = [
        Route("alone", ((first,),), attempts=1),
        Route("both", ((first,), (second,)), on_refusal=OnRefusal.NEXT),
    ]
    endpoints = [endpoint("first", mock, case.limits), endpoint("second", spare)]
    return Gateway(endpoints, routes, observers=[seen.append])


async def outcome(gate: Gateway, request: Request, mode: str) -> tuple[object, str | None]:
    """What the caller gets: text or vectors, and who gave the last of it."""
    options = CallOptions(deadline_s=20.0)
    if isinstance(request, EmbeddingRequest):
        embedded = await gate.ask(request, options=options)
        return embedded.response.vectors, embedded.endpoint
    if mode == "whole":
        answer = await gate.ask(request, options=options)
        assert answer.response.finish_reason is FinishReason.STOP
        return answer.text, answer.endpoint
    async with gate.stream(request, options=options) as stream:
        pieces = [piece async for piece in stream]
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [FinishReason.STOP]
    assert stream.answer().text == "".join(piece.text for piece in pieces)
    return stream.answer().text, stream.answer().endpoint


@pytest.mark.parametrize(("provider", "mode", "case"), MATRIX)
def test_a_fault_becomes_the_right_error_or_an_answer_from_elsewhere(
    provider: str, mode: str, case: Case
) -> None:
    request: Request = EMBEDDING if provider == "tei" else CHAT
    whole = VECTORS if provider == "tei" else TEXT
    expected = case.stream if mode == "stream" and case.stream else case.error
    expected = case.others.get(provider, expected)
    seen: list[CallRecord] = []

    async def main() -> AccelerateError:
        async with gateway(mock, spare, case, seen) as gate:
            with pytest.raises(AccelerateError) as caught:
                await outcome(gate, request, mode)
        async with gateway(mock, spare, case, seen) as gate:
            both = replace(request, model="both")
            assert await outcome(gate, both, mode) == (whole, "second")
        return caught.value

    other = "vllm" if provider == "openai" else "openai"
    with MockProvider(provider, faults=[case.fault]) as mock, MockProvider(other) as spare:
        error = asyncio.run(main())
    assert type(error) in expected
    assert error.details.get("kind") == case.kind
    if case.retry_after_s is not None:
        assert error.details["retry_after_s"] == pytest.approx(case.retry_after_s, abs=300)
    alone, both = seen
    assert alone.outcome == error.code
    tries = [one.outcome for one in both.attempts]
    assert tries in [[cls.code, "ok"] for cls in expected]
    assert SECRET not in shown(error) + repr(seen)


def shown(error: BaseException | None) -> str:
    """Everything that can be read off an error and those it came from."""
    found = ""
    while error is not None:
        found += repr(error) + str(error) + repr(vars(error))
        error = error.__cause__ or error.__context__
    return found


def test_the_matrix_holds_every_provider() -> None:
    assert dialect_names() == provider_names()
    assert len(MATRIX) == len(CASES) * 19 - 3
