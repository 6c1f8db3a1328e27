"""Whole answers in the OpenAI dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import (
    ChatResponse,
    CompletionResponse,
    FinishReason,
    ToolCall,
    Usage,
)
from ipfs_accelerate.gateway.providers._answers import (
    assistant,
    chat_response,
    embedding_response,
    finish_reason,
    indexed_vectors,
    model_of,
)
from ipfs_accelerate.gateway.providers._reading import (
    Unreadable,
    arguments_of,
    count,
    items,
    maybe_object,
    maybe_text,
    members,
    text,
)

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import (
        CompletionRequest,
        EmbeddingRequest,
        EmbeddingResponse,
    )
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["read_chat", "read_completion", "read_embeddings", "usage_of"]


def usage_of(value: object) -> Usage:
    """Tokens; what is absent stays unknown."""
    if value is None:
        return Usage()
    usage = members(value, "its usage")
    details = maybe_object(usage.get("prompt_tokens_details"), "its usage's details")
    return Usage(
        count(usage.get("prompt_tokens"), "its count of tokens"),
        count(usage.get("completion_tokens"), "its count of tokens"),
        count(details.get("cached_tokens"), "its count of tokens"),
    )


def read_chat(service: Service, asked: str, value: dict[str, object]) -> ChatResponse:
    """An answer to a chat; its first choice."""
    choices = items(value.get("choices"), "its choices")
    if not choices:
        raise Unreadable("has no choices")
    choice = members(choices[0], "a choice")
    message = members(choice.get("message"), "a message")
    content = maybe_text(message.get("content"), "its text")
    calls = message.get("tool_calls")
    reason = finish_reason(choice.get("finish_reason"))
    if reason is None:
        raise Unreadable("does not say why it ends")
    if maybe_text(message.get("refusal"), "its refusal"):
        reason = FinishReason.CONTENT_FILTER
    answer = ChatResponse(
        model_of(value, asked),
        assistant(content, tuple(map(_call, items(calls, "its tool calls"))) if calls else ()),
        reason,
        usage_of(value.get("usage")),
        maybe_text(value.get("id"), "its id") or None,
    )
    return chat_response(service, answer)


def read_completion(
    service: Service, request: CompletionRequest, value: dict[str, object]
) -> CompletionResponse:
    """One text for each prompt, by the choices' indexes."""
    found: dict[int, tuple[str, FinishReason]] = {}
    for place, one in enumerate(items(value.get("choices"), "its choices")):
        choice = members(one, "a choice")
        index = count(choice.get("index", place), "a choice's index")
        reason = finish_reason(choice.get("finish_reason"))
        if index is None or index in found or reason is None:
            raise Unreadable("has a choice twice, or one that does not say why it ends")
        found[index] = text(choice.get("text"), "a choice's text"), reason
    if found.keys() != set(range(len(request.prompts))):
        raise Unreadable(f"has {len(found)} choices for {len(request.prompts)} prompts")
    usage = usage_of(value.get("usage"))
    texts, reasons = zip(*(found[index] for index in range(len(found))), strict=True)
    if not any(texts):
        if FinishReason.CONTENT_FILTER in reasons:
            raise service.filtered()
        if not usage.completion_tokens:
            raise Unreadable("holds nothing: no text, and no tokens were spent")
    return CompletionResponse(model_of(value, request.model), texts, reasons, usage)


def read_embeddings(request: EmbeddingRequest, value: dict[str, object]) -> EmbeddingResponse:
    """Vectors in the order of the inputs."""
    vectors = indexed_vectors(value.get("data"))
    usage = usage_of(value.get("usage"))
    return embedding_response(request, model_of(value, request.model), vectors, usage)


def _call(value: object) -> ToolCall:
    call = members(value, "a tool call")
    function = members(call.get("function"), "a tool call's function")
    arguments = function.get("arguments")
    if type(arguments) is dict:  # TGI writes them as an object
        arguments = arguments_of(arguments)
    name = text(function.get("name"), "a tool call's name")
    if not name:
        raise Unreadable("has a tool call without a name")
    identity = maybe_text(call.get("id"), "a tool call's id")
    return ToolCall(identity or "", name, text(arguments, "a tool call's arguments"))
