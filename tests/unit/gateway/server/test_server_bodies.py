"""Bodies of the OpenAI API become requests, and answers become bodies its clients read."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.errors import (
    AllProvidersFailedError,
    ContentRefusedError,
    InputError,
    QueueFullError,
    RateLimitedError,
    UnknownModelError,
    error_types,
)
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatResponse,
    EmbeddingResponse,
    FinishReason,
    ImagePart,
    Message,
    TextPart,
    Tool,
    ToolCall,
    ToolCallPart,
    Usage,
)
from ipfs_accelerate.gateway.server.failing import error_body, error_status, retry_after
from ipfs_accelerate.gateway.server.reading import (
    read_chat,
    read_completion,
    read_embedding,
    read_rerank,
)
from ipfs_accelerate.gateway.server.writing import ChunkWriter, chat_body, embedding_body

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
PIXEL = base64.b64encode(b"\x89PNG").decode()


def test_a_chat_with_everything_is_read() -> None:
    call = read_chat(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "42"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "max_completion_tokens": 5,
            "stop": "END",
            "stream": True,
            "stream_options": {"include_usage": True},
            "presence_penalty": 0.5,
        }
    )
    request = call.request
    assert (call.is_stream, call.wants_usage) == (True, True)
    assert request.messages[0] == Message("system", "Be brief.")
    assert request.messages[1].content == (
        TextPart("What is it?"),
        ImagePart(data=b"\x89PNG", media_type="image/png"),
    )
    assert request.messages[2].tool_calls == (ToolCall("1", "f", "{}"),)
    assert request.messages[3].tool_call_id == "1"
    assert request.tools == (Tool("f", {"type": "object"}),)
    assert (request.tool_choice, request.max_tokens, request.stop) == ("f", 5, ("END",))
    assert request.extra == {"presence_penalty": 0.5}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "contents": "x"}]}, "messages[0].contents"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            "messages[0].content[0].type",
        ),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "web", "function": {"name": "f"}}]}, "tools[0].type"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": 1}}}]},
            "tools[0].function.parameters.type",
        ),
        ({"stop": [1]}, "stop"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_a_faulty_field_is_named(change: dict[str, object], param: str) -> None:
    with pytest.raises(InputError) as caught:
        read_chat({**HELLO, **change})
    assert caught.value.details["param"] == param


def test_a_misspelt_field_is_met_with_the_right_one() -> None:
    with pytest.raises(InputError, match="'temperature'"):
        read_chat({**HELLO, "temprature": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["model", "messages", "tools", "stop", "stream", "stream_options", "tool_choice", "input",
     "prompt", "documents", "query", "response_format", "n", "seed"]
)  # fmt: skip


@given(st.dictionaries(FIELDS, JSON, max_size=6) | JSON)
@pytest.mark.parametrize("read", [read_chat, read_completion, read_embedding, read_rerank])
def test_no_body_causes_another_error_than_a_named_one(read: object, body: object) -> None:
    named: object = "nothing wrong"
    try:
        read({**HELLO, **body} if isinstance(body, dict) else body)  # type: ignore[operator]
    except InputError as error:
        named = error.details["param"]
    assert isinstance(named, str)


def test_an_answer_has_the_form_of_the_api() -> None:
    calls = (ToolCall("1", "f", "{}"),)
    response = ChatResponse(
        "real", Message("assistant", "", tool_calls=calls), FinishReason.TOOL_CALLS, Usage(3, 4)
    )
    body = chat_body(response, request_id="req-1", created_s=7)
    choice = body["choices"][0]  # type: ignore[index]
    assert (body["id"], body["object"], body["created"]) == ("req-1", "chat.completion", 7)
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "tool_calls"
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_what_a_service_did_not_count_is_not_counted_as_nothing() -> None:
    response = ChatResponse("m", Message("assistant", "Hi"), FinishReason.STOP)
    assert chat_body(response, request_id="r", created_s=0)["usage"] is None


def test_vectors_in_base64_are_little_endian_floats() -> None:
    body = embedding_body(EmbeddingResponse("m", ((1.0, -0.5),)), is_base64=True)
    text = body["data"][0]["embedding"]  # type: ignore[index]
    assert np.frombuffer(base64.b64decode(text), "<f4").tolist() == [1.0, -0.5]


def test_the_events_of_a_stream_have_one_id_and_begin_with_the_role() -> None:
    writer = ChunkWriter(request_id="req-1", model="m", created_s=7)
    pieces = [
        ChatChunk(tool_calls=(ToolCallPart(0, "1", "f"),)),
        ChatChunk(tool_calls=(ToolCallPart(0, arguments="{}"),)),
        ChatChunk(finish_reason=FinishReason.TOOL_CALLS, usage=Usage(1, 2)),
    ]
    written = [writer.write(piece) for piece in pieces]
    events = [json.loads(data.removeprefix(b"data: ")) for data in written]
    assert {event["id"] for event in events} == {"req-1"}
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "role" not in events[1]["choices"][0]["delta"]
    assert events[2]["choices"][0]["finish_reason"] == "tool_calls"
    assert writer.write(ChatChunk(usage=Usage(1, 2))) == b""


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UnknownModelError("gpt", ["gpt-4"]), 404, "invalid_request_error"),
        (InputError("x"), 400, "invalid_request_error"),
        (ContentRefusedError("x"), 400, "invalid_request_error"),
        (RateLimitedError("x"), 429, "rate_limit_error"),
        (QueueFullError("x"), 429, "rate_limit_error"),
        (AllProvidersFailedError("x"), 503, "server_error"),
    ],
)
def test_errors_have_the_status_clients_act_on(error: object, status: int, kind: str) -> None:
    body = error_body(error)["error"]  # type: ignore[arg-type]
    assert (error_status(error), body["type"]) == (status, kind)  # type: ignore[arg-type, index]


def test_every_error_of_the_product_has_a_status() -> None:
    for cls in error_types().values():
        error = cls.__new__(cls)
        assert 400 <= error_status(error) < 600


def test_the_time_to_come_back_is_rounded_up() -> None:
    assert retry_after(RateLimitedError("x", details={"retry_after_s": 0.2})) == {
        "Retry-After": "1"
    }
    assert retry_after(RateLimitedError("x")) == {}
