"""Bodies of requests to Claude.

Source: Claude API reference, "Messages", "Structured outputs", "Tool use".
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.gateway.messages import ImagePart
from ipfs_accelerate.gateway.providers._calls import call_arguments
from ipfs_accelerate.gateway.providers._openai_body import put, schema_of

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest, Content, Message, Tool
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["chat_body"]

_MOST_TOKENS = 4096
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def chat_body(service: Service, request: ChatRequest) -> dict[str, object]:
    """The body without ``stream`` and ``extra``."""
    if request.seed is not None:
        raise service.unable("a seed")
    body: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.max_tokens or _MOST_TOKENS,
        "messages": _turns(request.messages),
    }
    if not body["messages"]:
        raise service.unable("a conversation without a turn of the user")
    put(body, temperature=request.temperature, top_p=request.top_p)
    system = [m.text for m in request.messages if m.role == "system" and m.text]
    if system:
        body["system"] = "\n\n".join(system)
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _choice(request.tool_choice)
    schema = schema_of(service, request.response_format)
    if schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return body


def _turns(messages: tuple[Message, ...]) -> list[dict[str, object]]:
    """Turns by role: neighbours of one role, and the results of tools, share a turn."""
    turns: list[tuple[str, list[dict[str, object]]]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        turns[-1][1].extend(_blocks(message))
    return [{"role": role, "content": blocks} for role, blocks in turns if blocks]


def _blocks(message: Message) -> list[dict[str, object]]:
    content = _content(message.content)
    if message.role == "tool":
        if message.tool_call_id is None:
            raise InputError("a tool's message needs the tool_call_id it answers")
        result: dict[str, object] = {"type": "tool_result", "tool_use_id": message.tool_call_id}
        return [{**result, "content": content} if content else result]
    calls: list[dict[str, object]] = [
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": call_arguments(call.arguments),
        }
        for call in message.tool_calls
    ]
    return content + calls


def _content(content: Content) -> list[dict[str, object]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [
        {"type": "image", "source": _source(part)}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in content
        if isinstance(part, ImagePart) or part.text
    ]


def _source(image: ImagePart) -> dict[str, object]:
    if image.data is None:
        return {"type": "url", "url": image.url}
    data = base64.b64encode(image.data).decode()
    return {"type": "base64", "media_type": image.media_type, "data": data}


def _tool(tool: Tool) -> dict[str, object]:
    body: dict[str, object] = {"name": tool.name, "input_schema": dict(tool.parameters)}
    return put(body, description=tool.description, strict=tool.is_strict or None)


def _choice(choice: str) -> dict[str, object]:
    kind = _CHOICES.get(choice)
    return {"type": kind} if kind else {"type": "tool", "name": choice}
