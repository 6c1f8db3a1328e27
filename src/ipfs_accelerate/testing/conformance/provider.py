"""The suite every provider passes: subclass `ProviderConformance`, give it a ``case``.

A case holds what the service would send, as bytes, to the questions asked here. Whatever a provider
declares in its capabilities must be there; what it does not declare must be refused before
anything is sent.

Example::

    class TestMyService(ProviderConformance):
        @pytest.fixture
        def case(self):
            return ProviderCase(MyService("http://localhost:1"), chat=b"…", …)

It is one class, and long, because it is one list of claims.
"""

# ruff: noqa: D102 — the name of a test is its claim

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from ipfs_accelerate.errors import (
    AccelerateError,
    ConfigurationError,
    ContentRefusedError,
    InputError,
    KeyRefusedError,
    MalformedAnswerError,
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RateLimitedError,
    RequestRefusedError,
    StreamTruncatedError,
)
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    FinishReason,
    ImagePart,
    Message,
    Request,
    TextPart,
    ToolCall,
    Usage,
)
from ipfs_accelerate.gateway.wire import HttpResponse
from ipfs_accelerate.testing.conformance.provider_case import (
    CHAT,
    COMPLETION,
    EMBEDDING,
    PROMPT,
    RERANK,
    TOOLS,
    ProviderCase,
    read_into,
    read_stream,
)

__all__ = ["ProviderConformance"]

NOW_S = 1_700_000_000.0
_KEY = "k3y-4ab9c2d71e88f0"
_VECTORS = ((0.25, -0.5, 1.0), (1.0, 0.0, -2.0))
_RANKS = (2, 0, 1)
_SAYING_NOTHING = (
    b"",
    b"<html>no</html>",
    b"[]",
    b"null",
    b'{"error":',
    b"\xff",
    b'{"error":{"code":[],"type":{},"message":1}}',
)
_PNG = b"\x89PNG\r\n\x1a\n"


def given(value: bytes | None) -> bytes:
    """What the case holds; the test is skipped where the service cannot do it."""
    if value is None:
        pytest.skip("the service does not do this")
    return value


def answer(body: bytes) -> HttpResponse:
    """A whole answer."""
    return HttpResponse(200, {"content-type": "application/json"}, body)


