"""Bodies of requests to Gemini.

Source: Gemini API reference, "Generating content"; "Function calling", "Structured output".
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.messages import ImagePart
from ipfs_accelerate.gateway.providers._calls import call_arguments, name_of_result
from ipfs_accelerate.gateway.providers._openai_body import put, schema_of

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest, Message, Tool
    from ipfs_accelerate.gateway.providers._service import Service

__all__ = ["chat_body"]

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_FOREIGN_HISTORY = "skip_thought_signature_validator"


def chat_body(service: Service, request: ChatRequest) -> dict[str, object]:
    """The body without ``extra``."""
    body: dict[str, object] = {"contents": _contents(service, request)}
    if not body["contents"]:
        raise service.unable("a conversation without a turn of the user")
    system = [m.text for m in request.messages if m.role == "system" and m.text]
    if system:
        body["systemInstruction"] = {"parts": [{"text": one} for one in system]}
    if request.tools:
        declared = [_declaration(service, tool) for tool in request.tools]
        body["tools"] = [{"functionDeclarations": declared}]
    if request.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _choice(request.tool_choice)}
    config = _config(service, request)
    if config:
        body["generationConfig"] = config
    return body


def _config(service: Service, request: ChatRequest) -> dict[str, object]:
    config = put(
        {},
        maxOutputTokens=request.max_tokens,
        temperature=request.temperature,
        topP=request.top_p,
        seed=request.seed,
        stopSequences=list(request.stop) or None,
    )
    if (request.response_format or {}).get("type") == "json_object":
        config["responseMimeType"] = "application/json"
        return config
    schema = schema_of(service, request.response_format)
    if schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = schema
    return config


def _contents(service: Service, request: ChatRequest) -> list[dict[str, object]]:
    """Turns by role: neighbours of one role, and the results of tools, share a turn."""
    turns: list[tuple[str, list[dict[str, object]]]] = []
    for place, message in enumerate(request.messages):
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        if message.role == "tool":
            turns[-1][1].append(_result(request, place))
        else:
            turns[-1][1].extend(_parts(service, message))
    return [{"role": role, "parts": parts} for role, parts in turns if parts]


def _result(request: ChatRequest, place: int) -> dict[str, object]:
    message = request.messages[place]
    try:
        value: object = json.loads(message.text)
    except (ValueError, RecursionError):
        value = None
    response = value if isinstance(value, dict) else {"result": message.text}
    result: dict[str, object] = {"name": name_of_result(request, place), "response": response}
    return {"functionResponse": put(result, id=message.tool_call_id)}


def _parts(service: Service, message: Message) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = []
    content = message.content
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, ImagePart):
            parts.append(_image(service, part))
        else:
            text = part if isinstance(part, str) else part.text
            if text:
                parts.append({"text": text})
    for place, call in enumerate(message.tool_calls):
        function = {"id": call.id, "name": call.name, "args": call_arguments(call.arguments)}
        parts.append({"functionCall": function})
        if place == 0:
            parts[-1]["thoughtSignature"] = _FOREIGN_HISTORY
    return parts


def _image(service: Service, image: ImagePart) -> dict[str, object]:
    if image.data is None:
        raise service.unable("images by their address")
    data = base64.b64encode(image.data).decode()
    return {"inlineData": {"mimeType": image.media_type, "data": data}}


def _declaration(service: Service, tool: Tool) -> dict[str, object]:
    if tool.is_strict:
        raise service.unable("strict tools")
    body: dict[str, object] = {"name": tool.name, "parametersJsonSchema": dict(tool.parameters)}
    return put(body, description=tool.description)


def _choice(choice: str) -> dict[str, object]:
    mode = _MODES.get(choice)
    return {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}
