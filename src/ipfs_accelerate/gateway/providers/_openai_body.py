"""Bodies of requests in the OpenAI dialect."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.gateway.messages import ImagePart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import (
        ChatRequest,
        CompletionRequest,
        Content,
        Message,
        Tool,
        ToolCall,
    )
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["chat_body", "completion_body", "data_url", "put", "schema_of", "tool_body"]


def put(body: dict[str, object], **fields: object) -> dict[str, object]:
    """``body`` with those fields that are not ``None``."""
    body.update({name: value for name, value in fields.items() if value is not None})
    return body


def chat_body(request: ChatRequest) -> dict[str, object]:
    """The body without ``stream`` and ``extra``."""
    body: dict[str, object] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
    }
    put(
        body,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        user=request.user,
    )
    if request.stop:
        body["stop"] = list(request.stop)
    if request.response_format is not None:
        body["response_format"] = dict(request.response_format)
    if request.tools:
        body["tools"] = [tool_body(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _choice(request.tool_choice)
    return body


def completion_body(request: CompletionRequest) -> dict[str, object]:
    """The body without ``extra``; one prompt is written as text, several as a list."""
    prompts = request.prompts
    body: dict[str, object] = {
        "model": request.model,
        "prompt": prompts[0] if len(prompts) == 1 else list(prompts),
    }
    put(
        body,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
    )
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def schema_of(service: Service, wanted: Mapping[str, object] | None) -> object | None:
    """The JSON schema of a response format, for services that know no other format."""
    kind = (wanted or {}).get("type", "text")
    if kind == "text":
        return None
    outer = (wanted or {}).get("json_schema")
    schema = outer.get("schema") if isinstance(outer, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise service.unable(f"the response format {kind!r}")
    return schema


def tool_body(tool: Tool) -> dict[str, object]:
    """A tool's definition."""
    function: dict[str, object] = {"name": tool.name, "parameters": dict(tool.parameters)}
    put(function, description=tool.description, strict=tool.is_strict)
    return {"type": "function", "function": function}


def data_url(image: ImagePart) -> str:
    """An image as an address: its own, or one that holds its bytes."""
    if image.url is not None:
        return image.url
    assert image.data is not None
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _message(message: Message) -> dict[str, object]:
    body: dict[str, object] = {"role": message.role, "content": _content(message.content)}
    if message.tool_calls:
        body["tool_calls"] = [_call(call) for call in message.tool_calls]
        if not message.content:
            body["content"] = None
    if message.role == "tool":
        if message.tool_call_id is None:
            raise InputError("a tool's message needs the tool_call_id it answers")
        body["tool_call_id"] = message.tool_call_id
    elif message.name is not None:
        body["name"] = message.name
    return body


def _content(content: Content) -> object:
    if isinstance(content, str):
        return content
    return [
        {"type": "image_url", "image_url": put({"url": data_url(part)}, detail=part.detail)}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in content
    ]


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _choice(choice: str) -> object:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}
