"""What each service does differently from the others."""

import base64
import json
import struct
from dataclasses import replace

import pytest

from ipfs_accelerate.errors import (
    ConfigurationError,
    ContentRefusedError,
    InputError,
    MalformedAnswerError,
    UnknownNameError,
)
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    FinishReason,
    ImagePart,
    Message,
    RerankRequest,
    TextPart,
    Tool,
    ToolCall,
    Usage,
)
from ipfs_accelerate.gateway.providers.registry import capability_table, make_provider
from ipfs_accelerate.gateway.wire import HttpResponse

CHAT = ChatRequest("m", (Message("system", "Be terse."), Message("user", "Hello")), max_tokens=9)
CALL = Message("assistant", tool_calls=(ToolCall("c1", "f", '{"x": 1}'), ToolCall("c2", "g", "")))
RESULTS = (Message("tool", "one", tool_call_id="c1"), Message("tool", "two", tool_call_id="c2"))
ROUND = ChatRequest("m", (Message("user", "Go"), CALL, *RESULTS), tools=(Tool("f", {}),))
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def sent(name: str, request, *, is_stream: bool = False, base_url: str | None = None) -> dict:
    return json.loads(
        make_provider(name, base_url).build(request, key=None, is_stream=is_stream).body
    )


def url(name: str, request, **options: object) -> str:
    return make_provider(name).build(request, key=None, **options).url


def read(name: str, request, value: object):
    return make_provider(name).parse(request, HttpResponse(200, {}, json.dumps(value).encode()))


def stream(name: str, data: bytes) -> list:
    parser = make_provider(name).chunks(CHAT)
    return [*parser.feed(data), *parser.finish()]


# Addresses


@pytest.mark.parametrize(
    ("name", "given", "root"),
    [
        ("openai", None, "https://api.openai.com/v1"),
        ("openai", "http://h:1", "http://h:1/v1"),
        ("openai", "http://h:1/v1/", "http://h:1/v1"),
        ("openai", "http://h:1/api/paas/v4", "http://h:1/api/paas/v4"),
        ("groq", "http://h:1", "http://h:1/openai/v1"),
        ("ollama", "http://h:1/", "http://h:1"),
        ("ovms", "http://h:1", "http://h:1/v3"),
        ("tgi", "http://h:1", "http://h:1"),
    ],
)
def test_an_address_without_a_path_gets_the_root_of_the_service(name, given, root):
    assert make_provider(name, given).base_url == root


def test_addresses_of_requests():
    assert url("openai", CHAT) == "https://api.openai.com/v1/chat/completions"
    assert url("anthropic", CHAT) == "https://api.anthropic.com/v1/messages"
    assert url("gemini", replace(CHAT, model="models/x")).endswith(
        "/v1beta/models/x:generateContent"
    )
    assert url("gemini", CHAT, is_stream=True).endswith("/m:streamGenerateContent?alt=sse")
    assert url("ovms", CHAT).endswith(":8000/v3/chat/completions")
    assert make_provider("ovms").models(key=None).url == "http://localhost:8000/v1/config"
    assert url("tgi", CHAT) == "http://localhost:8080/v1/chat/completions"
    assert url("tgi", CompletionRequest("m", ("a",))).endswith("8080/generate")
    assert url("tgi", CompletionRequest("m", ("a", "b"))).endswith("8080/v1/completions")
    assert url("opea", CHAT).endswith("/v1/chat/completions")
    assert url("opea", replace(CHAT, model="chatqna")).endswith("/v1/chatqna")


def test_an_unknown_kind_of_service_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="anthropic"):
        make_provider("antropic")


def test_an_address_with_a_key_in_it_is_refused_unseen():
    with pytest.raises(ConfigurationError) as caught:
        make_provider("openai", "https://h/v1?key=s3cret")
    assert "s3cret" not in str(caught.value.to_dict())


def test_the_table_has_a_row_for_each_kind():
    rows = {row["provider"]: row for row in capability_table()}
    assert len(rows) == 10
    assert rows["tei"]["rerank"]
    assert not rows["tei"]["chat"]


# OpenAI's dialect


def test_the_limit_of_tokens_has_the_name_the_address_knows():
    assert sent("openai", CHAT)["max_completion_tokens"] == 9
    assert sent("openai", CHAT, base_url="http://h:1")["max_tokens"] == 9