class ProviderConformance:
    """What holds for every provider."""

    # What it sends

    def test_a_request_is_json_below_the_base_address(self, case: ProviderCase) -> None:
        for request in _can(case):
            sent = case.provider.build(request, key=None)
            assert sent.method == "POST"
            assert sent.url.startswith(case.provider.base_url)
            assert isinstance(json.loads(sent.body), dict)
            assert sent.headers["Content-Type"] == "application/json"

    def test_the_key_is_in_a_header_and_nowhere_else(self, case: ProviderCase) -> None:
        sent = [case.provider.build(request, key=_KEY) for request in _can(case)]
        for one in [*sent, case.provider.models(key=_KEY)]:
            assert any(_KEY in value for value in one.headers.values())
            assert _KEY not in one.url
            assert _KEY not in repr(one)
            assert _KEY.encode() not in one.body

    @pytest.mark.parametrize("key", ["k7\r\nX-Evil: 1", "k7\nb", " k7", "", "schlüssel", "k7\0"])
    def test_a_key_that_is_no_word_is_refused_unseen(self, case: ProviderCase, key: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            case.provider.models(key=key)
        assert "k7" not in str(caught.value.to_dict())

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://h",
            "http://",
            "h:80",
            "http://u:p4ss@h",
            "http://h/?key=p4ss",
            "http://h\r\n/p4ss",
        ],
    )
    def test_an_address_that_cannot_be_used_is_refused(self, case: ProviderCase, url: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            type(case.provider)(url)
        assert "p4ss" not in str(caught.value.to_dict())

    def test_fields_in_extra_are_sent(self, case: ProviderCase) -> None:
        request = replace(_can(case)[0], extra={"a_field_of_its_own": [1, "ä"]})
        body = case.provider.build(request, key=None).body.decode()
        assert '"a_field_of_its_own":[1,"ä"]' in body

    def test_extra_cannot_take_the_place_of_our_fields(self, case: ProviderCase) -> None:
        request = _can(case)[0]
        body: dict[str, object] = json.loads(case.provider.build(request, key=None).body)
        for name in body:
            with pytest.raises(InputError):
                case.provider.build(replace(request, extra={name: "another"}), key=None)

    @pytest.mark.parametrize("value", [float("nan"), object(), "half \ud800", {1: {2}}])
    def test_what_json_cannot_hold_is_refused(self, case: ProviderCase, value: object) -> None:
        with pytest.raises(InputError):
            case.provider.build(replace(_can(case)[0], extra={"field": value}), key=None)

    def test_what_it_does_not_declare_is_refused(self, case: ProviderCase) -> None:
        able = case.provider.capabilities
        for request in (CHAT, COMPLETION, EMBEDDING, RERANK):
            if request.operation not in able.operations:
                _refuses(case, request)
            if request is not CHAT:
                _refuses(case, request, is_stream=True)
        if not able.has_streaming:
            _refuses(case, CHAT, is_stream=True)
        if not able.has_tools:
            _refuses(case, TOOLS)
            _refuses(case, _tool_round())
        if not able.has_images:
            _refuses(case, _image_request())

    def test_what_it_cannot_express_is_refused(self, case: ProviderCase) -> None:
        for request in case.unexpressible:
            _refuses(case, request)

    @pytest.mark.parametrize("model", ["", "a\r\nb", "a\0"])
    def test_a_model_that_is_no_name_is_refused(self, case: ProviderCase, model: str) -> None:
        for request in _can(case):
            _refuses(case, replace(request, model=model))

    def test_a_model_cannot_leave_its_place_in_the_address(self, case: ProviderCase) -> None:
        for request in _can(case):
            sent = case.provider.build(replace(request, model="../x?y=z#w&"), key=None)
            assert "?y" not in sent.url
            assert "#" not in sent.url

    # Chat

    def test_a_chat_answer_is_read(self, case: ProviderCase) -> None:
        found = case.provider.parse(CHAT, answer(given(case.chat)))
        assert found.message.text == "Paris."  # type: ignore[union-attr]
        assert found.finish_reason is FinishReason.STOP  # type: ignore[union-attr]
        assert found.usage == case.usage
        assert found.model

    def test_unknown_fields_of_an_answer_are_skipped(self, case: ProviderCase) -> None:
        known = case.provider.parse(CHAT, answer(given(case.chat)))
        more = _with_unknown(json.loads(given(case.chat)))
        assert case.provider.parse(CHAT, answer(json.dumps(more).encode())) == known

    @pytest.mark.parametrize(
        "body",
        [b"", b"{}", b"null", b"[]", b"<html>502</html>", b"\xff\xfe", b'{"a":', b"1" * 5000],
    )
    def test_a_body_that_is_no_answer_is_malformed(self, case: ProviderCase, body: bytes) -> None:
        for request in _can(case):
            with pytest.raises(MalformedAnswerError) as caught:
                case.provider.parse(request, answer(body))
            assert caught.value.details["provider"] == case.provider.name

    def test_an_answer_with_nothing_in_it_is_malformed(self, case: ProviderCase) -> None:
        body = given(case.chat).replace(b"Paris.", b"").replace(b": 3", b": 0")
        with pytest.raises(MalformedAnswerError):
            case.provider.parse(CHAT, answer(body))

    def test_half_a_character_in_an_answer_is_malformed(self, case: ProviderCase) -> None:
        body = given(case.chat).replace(b"Paris.", b"Paris\\ud83d")
        with pytest.raises(MalformedAnswerError):
            case.provider.parse(CHAT, answer(body))

    def test_a_filtered_answer_is_a_refusal_of_content(self, case: ProviderCase) -> None:
        with pytest.raises(ContentRefusedError) as caught:
            case.provider.parse(CHAT, answer(given(case.filtered)))
        assert caught.value.details["provider"] == case.provider.name

    def test_an_error_with_status_200_is_raised_as_what_it_says(self, case: ProviderCase) -> None:
        if case.failed is None:
            pytest.skip("the service does not do this")
        body, kind = case.failed
        with pytest.raises(kind):
            case.provider.parse(_can(case)[0], answer(body))

    # Streams

    def test_a_stream_gives_the_text_and_then_its_end(self, case: ProviderCase) -> None:
        found = read_stream(case, [given(case.stream)])
        assert "".join(chunk.text for chunk in found) == "Paris."
        assert [bool(chunk.finish_reason) for chunk in found] == [False] * (len(found) - 1) + [True]
        assert found[-1].finish_reason is FinishReason.STOP
        assert (found[-1].usage or Usage()) == case.usage
        assert len(found) > 2

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
    def test_a_stream_is_the_same_however_it_is_cut(self, case: ProviderCase, size: int) -> None:
        for stream in (given(case.stream), case.tool_stream or b"", case.filtered_stream or b""):
            if stream:
                pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
                assert read_stream(case, pieces) == read_stream(case, [stream])

    def test_the_kind_of_line_end_does_not_matter(self, case: ProviderCase) -> None:
        stream = given(case.stream)
        for end in (b"\r\n", b"\r"):
            assert read_stream(case, [stream.replace(b"\n", end)]) == read_stream(case, [stream])

    def test_a_stream_that_is_cut_anywhere_is_truncated(self, case: ProviderCase) -> None:
        stream = given(case.stream)
        for end in range(len(stream.rstrip(b"\n"))):
            with pytest.raises(StreamTruncatedError):
                read_stream(case, [stream[:end]])

    def test_what_follows_the_end_of_a_stream_is_not_read(self, case: ProviderCase) -> None:
        stream = given(case.stream)
        if not case.has_end_marker:
            pytest.skip("a stream without an end marker")
        assert read_stream(case, [stream, b"data: {oops\n\n"]) == read_stream(case, [stream])

    def test_a_bad_piece_is_malformed_after_what_came_before(self, case: ProviderCase) -> None:
        stream = given(case.stream)
        cut = stream.rindex(b"\n", 0, stream.index(b"is.")) + 1
        found: list[ChatChunk] = []
        with pytest.raises(MalformedAnswerError) as caught:
            read_into(found, case, [stream[:cut] + case.bad_piece])
        assert not isinstance(caught.value, StreamTruncatedError)
        assert "".join(chunk.text for chunk in found) == "Par"

    def test_an_error_inside_a_stream_is_raised_as_what_it_says(self, case: ProviderCase) -> None:
        if case.failed_stream is None:
            pytest.skip("the service does not do this")
        stream, kind = case.failed_stream
        with pytest.raises(kind):
            read_stream(case, [stream])

    def test_a_filter_after_text_ends_the_stream_by_name(self, case: ProviderCase) -> None:
        found = read_stream(case, [given(case.filtered_stream)])
        assert "".join(chunk.text for chunk in found)
        assert found[-1].finish_reason is FinishReason.CONTENT_FILTER

    def test_a_line_without_end_is_bounded(self, case: ProviderCase) -> None:
        given(case.stream)
        piece = b"x" * 2**20
        with pytest.raises(MalformedAnswerError) as caught:
            read_stream(case, [piece] * 64)
        assert not isinstance(caught.value, StreamTruncatedError)

    # Tools and images

    def test_a_tool_call_is_read(self, case: ProviderCase) -> None:
        found = case.provider.parse(TOOLS, answer(given(case.tools)))
        (call,) = found.message.tool_calls  # type: ignore[union-attr]
        assert call.name == "get_weather"
        assert call.id
        assert json.loads(call.arguments) == {"city": "Paris"}
        assert found.finish_reason is FinishReason.TOOL_CALLS  # type: ignore[union-attr]

    def test_a_tool_call_is_read_from_a_stream(self, case: ProviderCase) -> None:
        found = read_stream(case, [given(case.tool_stream)])
        parts = [part for chunk in found for part in chunk.tool_calls]
        assert {part.index for part in parts} == {0}
        assert [part.name for part in parts if part.name] == ["get_weather"]
        assert json.loads("".join(part.arguments for part in parts)) == {"city": "Paris"}
        assert found[-1].finish_reason is FinishReason.TOOL_CALLS

    def test_tools_and_their_results_are_sent(self, case: ProviderCase) -> None:
        given(case.tools)
        body = case.provider.build(_tool_round(), key=None).body.decode()
        assert body.count("get_weather") >= 2
        assert "Weather of a city" in body
        assert "Paris" in body
        assert "18 degrees" in body

    def test_arguments_of_a_call_that_are_not_json_are_refused_or_passed_on(
        self, case: ProviderCase
    ) -> None:
        given(case.tools)
        request = _tool_round(arguments="{oops")
        try:
            body = case.provider.build(request, key=None).body
        except InputError:
            return
        assert b"{oops" in body

    def test_an_image_is_sent(self, case: ProviderCase) -> None:
        if not case.provider.capabilities.has_images:
            pytest.skip("the service does not do this")
        body = case.provider.build(_image_request(), key=None).body.decode()
        assert base64.b64encode(_PNG).decode() in body
        assert "What is this?" in body
        for bad in (ImagePart(), ImagePart("https://h/i.png", _PNG), ImagePart(data=_PNG)):
            _refuses(case, _image_request(bad))

    # Embeddings, rerank, completions

    def test_embeddings_are_read_in_order(self, case: ProviderCase) -> None:
        found = case.provider.parse(EMBEDDING, answer(given(case.embedding)))
        assert found.vectors == _VECTORS  # type: ignore[union-attr]

    def test_embeddings_that_are_too_few_or_too_short_are_malformed(
        self, case: ProviderCase
    ) -> None:
        body = given(case.embedding)
        for request in (
            replace(EMBEDDING, inputs=("one", "two", "three")),
            replace(EMBEDDING, inputs=("one",)),
            replace(EMBEDDING, dimensions=4),
        ):
            with pytest.raises(MalformedAnswerError):
                case.provider.parse(request, answer(body))

    @pytest.mark.parametrize(
        "bad", [b"NaN", b"1e999", b'"1"', b"null", b"true", b"[1.0]", b"1.0, 2"]
    )
    def test_embeddings_of_anything_but_finite_numbers_are_malformed(
        self, case: ProviderCase, bad: bytes
    ) -> None:
        body = given(case.embedding)
        assert b"-0.5" in body
        with pytest.raises(MalformedAnswerError):
            case.provider.parse(EMBEDDING, answer(body.replace(b"-0.5", bad)))

    def test_documents_are_ranked_best_first(self, case: ProviderCase) -> None:
        found = case.provider.parse(RERANK, answer(given(case.rerank)))
        assert tuple(place.index for place in found.results) == _RANKS  # type: ignore[union-attr]
        scores = [place.score for place in found.results]  # type: ignore[union-attr]
        assert scores == sorted(scores, reverse=True)
        best = case.provider.parse(replace(RERANK, top_n=1), answer(given(case.rerank)))
        assert [place.index for place in best.results] == [2]  # type: ignore[union-attr]

    def test_ranks_of_documents_that_were_not_given_are_malformed(self, case: ProviderCase) -> None:
        body = given(case.rerank)
        for documents in (("Berlin", "Rome"), ("Berlin", "Rome", "Paris", "Bonn")):
            with pytest.raises(MalformedAnswerError):
                case.provider.parse(replace(RERANK, documents=documents), answer(body))

    def test_a_completion_is_read(self, case: ProviderCase) -> None:
        found = case.provider.parse(COMPLETION, answer(given(case.completion)))
        assert found.texts == (" Paris",)  # type: ignore[union-attr]
        assert found.finish_reasons == (FinishReason.STOP,)  # type: ignore[union-attr]

    # Refusals and limits

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, RequestRefusedError),
            (401, KeyRefusedError),
            (403, KeyRefusedError),
            (404, RequestRefusedError),
            (408, ProviderFailedError),
            (409, ProviderFailedError),
            (413, RequestRefusedError),
            (422, RequestRefusedError),
            (429, RateLimitedError),
            (500, ProviderFailedError),
            (502, ProviderFailedError),
            (503, ProviderOverloadedError),
            (504, ProviderFailedError),
            (529, ProviderOverloadedError),
            (302, RequestRefusedError),
            (204, MalformedAnswerError),
        ],
    )
    def test_a_status_alone_is_enough_for_an_error(
        self, case: ProviderCase, status: int, kind: type[AccelerateError]
    ) -> None:
        for body in _SAYING_NOTHING:
            found = case.provider.error(HttpResponse(status, {}, body), now_s=NOW_S)
            assert type(found) is kind, body
            assert found.details["status"] == status
            assert found.details["provider"] == case.provider.name
            assert str(found.details["endpoint"]).startswith("http")

    def test_refusals_in_the_words_of_the_service(self, case: ProviderCase) -> None:
        assert any(one.error is ModelNotFoundError for one in case.refusals)
        for one in case.refusals:
            response = HttpResponse(one.status, one.headers, one.body)
            found = case.provider.error(response, now_s=NOW_S)
            assert type(found) is one.error, one
            assert found.details.get("provider_code") == one.provider_code, one

    @pytest.mark.parametrize(
        ("headers", "wait_s"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
            ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
            ({"retry-after": "soon"}, None),
            ({}, None),
        ],
    )
    def test_the_time_to_wait_is_told(
        self, case: ProviderCase, headers: Mapping[str, str], wait_s: float | None
    ) -> None:
        found = case.provider.error(HttpResponse(429, headers, b""), now_s=NOW_S)
        assert found.details.get("retry_after_s") == wait_s
        assert case.provider.rates(headers, now_s=NOW_S).retry_after_s == wait_s

    def test_a_refusal_that_repeats_key_and_prompt_is_not_repeated(
        self, case: ProviderCase
    ) -> None:
        said = f"Incorrect key {_KEY} for: {PROMPT}"
        bodies = (
            {"error": {"message": said, "type": said, "code": _KEY, "param": PROMPT}},
            {"error": said, "error_type": _KEY},
            {"message": said, "code": said, "type": _KEY},
            {"error": {"code": 400, "status": _KEY, "details": [{"reason": _KEY}]}},
        )
        for body in bodies:
            response = HttpResponse(401, {"x-echo": _KEY}, json.dumps(body).encode())
            found = case.provider.error(response, now_s=NOW_S)
            shown = f"{found} {found.to_dict()} {found!r}"
            assert _KEY not in shown
            assert PROMPT not in shown

    def test_limits_are_read_from_the_headers(self, case: ProviderCase) -> None:
        headers, report = case.rate_headers
        found = case.provider.rates(headers, now_s=NOW_S)
        assert found == report

    @pytest.mark.parametrize(
        "value", ["", "-1", "many", "1e9", "٣", "9" * 400, "1m-2s", "nan", "∞"]
    )
    def test_headers_of_nonsense_tell_nothing(self, case: ProviderCase, value: str) -> None:
        headers = dict.fromkeys((*case.rate_headers[0], "retry-after", "retry-after-ms"), value)
        found = case.provider.rates(headers, now_s=NOW_S)
        assert found.request_limit is None
        assert found.token_remaining is None

    def test_models_are_listed(self, case: ProviderCase) -> None:
        sent = case.provider.models(key=None)
        assert sent.method == "GET"
        assert not sent.body
        assert case.provider.parse_models(answer(case.models)) == case.model_names
        for bad in (b"", b"[]", b'{"data":[{}],"models":[{}],"m":[]}', b'{"data":1,"models":2}'):
            with pytest.raises(MalformedAnswerError):
                case.provider.parse_models(answer(bad))


def _can(case: ProviderCase) -> list[Request]:
    able = case.provider.capabilities.operations
    return [one for one in (CHAT, COMPLETION, EMBEDDING, RERANK) if one.operation in able]


def _refuses(case: ProviderCase, request: Request, *, is_stream: bool = False) -> None:
    with pytest.raises(InputError):
        case.provider.build(request, key=None, is_stream=is_stream)


def _tool_round(arguments: str = '{"city": "Paris"}') -> ChatRequest:
    called = Message("assistant", tool_calls=(ToolCall("call_1", "get_weather", arguments),))
    result = Message("tool", "18 degrees", tool_call_id="call_1")
    return replace(TOOLS, messages=(*TOOLS.messages, called, result))


def _image_request(image: ImagePart | None = None) -> ChatRequest:
    part = image or ImagePart(data=_PNG, media_type="image/png")
    return replace(CHAT, messages=(Message("user", (TextPart("What is this?"), part)),))


def _with_unknown(value: object) -> object:
    if isinstance(value, dict):
        return {**{k: _with_unknown(v) for k, v in value.items()}, "zz_new": {"a": [1, None]}}
    return [_with_unknown(one) for one in value] if isinstance(value, list) else value
