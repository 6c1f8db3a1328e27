"""Groq: the OpenAI dialect, with durations like ``2m59.56s`` in the headers of its limits.

Its requests are counted by the day and its tokens by the minute; the resets say so. The status 498
means that the flexible tier has no capacity.

Untested against the real service: it was written from the public description.

Source: Groq API reference, "Chat"; GroqDocs, "Rate limits", "API error codes", "OpenAI
compatibility".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers._openai_answer import usage_of
from ipfs_accelerate.gateway.providers._openai_stream import OpenAIStream
from ipfs_accelerate.gateway.providers._reading import maybe_object
from ipfs_accelerate.gateway.providers.protocol import Capabilities

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.messages import ChatRequest
    from ipfs_accelerate.gateway.providers.protocol import ChunkParser

__all__ = ["Groq"]


class Groq(OpenAIDialect):
    """The service."""

    name = "groq"
    default_url: ClassVar[str | None] = "https://api.groq.com/openai/v1"
    api_root = "/openai/v1"
    limit_field = "max_completion_tokens"
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
        needs_key=True,
    )

    def chunks(self, request: ChatRequest) -> ChunkParser:  # noqa: ARG002 — the same for all
        """See `Provider.chunks`."""
        return _GroqStream(self)


class _GroqStream(OpenAIStream):
    """Takes the usage from ``x_groq`` as well, where the last piece has it."""

    def _extra(self, value: dict[str, object]) -> None:
        usage = maybe_object(value.get("x_groq"), "x_groq").get("usage")
        if usage is not None:
            self.usage = usage_of(usage)
