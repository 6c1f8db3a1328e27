"""Hugging Face Text Generation Inference: its Messages API, and its native ``/generate``.

Chat and lists of prompts speak the OpenAI dialect. A single prompt goes to ``/generate``, which
counts tokens exactly and knows all of the service's own parameters: they go in ``extra``. Its one
model is named by ``/info``. In a refusal 422 is the request's fault, 424 the model's, and 429 says
that the service, not a key, is over its limit.

Untested against the real service: it was written from the public description.

Source: Text Generation Inference documentation, "Messages API", "HTTP API Reference" (the
service's OpenAPI description).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import (
    CompletionRequest,
    CompletionResponse,
    Operation,
    Usage,
)
from ipfs_accelerate.gateway.providers._answers import finish_reason
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers._openai_body import put
from ipfs_accelerate.gateway.providers._reading import Unreadable, count, items, members, text
from ipfs_accelerate.gateway.providers._service import joined_body
from ipfs_accelerate.gateway.providers.protocol import Capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Request, Response

__all__ = ["TextGenerationInference"]


class TextGenerationInference(OpenAIDialect):
    """The service."""

    name = "tgi"
    default_url: ClassVar[str | None] = "http://localhost:8080"
    paths: ClassVar[Mapping[str, str]] = {
        "chat": "/v1/chat/completions",
        "completion": "/v1/completions",
    }
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.COMPLETION}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
    )

    def _body(self, request: Request, *, is_stream: bool) -> tuple[str, dict[str, object]]:
        if isinstance(request, CompletionRequest) and len(request.prompts) == 1:
            return "/generate", {"inputs": request.prompts[0], "parameters": _parameters(request)}
        return super()._body(request, is_stream=is_stream)

    def _answer(self, request: Request, value: object) -> Response:
        if isinstance(request, CompletionRequest) and len(request.prompts) == 1:
            return _generated(request, value)
        return super()._answer(request, value)

    def _models_path(self) -> str:
        return "/info"

    def _model_names(self, value: dict[str, object]) -> tuple[str, ...]:
        return (text(value.get("model_id"), "its model"),)


def _parameters(request: CompletionRequest) -> dict[str, object]:
    body: dict[str, object] = {"details": True, "decoder_input_details": True}
    put(
        body,
        max_new_tokens=request.max_tokens,
        top_p=request.top_p,
        seed=request.seed,
        stop=list(request.stop) or None,
    )
    if request.temperature == 0:  # it refuses 0 and means this by it
        body["do_sample"] = False
    elif request.temperature is not None:
        put(body, temperature=request.temperature, do_sample=True)
    return joined_body(body, request.extra)


def _generated(request: CompletionRequest, value: object) -> CompletionResponse:
    answer = members(value, "its whole")
    details = members(answer.get("details"), "its details")
    reason = finish_reason(details.get("finish_reason"))
    if reason is None:
        raise Unreadable("does not say why it ends")
    content = text(answer.get("generated_text"), "its text")
    prefill = details.get("prefill")
    usage = Usage(
        len(items(prefill, "its prompt's tokens")) if prefill else None,
        count(details.get("generated_tokens"), "its count of tokens"),
    )
    if not content and not usage.completion_tokens:
        raise Unreadable("holds nothing: no text, and no tokens were spent")
    return CompletionResponse(request.model, (content,), (reason,), usage)
