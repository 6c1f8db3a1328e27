"""vLLM's server: the OpenAI dialect, with rerank and its own fields.

Guided decoding and everything else of its own goes through ``extra`` in its own spelling
(``structured_outputs``, ``guided_json``, ``top_k``, ``min_p``, ``chat_template_kwargs``). A chat
whose last message is the assistant's is continued.

Untested against the real service: it was written from the public description.

Source: vLLM documentation, "OpenAI-Compatible Server", "Re-rank API", "Extra parameters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers.protocol import Capabilities

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest

__all__ = ["VLLM"]


class VLLM(OpenAIDialect):
    """The service."""

    name = "vllm"
    default_url: ClassVar[str | None] = "http://localhost:8000/v1"
    api_root = "/v1"
    capabilities = Capabilities(
        operations=frozenset(Operation),
        has_streaming=True,
        has_tools=True,
        has_images=True,
        has_prefill=True,
    )

    def _chat_body(self, request: ChatRequest, *, is_stream: bool) -> dict[str, object]:
        body = super()._chat_body(request, is_stream=is_stream)
        last = request.messages[-1]
        if last.role == "assistant" and not last.tool_calls:
            body["add_generation_prompt"] = False
            body["continue_final_message"] = True
        return body
