"""Whatever a service sends, a provider reads it or raises a typed error that names the service."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.errors import AccelerateError, StreamTruncatedError
from ipfs_accelerate.gateway.messages import FinishReason
from ipfs_accelerate.gateway.wire import HttpResponse
from ipfs_accelerate.testing.conformance.provider_case import (
    CHAT,
    COMPLETION,
    EMBEDDING,
    RERANK,
    TOOLS,
    ProviderCase,
)
from ipfs_accelerate.testing.conformance.recorded import cases

CASES = cases()
REQUESTS = {
    "chat": CHAT,
    "tools": TOOLS,
    "completion": COMPLETION,
    "embedding": EMBEDDING,
    "rerank": RERANK,
}
WORDS = [
    *("error", "index", "message", "data", "choices", "content", "text", "type"),
    *("usage", "code", "status", "stop", "id", "name", "0"),
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*WORDS, "\ud800", "[DONE]", "10" * 40])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A recorded answer with one place of it replaced or left out."""
    root = [json.loads(body)]
    node, key = root, 0
    while isinstance(node[key], (dict, list)) and node[key] and draw(st.integers(0, 5)):
        node = node[key]
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    if node is not root and draw(st.booleans()):
        del node[key]
    else:
        node[key] = draw(values)
    return json.dumps(root[0]).encode()


def harmless(case: ProviderCase, run) -> None:
    failure = None
    try:
        run()
    except AccelerateError as error:
        failure = error
    if failure is not None:
        json.dumps(failure.to_dict())
        assert failure.details["provider"] == case.provider.name


def read_whole(case: ProviderCase, pieces: list[bytes], request=CHAT) -> list:
    parser = case.provider.chunks(request)
    found = []
    outcome: object = "whole"
    try:
        for piece in pieces:
            found.extend(parser.feed(piece))
        found.extend(parser.finish())
    except AccelerateError as error:
        outcome = (type(error), error.message)
    ends = [place for place, chunk in enumerate(found) if chunk.finish_reason]
    if outcome == "whole":
        assert ends == [len(found) - 1]
    else:
        assert not ends
    for chunk in found:
        chunk.text.encode()
        assert chunk.finish_reason is None or isinstance(chunk.finish_reason, FinishReason)
    return [found, outcome]


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=30)
@given(values)
def test_any_json_as_an_answer_is_read_or_a_typed_error(name, value):
    case = CASES[name]
    response = HttpResponse(200, {}, json.dumps(value).encode())
    for request in REQUESTS.values():
        if request.operation in case.provider.capabilities.operations:
            harmless(case, lambda request=request: case.provider.parse(request, response))
    harmless(case, lambda: case.provider.parse_models(response))


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=30)
@given(st.data())
def test_a_damaged_answer_is_read_or_a_typed_error(name, data):
    case = CASES[name]
    kind = data.draw(st.sampled_from([k for k in REQUESTS if getattr(case, k)]))
    body = data.draw(damaged(getattr(case, kind)))
    response = HttpResponse(200, {}, body)
    harmless(case, lambda: case.provider.parse(REQUESTS[kind], response))


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=30)
@given(st.integers(100, 599), values, st.binary(max_size=20), st.booleans())
def test_any_refusal_is_a_typed_error(name, status, value, junk, is_json):
    case = CASES[name]
    body = json.dumps({"error": value}).encode() if is_json else junk
    found = case.provider.error(HttpResponse(status, {}, body), now_s=1.7e9)
    assert isinstance(found, AccelerateError)
    assert found.details["status"] == status
    json.dumps(found.to_dict())


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=30)
@given(st.text(max_size=30))
def test_any_headers_are_limits_or_nothing(name, value):
    case = CASES[name]
    headers = dict.fromkeys((*case.rate_headers[0], "retry-after", "retry-after-ms"), value)
    report = case.provider.rates(headers, now_s=1.7e9)
    for seconds in (report.request_reset_s, report.token_reset_s, report.retry_after_s):
        assert seconds is None or 0 <= seconds < float("inf")


STREAMING = sorted(name for name, case in CASES.items() if case.stream)


@pytest.mark.parametrize("name", STREAMING)
@settings(max_examples=30)
@given(st.data())
def test_any_stream_is_the_same_however_it_is_cut(name, data):
    case = CASES[name]
    stream = data.draw(st.sampled_from([case.stream, case.tool_stream or case.stream]))
    place = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(place, min(len(stream), place + 9)))
    stream = stream[:place] + data.draw(st.binary(max_size=4)) + stream[end:]
    places = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    bounds = [0, *places, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(bounds)]
    assert read_whole(case, pieces) == read_whole(case, [stream])


@pytest.mark.parametrize("name", STREAMING)
@settings(max_examples=30)
@given(st.data())
def test_a_stream_of_damaged_pieces_is_read_or_a_typed_error(name, data):
    case = CASES[name]
    is_lines = name == "ollama"
    marks = [] if is_lines else [b"[DONE]"]
    pieces = case.stream.rstrip(b"\n").split(b"\n" if is_lines else b"\n\n")
    place = data.draw(st.integers(0, len(pieces) - 1))
    head, mark, body = (b"", b"", pieces[place]) if is_lines else pieces[place].partition(b"data: ")
    if body not in marks and not body.startswith(b"b'"):
        pieces[place] = head + mark + data.draw(damaged(body))
    read_whole(case, [(b"\n" if is_lines else b"\n\n").join([*pieces, b""])])


@pytest.mark.parametrize("name", STREAMING)
@settings(max_examples=30)
@given(st.data())
def test_a_stream_cut_short_is_truncated(name, data):
    case = CASES[name]
    stream = data.draw(
        st.sampled_from([s for s in (case.stream, case.tool_stream, case.filtered_stream) if s])
    )
    end = data.draw(st.integers(0, len(stream.rstrip(b"\n")) - 1))
    _, outcome = read_whole(case, [stream[:end]])
    assert outcome != "whole"
    assert outcome[0] is StreamTruncatedError
