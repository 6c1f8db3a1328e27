"""OpenAI, and any service that speaks its dialect without peculiarities.

Untested against the real service: it was written from the public description.

Source: OpenAI API reference, "Chat completions", "Completions", "Embeddings", "Models"; OpenAI
documentation, "Error codes", "Rate limits".
"""

from __future__ import annotations

from typing import ClassVar

from ipfs_accelerate.gateway.messages import Operation
from ipfs_accelerate.gateway.providers._openai import OpenAIDialect
from ipfs_accelerate.gateway.providers.protocol import Capabilities

__all__ = ["OpenAI"]


class OpenAI(OpenAIDialect):
    """The service, or another one under ``base_url``.

    OpenAI's newer models know the limit of tokens only as ``max_completion_tokens``, many other
    services only as ``max_tokens``; the address tells which name is written.
    """

    name = "openai"
    default_url: ClassVar[str | None] = "https://api.openai.com/v1"
    api_root = "/v1"
    capabilities = Capabilities(
        operations=frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING}),
        has_streaming=True,
        has_tools=True,
        has_images=True,
        needs_key=True,
        max_batch=2048,
    )

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__(base_url)
        if self.base_url == self.default_url:
            self.limit_field = "max_completion_tokens"
