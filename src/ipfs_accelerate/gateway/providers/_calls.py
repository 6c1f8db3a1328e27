"""Tool calls of services which know them by name and order instead of by an id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.gateway.messages import ToolCall
from ipfs_accelerate.gateway.providers._reading import Unreadable, arguments_of, text

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest

__all__ = ["call_arguments", "calls_before", "name_of_result", "read_call"]


def call_arguments(arguments: str) -> dict[str, object]:
    """The arguments of an earlier call, for services that want them as an object."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InputError("a tool call's arguments are not JSON") from error
    if not isinstance(value, dict):
        raise InputError("a tool call's arguments are not a JSON object")
    return value


def calls_before(request: ChatRequest) -> int:
    """How many tool calls the conversation holds: the number of the next one."""
    return sum(len(message.tool_calls) for message in request.messages)


def read_call(identity: str | None, name: object, arguments: object, number: int) -> ToolCall:
    """A call, with an id made of its number where the service gives none."""
    called = text(name, "a tool call's name")
    if not called:
        raise Unreadable("has a tool call without a name")
    given = arguments_of({} if arguments is None else arguments)
    return ToolCall(identity or f"call_{number}", called, given)


def name_of_result(request: ChatRequest, place: int) -> str:
    """The name of the tool whose result the message at ``place`` is.

    Raises:
        InputError: The message neither has the name nor answers an earlier call.
    """
    message = request.messages[place]
    if message.name:
        return message.name
    for earlier in reversed(request.messages[:place]):
        for call in earlier.tool_calls:
            if call.id == message.tool_call_id:
                return call.name
    raise InputError(
        f"no tool was called under the id {message.tool_call_id!r}",
        hint="keep the assistant's turn with its tool calls in the conversation",
    )