def test_a_stream_asks_for_its_usage():
    body = sent("openai", CHAT, is_stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert "stream" not in sent("openai", CHAT)


def test_tools_choices_and_formats_are_written():
    request = replace(
        CHAT, tools=(Tool("f", {}, is_strict=True),), tool_choice="f", response_format=SCHEMA
    )
    body = sent("openai", request)
    assert body["tools"][0]["function"]["strict"] is True
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["response_format"] == SCHEMA
    assert sent("openai", replace(request, tool_choice="required"))["tool_choice"] == "required"


def test_a_result_without_the_id_of_its_call_is_refused():
    with pytest.raises(InputError):
        sent("openai", ChatRequest("m", (Message("tool", "x"),)))


def test_embeddings_in_base64_are_read():
    request = EmbeddingRequest("m", ("a",), extra={"encoding_format": "base64"})
    data = base64.b64encode(struct.pack("<3f", 0.25, -0.5, 1.0)).decode()
    found = read("openai", request, {"data": [{"index": 0, "embedding": data}]})
    assert found.vectors == ((0.25, -0.5, 1.0),)
    for bad in (data[:-3], "?!", "", base64.b64encode(struct.pack("<f", float("nan"))).decode()):
        with pytest.raises(MalformedAnswerError):
            read("openai", request, {"data": [{"index": 0, "embedding": bad}]})


def test_a_refusal_of_the_model_counts_as_the_filter():
    message = {"role": "assistant", "content": None, "refusal": "No."}
    answer = {"choices": [{"message": message, "finish_reason": "stop"}]}
    with pytest.raises(ContentRefusedError):
        read("openai", CHAT, answer)
    pieces = ({"refusal": "No."}, "stop"), ({}, None)
    data = b"".join(
        b"data: " + json.dumps({"choices": [{"delta": d, "finish_reason": r}]}).encode() + b"\n\n"
        for d, r in pieces
    )
    with pytest.raises(ContentRefusedError):
        stream("openai", data + b"data: [DONE]\n\n")


def test_an_empty_answer_is_legal_only_when_tokens_were_spent_on_it():
    answer = {
        "choices": [{"message": {"content": ""}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 9},
    }
    assert read("openai", CHAT, answer).finish_reason is FinishReason.LENGTH
    with pytest.raises(MalformedAnswerError):
        read("openai", CHAT, {**answer, "usage": None})


def test_a_call_that_ends_with_stop_ends_with_tool_calls():
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    answer = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "stop"}]}
    assert read("openai", CHAT, answer).finish_reason is FinishReason.TOOL_CALLS


def test_completions_are_ordered_by_their_index():
    choices = [{"index": i, "text": t, "finish_reason": "stop"} for i, t in ((1, "b"), (0, "a"))]
    request = CompletionRequest("m", ("1", "2"))
    assert read("openai", request, {"choices": choices}).texts == ("a", "b")
    with pytest.raises(MalformedAnswerError):
        read("openai", request, {"choices": choices[:1]})


def test_vllm_continues_a_turn_of_the_assistant():
    body = sent("vllm", replace(CHAT, messages=(*CHAT.messages, Message("assistant", "Hi"))))
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert "continue_final_message" not in sent("vllm", CHAT)


def test_tgi_writes_its_own_parameters():
    request = CompletionRequest("m", ("a",), max_tokens=5, temperature=0, extra={"top_k": 3})
    parameters = sent("tgi", request)["parameters"]
    assert parameters["max_new_tokens"] == 5
    assert parameters["do_sample"] is False
    assert "temperature" not in parameters
    assert parameters["top_k"] == 3


def test_tei_goes_to_its_native_path_for_native_parameters():
    request = EmbeddingRequest("m", ("a",), extra={"normalize": False})
    assert url("tei", request).endswith("/embed")
    assert read("tei", request, [[1.0, 2.0]]).vectors == ((1.0, 2.0),)
    assert url("tei", replace(request, extra={})).endswith("/v1/embeddings")


def test_opea_finds_documents_by_their_texts():
    request = RerankRequest("m", "q", ("a", "b", "a"), top_n=2)
    assert sent("opea", request)["top_n"] == 2
    docs = [{"text": "a", "score": 0.9}, {"text": "a", "score": 0.8}]
    found = read("opea", request, {"reranked_docs": docs})
    assert [place.index for place in found.results] == [0, 2]
    with pytest.raises(MalformedAnswerError):
        read("opea", request, {"reranked_docs": [*docs, {"text": "a", "score": 0.7}]})


def test_opea_reads_byte_strings_of_python():
    data = r"""data: b'\xc3\xa4\'"\n'""" + "\n\n" + """data: b"it's"\n\ndata: [DONE]\n\n"""
    assert "".join(chunk.text for chunk in stream("opea", data.encode())) == "ä'\"\nit's"
    assert sent("opea", replace(CHAT, model="chatqna"))["stream"] is False


# Claude


def test_claude_gets_system_apart_and_results_in_one_turn():
    body = sent("anthropic", CHAT)
    assert body["system"] == "Be terse."
    assert body["max_tokens"] == 9
    turns = sent("anthropic", ROUND)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["input"] for block in turns[1]["content"]] == [{"x": 1}, {}]
    assert [block["tool_use_id"] for block in turns[2]["content"]] == ["c1", "c2"]


