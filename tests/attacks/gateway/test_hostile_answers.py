"""Answers made to hurt: they cost bounded memory and end in a typed error."""

import json
import tracemalloc

import pytest

from ipfs_accelerate.errors import AccelerateError, MalformedAnswerError
from ipfs_accelerate.gateway.providers.registry import make_provider
from ipfs_accelerate.gateway.wire import HttpResponse
from ipfs_accelerate.testing.conformance.provider_case import (
    CHAT,
    EMBEDDING,
    ProviderCase,
    read_stream,
)
from ipfs_accelerate.testing.conformance.recorded import cases

CASES = cases()
STREAMING = [case for case in CASES.values() if case.stream]
DEEP = b"[" * 200_000
HUGE_NUMBER = b"9" * 1_000_000


def framed(case: ProviderCase, body: bytes) -> bytes:
    return body + b"\n" if case.provider.name == "ollama" else b"data: " + body + b"\n\n"


@pytest.mark.parametrize("case", STREAMING, ids=lambda case: case.provider.name)
@pytest.mark.parametrize("body", [DEEP, b'{"a":' + DEEP, HUGE_NUMBER, b'{"a":NaN}', b'"' * 3])
def test_hostile_json_in_a_stream_is_malformed(case, body):
    with pytest.raises(MalformedAnswerError):
        read_stream(case, [framed(case, body)])


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("body", [DEEP, b'{"error":' + DEEP, HUGE_NUMBER, b"\x00" * 1000])
def test_hostile_json_in_an_answer_or_refusal_is_a_typed_error(name, body):
    provider = CASES[name].provider
    with pytest.raises(MalformedAnswerError):
        provider.parse_models(HttpResponse(200, {}, body))
    assert isinstance(provider.error(HttpResponse(500, {}, body), now_s=0.0), AccelerateError)


def test_tool_calls_with_enormous_indexes_are_malformed():
    call = {"index": 10**12, "id": "c", "function": {"name": "f", "arguments": ""}}
    body = {"choices": [{"delta": {"tool_calls": [call]}}]}
    case = CASES["openai"]
    with pytest.raises(MalformedAnswerError):
        read_stream(case, [framed(case, json.dumps(body).encode())])


def test_embeddings_with_enormous_indexes_reserve_nothing():
    data = [{"index": 2**50, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]
    response = HttpResponse(200, {}, json.dumps({"data": data}).encode())
    with pytest.raises(MalformedAnswerError):
        make_provider("openai").parse(EMBEDDING, response)


@pytest.mark.parametrize("case", STREAMING, ids=lambda case: case.provider.name)
def test_a_stream_of_nothing_keeps_nothing(case):
    parser = case.provider.chunks(CHAT)
    filler = b"\n" * 4096 if case.provider.name == "ollama" else b": ping\n\n" * 512
    tracemalloc.start()
    try:
        for _ in range(100):
            assert list(parser.feed(filler)) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**19


def test_a_long_line_in_small_pieces_costs_work_in_proportion():
    case = CASES["openai"]
    parser = case.provider.chunks(CHAT)
    piece = b"x" * 16
    for _ in range(60_000):  # 1 MB; quadratic work would copy 30 GB
        list(parser.feed(piece))
    with pytest.raises(MalformedAnswerError):
        list(parser.finish())


@pytest.mark.parametrize(
    "data",
    [
        "b'" + "(" * 100_000,
        "b'a'+b'b'",
        "b'a'*9999999999",
        "b'" + "\\x41" * 10 + "' if 1 else 2",
        "b'\\xff'",
    ],
)
def test_byte_strings_of_opea_are_never_more_than_byte_strings(data):
    case = CASES["opea"]
    with pytest.raises(MalformedAnswerError):
        read_stream(case, [framed(case, data.encode())])
