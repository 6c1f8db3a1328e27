"""From the bodies of the OpenAI API to requests of the gateway.

Source: platform.openai.com/docs/api-reference (chat, completions, embeddings); the rerank body is
that of Jina and Cohere, which vLLM and TEI's successors share.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    Message,
    RerankRequest,
    TextPart,
    Tool,
    ToolCall,
)
from ipfs_accelerate.gateway.server.fields import Body, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Role

__all__ = [
    "ChatCall",
    "EmbeddingCall",
    "read_chat",
    "read_completion",
    "read_embedding",
    "read_rerank",
]

_ROLES = {"system", "developer", "user", "assistant", "tool"}

#: Passed on as they are to services of this dialect; what none of them knows is refused.
_PASSED_ON = frozenset(
    {
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "parallel_tool_calls",
        "service_tier",
        "store",
        "metadata",
        "reasoning_effort",
        "verbosity",
        "prediction",
        "modalities",
        "safety_identifier",
        "prompt_cache_key",
        "top_k",
        "min_p",
        "repetition_penalty",
        "length_penalty",
        "min_tokens",
        "ignore_eos",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "structured_outputs",
        "chat_template_kwargs",
        "include_reasoning",
        "skip_special_tokens",
    }
)


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A chat as a client of the API asks for it."""

    request: ChatRequest
    is_stream: bool
    wants_usage: bool


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """Vectors as a client of the API asks for them."""

    request: EmbeddingRequest
    is_base64: bool


def read_chat(fields: object) -> ChatCall:
    """A body of ``/v1/chat/completions``.

    Raises:
        InputError: ``details["param"]`` names the field.
    """
    body = Body(fields)
    only_one(body)
    is_stream = body.take("stream", bool, "true or false") or False
    options = Body(body.take("stream_options", dict, "an object") or {}, "stream_options")
    model = body.need("model", str, "the name of a model")
    messages = body.items("messages", _message)
    if not messages:
        raise refuse("messages", "there is none")
    limit = body.count("max_completion_tokens")
    old_limit = body.count("max_tokens")
    request = ChatRequest(
        model,
        messages,
        max_tokens=limit or old_limit,
        temperature=body.number("temperature", 0, 2),
        top_p=body.number("top_p", 0, 1),
        stop=_stop(body),
        seed=body.take("seed", int, "a whole number"),
        tools=body.items("tools", _tool),
        tool_choice=_tool_choice(body),
        response_format=body.take("response_format", dict, "an object"),
        user=body.take("user", str, "text"),
        extra=body.rest(_PASSED_ON),
    )
    wants_usage = options.take("include_usage", bool, "true or false") or False
    options.take("include_obfuscation", bool, "true or false")
    options.rest(())
    return ChatCall(request, is_stream, wants_usage)


def read_completion(fields: object) -> CompletionRequest:
    """A body of ``/v1/completions``."""
    body = Body(fields)
    only_one(body)
    if body.take("stream", bool, "true or false"):
        raise refuse("stream", "completions are not streamed here", hint="use chat completions")
    return CompletionRequest(
        body.need("model", str, "the name of a model"),
        _texts(body, "prompt"),
        max_tokens=body.count("max_tokens"),
        temperature=body.number("temperature", 0, 2),
        top_p=body.number("top_p", 0, 1),
        stop=_stop(body),
        seed=body.take("seed", int, "a whole number"),
        extra=body.rest(_PASSED_ON | {"user"}),
    )


def read_embedding(fields: object) -> EmbeddingCall:
    """A body of ``/v1/embeddings``."""
    body = Body(fields)
    written = body.take("encoding_format", str, "float or base64") or "float"
    if written not in {"float", "base64"}:
        raise refuse("encoding_format", f"{written!r} is neither float nor base64")
    request = EmbeddingRequest(
        body.need("model", str, "the name of a model"),
        _texts(body, "input"),
        dimensions=body.count("dimensions"),
        extra=body.rest({"user", "truncate_prompt_tokens", "normalize", "task", "input_type"}),
    )
    return EmbeddingCall(request, written == "base64")


def read_rerank(fields: object) -> RerankRequest:
    """A body of ``/v1/rerank``."""
    body = Body(fields)
    body.take("return_documents", bool, "true or false")
    documents = body.items("documents", _document)
    if not documents:
        raise refuse("documents", "there is none")
    return RerankRequest(
        body.need("model", str, "the name of a model"),
        body.need("query", str, "text"),
        documents,
        top_n=body.count("top_n"),
        extra=body.rest({"truncate_prompt_tokens"}),
    )


