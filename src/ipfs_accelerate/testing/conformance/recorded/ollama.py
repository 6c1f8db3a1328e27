"""Ollama. Source: Ollama documentation, "API reference", "Streaming", "Tool calling"."""

from __future__ import annotations

from dataclasses import replace

from ipfs_accelerate.errors import (
    ModelNotFoundError,
    ProviderFailedError,
    ProviderOverloadedError,
    RequestRefusedError,
)
from ipfs_accelerate.gateway.messages import ImagePart, Message, Tool
from ipfs_accelerate.gateway.providers.ollama import Ollama
from ipfs_accelerate.testing.conformance.provider_case import (
    CHAT,
    COMPLETION,
    TOOLS,
    ProviderCase,
    Refused,
)
from ipfs_accelerate.testing.conformance.recorded._writing import body, lines

__all__ = ["CASE"]

_HEAD: dict[str, object] = {"model": "m", "created_at": "2023-11-14T22:13:20.1Z"}
_DONE: dict[str, object] = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "prompt_eval_count": 12,
    "eval_count": 3,
}
_CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}


def _piece(content: str, **more: object) -> dict[str, object]:
    return {
        **_HEAD,
        "message": {"role": "assistant", "content": content, **more},
        "done": False,
    }


_LAST = {**_piece(""), **_DONE}

CASE = ProviderCase(
    Ollama("http://localhost:1"),
    chat=body(**{**_piece("Paris."), **_DONE}),
    stream=lines(_piece("Par"), _piece("is."), _LAST),
    tools=body(**{**_piece("", tool_calls=[_CALL]), **_DONE}),
    tool_stream=lines(_piece("", tool_calls=[_CALL]), _LAST),
    embedding=body(
        model="m", embeddings=[[0.25, -0.5, 1.0], [1.0, 0.0, -2.0]], prompt_eval_count=2
    ),
    completion=body(**_HEAD, response=" Paris", **_DONE),
    failed=(body(error="an error was encountered while running the model"), ProviderFailedError),
    failed_stream=(lines(_piece("Par"), {"error": "unexpected EOF"}), ProviderFailedError),
    bad_piece=b"{oops\n",
    models=body(models=[{"name": "m", "model": "m", "size": 1}]),
    refusals=(
        Refused(404, body(error="model 'm' not found"), ModelNotFoundError),
        Refused(400, body(error="missing request body"), RequestRefusedError),
        Refused(500, body(error="llama runner process has terminated"), ProviderFailedError),
        Refused(
            503,
            body(error="server busy, please try again. maximum pending requests exceeded"),
            ProviderOverloadedError,
        ),
    ),
    unexpressible=(
        replace(TOOLS, tool_choice="required"),
        replace(TOOLS, tools=(Tool("f", {}, is_strict=True),)),
        replace(COMPLETION, prompts=("a", "b")),
        replace(CHAT, messages=(Message("user", (ImagePart("https://h/i.png"),)),)),
        replace(CHAT, extra={"options": {"num_predict": 1}}),
    ),
)