def test_claude_gets_4096_tokens_where_no_limit_is_set():
    assert sent("anthropic", replace(CHAT, max_tokens=None))["max_tokens"] == 4096


def test_claude_gets_schemas_choices_users_and_images_in_its_own_words():
    image = ImagePart(data=b"x", media_type="image/png")
    request = replace(
        CHAT,
        messages=(Message("user", (TextPart("?"), image, ImagePart("https://h/i"))),),
        response_format=SCHEMA,
        tools=(Tool("f", {}),),
        tool_choice="required",
        user="u",
        stop=("x",),
    )
    body = sent("anthropic", request)
    assert body["output_config"]["format"]["schema"] == {"type": "object"}
    assert body["tool_choice"] == {"type": "any"}
    assert body["metadata"] == {"user_id": "u"}
    assert body["stop_sequences"] == ["x"]
    kinds = [block.get("source", {}).get("type") for block in body["messages"][0]["content"]]
    assert kinds == [None, "base64", "url"]


def test_claude_is_told_its_version_and_key_in_headers():
    request = make_provider("anthropic").build(CHAT, key="k")
    assert request.headers["x-api-key"] == "k"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("stop_sequence", "stop"), ("max_tokens", "length"), ("pause_turn", "length")],
)
def test_reasons_of_claude(stop, finish):
    answer = {"content": [{"type": "text", "text": "a"}], "stop_reason": stop}
    assert read("anthropic", CHAT, answer).finish_reason == finish
    with pytest.raises(MalformedAnswerError):
        read("anthropic", CHAT, {**answer, "stop_reason": "whim"})


# Ollama


def test_ollama_gets_options_joined_with_the_callers():
    request = replace(
        CHAT, temperature=0.5, extra={"options": {"num_ctx": 8192}, "keep_alive": "5m"}
    )
    body = sent("ollama", request)
    assert body["options"] == {"num_predict": 9, "temperature": 0.5, "num_ctx": 8192}
    assert body["keep_alive"] == "5m"
    assert body["stream"] is False


def test_ollama_gets_objects_names_and_formats():
    body = sent("ollama", replace(ROUND, response_format=SCHEMA))
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"x": 1}
    assert [m.get("tool_name") for m in body["messages"]] == [None, None, "f", "g"]
    assert body["format"] == {"type": "object"}
    assert "tools" not in sent("ollama", replace(ROUND, tool_choice="none"))


def test_calls_of_ollama_get_ids_that_are_new_in_the_conversation():
    call = {"function": {"name": "f", "arguments": {}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call, call]}
    found = read("ollama", ROUND, {"message": message, "done": True, "done_reason": "stop"})
    assert [call.id for call in found.message.tool_calls] == ["call_2", "call_3"]


def test_a_last_line_of_ollama_without_its_end_is_read():
    line = json.dumps({"message": {"content": "a"}, "done": True, "done_reason": "stop"})
    assert [chunk.text for chunk in stream("ollama", line.encode())] == ["a", ""]


# Gemini


def test_gemini_gets_contents_in_its_own_words():
    body = sent("gemini", replace(ROUND, tool_choice="f", response_format=SCHEMA, seed=3))
    roles = [content["role"] for content in body["contents"]]
    assert roles == ["user", "model", "user"]
    results = [part["functionResponse"] for part in body["contents"][2]["parts"]]
    assert [(r["name"], r["response"]) for r in results] == [
        ("f", {"result": "one"}),
        ("g", {"result": "two"}),
    ]
    calls = body["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in calls] == [True, False]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["f"]
    assert body["generationConfig"]["responseJsonSchema"] == {"type": "object"}
    assert body["generationConfig"]["seed"] == 3


def test_the_key_of_gemini_travels_in_a_header():
    request = make_provider("gemini").build(CHAT, key="s3cret")
    assert request.headers["x-goog-api-key"] == "s3cret"
    assert "s3cret" not in request.url


def test_thoughts_of_gemini_are_paid_and_not_shown():
    parts = [{"text": "hm", "thought": True}, {"text": "Yes"}]
    answer = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 4,
            "candidatesTokenCount": 1,
            "thoughtsTokenCount": 6,
        },
    }
    found = read("gemini", CHAT, answer)
    assert found.message.text == "Yes"
    assert found.usage == Usage(4, 7)


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII"])
def test_filters_of_gemini(reason):
    with pytest.raises(ContentRefusedError):
        read("gemini", CHAT, {"candidates": [{"finishReason": reason}]})


def test_gemini_makes_one_batch_of_embeddings():
    request = EmbeddingRequest("m", ("a", "b"), dimensions=2)
    body = sent("gemini", request)
    assert [entry["model"] for entry in body["requests"]] == ["models/m"] * 2
    assert body["requests"][0]["outputDimensionality"] == 2