def only_one(body: Body) -> None:
    """Refuse several answers to one request, which fallback and streaming could not keep apart."""
    if (body.count("n") or 1) != 1:
        raise refuse("n", "one answer is given", hint="send the request several times")


def _texts(body: Body, name: str) -> tuple[str, ...]:
    value = body.need(name, (str, list), "text, or an array of texts")
    texts = [value] if isinstance(value, str) else value
    if not texts:
        raise refuse(name, "there is none")
    if not all(isinstance(text, str) for text in texts):
        raise refuse(name, "tokens are not taken", hint="send text: services have other tokenizers")
    return tuple(cast("list[str]", texts))


def _stop(body: Body) -> tuple[str, ...]:
    value = body.take("stop", (str, list), "text, or an array of texts")
    texts = [value] if isinstance(value, str) else value or []
    if not all(isinstance(text, str) for text in texts):
        raise refuse("stop", "this is not an array of texts")
    return tuple(cast("list[str]", texts))


def _message(value: object, place: str) -> Message:
    body = Body(value, place)
    role = body.need("role", str, "text")
    if role not in _ROLES:
        raise refuse(f"{place}.role", f"{role!r} is none of {', '.join(sorted(_ROLES))}")
    content = body.take("content", (str, list), "text, or an array of parts")
    parts: str | tuple[TextPart | ImagePart, ...] = ""
    if isinstance(content, str):
        parts = content
    elif content is not None:
        parts = tuple(_part(p, f"{place}.content[{i}]") for i, p in enumerate(content))
    message = Message(
        cast("Role", "system" if role == "developer" else role),
        parts,
        body.items("tool_calls", _tool_call),
        body.take("tool_call_id", str, "text"),
        body.take("name", str, "text"),
    )
    if role == "tool" and message.tool_call_id is None:
        raise refuse(f"{place}.tool_call_id", "this is needed: which call is answered")
    for name in ("refusal", "annotations", "audio", "reasoning_content"):  # of former answers
        body.take(name, object, "anything")
    body.rest(())
    return message


def _part(value: object, place: str) -> TextPart | ImagePart:
    body = Body(value, place)
    kind = body.need("type", str, "text")
    if kind == "text":
        part: TextPart | ImagePart = TextPart(body.need("text", str, "text"))
    elif kind == "image_url":
        part = _image(Body(body.need("image_url", dict, "an object"), f"{place}.image_url"))
    else:
        raise refuse(f"{place}.type", f"{kind!r} is neither text nor image_url")
    body.rest(())
    return part


def _image(body: Body) -> ImagePart:
    url = body.need("url", str, "an address")
    detail = body.take("detail", str, "text")
    body.rest(())
    if url.startswith(("https://", "http://")):
        return ImagePart(url=url, detail=detail)
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")):
        raise refuse(body.place("url"), "this is neither an address nor data:image/…;base64,…")
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise refuse(body.place("url"), "what follows base64 is not base64") from error
    media_type = head.removeprefix("data:").removesuffix(";base64")
    return ImagePart(data=decoded, media_type=media_type, detail=detail)


def _tool(value: object, place: str) -> Tool:
    body = Body(value, place)
    if body.need("type", str, "function") != "function":
        raise refuse(f"{place}.type", "only functions can be called")
    function = Body(body.need("function", dict, "an object"), f"{place}.function")
    body.rest(())
    parameters = function.take("parameters", dict, "a JSON schema") or {}
    if parameters.get("type", "object") != "object":
        raise refuse(f"{place}.function.parameters.type", "the schema of a function is an object's")
    tool = Tool(
        function.need("name", str, "text"),
        cast("Mapping[str, object]", parameters),
        function.take("description", str, "text"),
        function.take("strict", bool, "true or false"),
    )
    function.rest(())
    return tool


def _tool_call(value: object, place: str) -> ToolCall:
    body = Body(value, place)
    identifier = body.need("id", str, "text")
    body.take("type", str, "function")
    body.take("index", int, "a whole number")
    function = Body(body.need("function", dict, "an object"), f"{place}.function")
    return ToolCall(
        identifier, function.need("name", str, "text"), function.need("arguments", str, "JSON text")
    )


def _tool_choice(body: Body) -> str | None:
    value = body.take("tool_choice", (str, dict), "text, or an object")
    if value is None or isinstance(value, str):
        return value
    function = Body(Body(value, "tool_choice").need("function", dict, "an object"), "tool_choice")
    return function.need("name", str, "text")


def _document(value: object, place: str) -> str:
    if isinstance(value, str):
        return value
    return Body(value, place).need("text", str, "text")
